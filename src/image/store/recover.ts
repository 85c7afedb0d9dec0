import type { Database } from "../../state/database.ts";
import type { Paths } from "../../state/paths.ts";
import { CopyStore } from "./copies.ts";
import { IndexStore } from "./indexes.ts";
import { LayerStore } from "./layers.ts";

/** Removes what loads and removals have left behind that were killed. */
export function recoverStore(database: Database, paths: Paths): void {
  new CopyStore(paths, database).files.recover();
  new IndexStore(paths, database).files.recover();
  new LayerStore(paths, database).files.recover();
}
