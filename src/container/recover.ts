import { messagesOf } from "../errors.ts";
import { log } from "../log.ts";
import type { ImageStore } from "../image/store/store.ts";
import { removeUnusedNetwork } from "../network/lifecycle.ts";
import { removeTree } from "../plan/undo.ts";
import type { Database } from "../state/database.ts";
import { containerRun, containerState, type Paths } from "../state/paths.ts";
import { entriesIn } from "../state/read.ts";
import { isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { removeAbandonedSpools } from "../state/spool.ts";
import { undoAll } from "./journal.ts";
import { isKeeperAlive } from "./keeper.ts";
import { NOBODY, type Status } from "./records.ts";
import { mayHaveOrphans } from "./volume_records.ts";

interface ContainerRow {
  readonly id: string;
  readonly owner: string;
  readonly status: Status;
}

async function settleDead(database: Database, paths: Paths, id: string): Promise<void> {
  const { settle } = await import("./settle.ts");
  await settle(database, paths, id, { quick: false });
}

/**
 * Undoes what killed dhow commands left behind: called at the start of every command, and cheap when there is nothing.
 * What cannot be undone now is reported and kept on record for the next time.
 */
export async function recover(database: Database, paths: Paths, store: ImageStore): Promise<void> {
  const containers = database.all<ContainerRow>("SELECT id, owner, status FROM containers");
  const dead = containers.filter(({ owner }) =>
    owner !== NOBODY && !isAlive(JSON.parse(owner) as ProcessIdentity)
  );
  for (const { id, status } of dead) {
    await attempt(async () => {
      if (status === "foreground") await undoAll(database, id, { quick: false });
      else await settleDead(database, paths, id);
    });
  }
  for (const network of database.all<{ name: string }>("SELECT name FROM networks WHERE made IS NOT NULL")) {
    // a network that was left in order has somebody to remove it soon
    if (dead.length === 0 && isKeeperAlive(database)) continue;
    await attempt(() => removeUnusedNetwork(database, paths, network.name));
  }
  const known = new Set(containers.map(({ id }) => id));
  for (const folder of [containerState(paths, ""), containerRun(paths, "")]) {
    for (const { name: id } of entriesIn(folder)) {
      // after a power cut the folder may have outlived its row; one that is new since the query has a row by now
      if (known.has(id) || database.get("SELECT 1 FROM containers WHERE id = ?", id) !== undefined) continue;
      await attempt(() => removeTree(`${folder}/${id}`));
    }
  }
  await attempt(async () => {
    if (mayHaveOrphans(database, paths)) (await import("./volumes.ts")).removeOrphans(database, paths);
  });
  await attempt(() => store.recover());
  await attempt(() => removeAbandonedSpools(paths));
}

async function attempt(work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    for (const message of messagesOf(error)) {
      log.warn(`cannot clean up after a dhow that was killed: ${message}`);
    }
  }
}
