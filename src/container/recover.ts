import { HostError, messagesOf } from "../errors.ts";
import { log } from "../log.ts";
import { hasLeftovers } from "../image/store/leftovers.ts";
import type { Database } from "../state/database.ts";
import {
  containerRun,
  containerState,
  copiesFolder,
  indexesFolder,
  layersFolder,
  type Paths,
} from "../state/paths.ts";
import { entriesIn } from "../state/read.ts";
import { areAlive, isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { abandonedSpools } from "../state/abandoned_spools.ts";
import { isKeeperAlive } from "./keeper_alive.ts";
import { NOBODY, type Status } from "./records.ts";
import { NAMED } from "../network/network.ts";
import { isFirewallUntouched } from "../network/firewall/state.ts";
import { mayHaveOrphans } from "./volume_records.ts";

interface ContainerRow {
  readonly id: string;
  readonly owner: string;
  readonly status: Status;
  /** Null for none. */
  readonly server: string | null;
}

/** How a container in the foreground ends when its dhow is killed. */
const KILLED = 128 + 9;

/** A container with a monitor, whose owner was killed, or whom another command cleans up after. */
async function settleDead(context: Context, id: string, owner: ProcessIdentity): Promise<void> {
  const { awaitCleaner, settleAfter } = await import("./settle.ts");
  if (isAlive(owner)) await awaitCleaner(context.database, id);
  else await settleAfter(context, id, owner);
}

interface Context {
  readonly database: Database;
  readonly paths: Paths;
  /** This dhow's own command line, without a command. */
  readonly ownCommand: readonly string[];
  /** The same for `recover`. */
  readonly recoverCommand: readonly string[];
}

/**
 * Undoes what killed dhow commands left behind: called at the start of every command, and cheap when there is nothing.
 * What cannot be undone now is reported and kept on record for the next time.
 */
export async function recover(context: Context): Promise<void> {
  const { database, paths } = context;
  const containers = database.all<ContainerRow>(
    "SELECT id, owner, status, name_server AS server FROM containers",
  );
  const owned = containers.filter(({ owner }) => owner !== NOBODY);
  const named = owned.filter(({ server }) => server !== null);
  const processes = [...owned.map(({ owner }) => owner), ...named.map(({ server }) => server!)];
  const alive = areAlive(processes.map((process) => JSON.parse(process) as ProcessIdentity));
  const dead = owned.filter(({ owner }, index) => owner.includes('"cleans"') || !alive[index]);
  const mute = named.filter((one, index) => !alive[owned.length + index] && !dead.includes(one));
  for (const { id, status, owner } of dead) {
    await attempt(async () => {
      if (status === "foreground") {
        const { undoAll } = await import("./journal.ts");
        await undoAll(database, paths, id, { quick: false, exitCode: KILLED });
      } else await settleDead(context, id, JSON.parse(owner) as ProcessIdentity);
    });
  }
  for (const network of madeNetworks(database)) {
    // a network that was left in order has somebody to remove it soon
    if (dead.length === 0 && isKeeperAlive(database)) continue;
    await attempt(async () => {
      const { removeUnusedNetwork } = await import("../network/lifecycle.ts");
      await removeUnusedNetwork(database, paths, network.name);
    });
  }
  for (const { id } of mute) {
    await attempt(
      async () => await (await import("./name_server.ts")).reviveNameServer(context, id),
      "cannot start a container's name server anew",
    );
  }
  const unfinished = database.get<{ connections: number | null; names: number | null }>(
    "SELECT max(owner IS NOT NULL) AS connections, max(named = ?) AS names FROM endpoints",
    NAMED.anew,
  );
  if (unfinished?.connections === 1) {
    await attempt(async () => await (await import("./connect.ts")).finishConnections(context));
  }
  if (unfinished?.names === 1) {
    await attempt(async () => await (await import("./naming.ts")).publishRenamed(database, paths));
  }
  await attempt(async () => {
    if (madeNetworks(database).length === 0 || isFirewallUntouched(database)) return;
    await (await import("../network/lifecycle.ts")).restoreNetworks(database, paths);
  }, "cannot put networks back in order");
  const known = new Set(containers.map(({ id }) => id));
  for (const folder of [containerState(paths, ""), containerRun(paths, "")]) {
    for (const { name: id } of entriesIn(folder)) {
      // after a power cut the folder may have outlived its row; one that is new since the query has a row by now
      if (known.has(id) || database.get("SELECT 1 FROM containers WHERE id = ?", id) !== undefined) continue;
      await attempt(async () => {
        await refuseRunning(id);
        await removeFolder(`${folder}/${id}`);
      });
    }
  }
  await attempt(async () => {
    if (mayHaveOrphans(database, paths)) (await import("./volumes.ts")).removeOrphans(database, paths);
  });
  await attempt(async () => {
    const isClean = !hasLeftovers(database, "layers", layersFolder(paths)) &&
      !hasLeftovers(database, "indexes", indexesFolder(paths)) &&
      !hasLeftovers(database, "copies", copiesFolder(paths));
    if (!isClean) (await import("../image/store/recover.ts")).recoverStore(database, paths);
  });
  for (const path of abandonedSpools(paths)) await attempt(() => removeFolder(path));
}

const madeNetworks = (database: Database) =>
  database.all<{ name: string }>("SELECT name FROM networks WHERE made IS NOT NULL");

/**
 * @throws {HostError} for a container that runs, but has no row: this is not the database that it was started with, but an older one,
 * or one from elsewhere
 */
async function refuseRunning(id: string): Promise<void> {
  const { processesOf } = await import("../limits/processes.ts");
  const { cgroupName } = await import("../limits/cgroup.ts");
  const [first] = processesOf(cgroupName(id));
  if (first === undefined) return;
  throw new HostError({
    what: `cannot remove what is left of container ${id.slice(0, 12)}`,
    why: `it runs (process ${first}), but this is not the database that knows it`,
    hint: "put that one back, or kill the container's dhow-monitor",
  });
}

async function removeFolder(path: string): Promise<void> {
  const { removeTree } = await import("../plan/undo.ts");
  removeTree(path);
}

/** @param what what fails with it */
async function attempt(
  work: () => Promise<void> | void,
  what = "cannot clean up after a dhow that was killed",
): Promise<void> {
  try {
    await work();
  } catch (error) {
    for (const message of messagesOf(error)) log.warn(`${what}: ${message}`);
  }
}
