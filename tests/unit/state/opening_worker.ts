/** Opens the database on a thread of its own, as another dhow command would: see database_test.ts. */
import { Database } from "../../../src/state/database.ts";
import type { Paths } from "../../../src/state/paths.ts";
import { addContainer } from "./temporary.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Work>) => void;
  postMessage(count: number): void;
};

interface Work {
  /** Of databases that are opened one after the other. */
  readonly paths: readonly Paths[];
  readonly ids: readonly string[];
  /** How many workers there are, and how many of them have come to each database: they open it at the same moment. */
  readonly workers: number;
  readonly arrived: SharedArrayBuffer;
}

scope.onmessage = ({ data: { paths, ids, workers, arrived } }) => {
  const counts = new Int32Array(arrived);
  for (const [round, each] of paths.entries()) {
    Atomics.add(counts, round, 1);
    while (Atomics.load(counts, round) < workers);
    const database = Database.open(each);
    for (const id of ids) database.transaction(() => addContainer(database, id));
    database.close();
  }
  scope.postMessage(ids.length);
};
