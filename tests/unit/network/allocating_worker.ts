/** Takes addresses on a thread of its own, as another dhow command would: see endpoints_test.ts. */
import { allocateEndpoint } from "../../../src/network/endpoints.ts";
import { Database } from "../../../src/state/database.ts";
import type { Paths } from "../../../src/state/paths.ts";
import { addContainer } from "../state/temporary.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ paths: Paths; ids: string[] }>) => void;
  postMessage(addresses: number[]): void;
};

scope.onmessage = ({ data: { paths, ids } }) => {
  const database = Database.open(paths);
  const addresses = ids.map((id) =>
    database.transaction(() => {
      addContainer(database, id);
      return allocateEndpoint(database, id, undefined, () => {}).address;
    })
  );
  database.close();
  scope.postMessage(addresses);
};
