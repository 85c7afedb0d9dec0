/** Opens the database on a thread of its own, as another dhow command would: see database_test.ts. */
import { Database } from "../../../src/state/database.ts";
import type { Paths } from "../../../src/state/paths.ts";
import { addContainer } from "./temporary.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ paths: Paths; ids: string[] }>) => void;
  postMessage(count: number): void;
};

scope.onmessage = ({ data: { paths, ids } }) => {
  const database = Database.open(paths);
  for (const id of ids) database.transaction(() => addContainer(database, id));
  database.close();
  scope.postMessage(ids.length);
};
