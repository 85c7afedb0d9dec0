import { carryOut } from "../plan/undo.ts";
import type { Undo } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import type { Paths } from "../state/paths.ts";
import { isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { HostError, messagesOf } from "../errors.ts";
import { cgroupName } from "../limits/cgroup.ts";
import { oomKills } from "../limits/oom.ts";
import { forgetContainer } from "./volume_records.ts";

/**
 * Writes down one more thing that must be undone for a container. Durable against any death of the process when it
 * returns.
 */
export function recordUndo(database: Database, container: string, undo: Undo): void {
  const server = undo.undo === "kill" && undo.isNameServer ? undo : undefined;
  database.run(
    "UPDATE containers SET undo = json_insert(undo, '$[#]', json(?)), name_server = ifnull(?, name_server) WHERE id = ?",
    JSON.stringify(undo),
    server === undefined ? null : JSON.stringify(server),
    container,
  );
}

/**
 * Carries out a container's journal, the last entry first. Every entry is tried.
 * @param quick the container ended by itself; see carryOut
 * @throws {HostError} with all that failed
 */
export async function carryOutJournal(
  database: Database,
  paths: Paths,
  container: string,
  { quick }: { quick: boolean },
): Promise<void> {
  const row = database.get<{ undo: string }>("SELECT undo FROM containers WHERE id = ?", container);
  const journal = JSON.parse(row?.undo ?? "[]") as Undo[];
  const failures: unknown[] = [];
  for (const undo of journal.toReversed()) {
    try {
      if (undo.undo === "release-volumes") {
        const { releaseVolumes } = await import("./volume_mounts.ts");
        await releaseVolumes(database, container, undo.folders);
      } else if (undo.undo === "forget-names") {
        const { forgetNames } = await import("./naming.ts");
        await forgetNames(database, paths, container, undo.networks);
      } else if (undo.undo === "unpublish-ports") {
        const { unpublishPorts } = await import("../network/lifecycle.ts");
        await unpublishPorts(database, paths, container, undo.networks);
      } else if (undo.undo === "kill") {
        await endProcess(database, container, undo);
      } else if (undo.undo === "end-fuse-overlay") {
        const { endFuseOverlay } = await import("../plan/fuse_overlay.ts");
        await endFuseOverlay(undo);
      } else {
        if (undo.undo === "remove-cgroups") noteOomKills(database, container, undo.folders);
        await carryOut(undo, {
          quick: quick && !(undo.undo === "delete-link" && isJoined(database, container)),
        });
      }
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) {
    throw new HostError({
      what: `cannot remove all of container ${container.slice(0, 12)}`,
      why: failures.flatMap(messagesOf).join("; "),
      cause: new AggregateError(failures),
    });
  }
}

/** Writes down whether memory was short, before what has counted that is gone; an event tells of it. */
function noteOomKills(database: Database, container: string, cgroups: readonly string[]): void {
  if (oomKills(cgroups) === 0) return;
  database.run("UPDATE containers SET oom_killed = 1 WHERE id = ?", container);
}

/** Whether others may have its network namespace, which then does not go with it. */
function isJoined(database: Database, container: string): boolean {
  const sql = "SELECT 1 FROM joins WHERE partner = ? AND kind = 'network'";
  return database.get(sql, container) !== undefined;
}

/** Cgroups above those of containers that dhow has made, and removes with the last container in them. */
export function ownParents(database: Database): Set<string> {
  const rows = database.all<{ undo: string }>(
    "SELECT undo FROM containers WHERE undo LIKE '%remove-empty-cgroups%'",
  );
  const journals = rows.flatMap(({ undo }) => JSON.parse(undo) as Undo[]);
  return new Set(journals.flatMap((entry) => entry.undo === "remove-empty-cgroups" ? entry.folders : []));
}

/** A container's cgroup, as cgroupName gives it. */
function cgroupIn(database: Database, container: string): string {
  const sql = "SELECT json_extract(config, '$.options.cgroupParent') AS parent FROM containers WHERE id = ?";
  return cgroupName(container, database.get<{ parent: string | null }>(sql, container)?.parent ?? undefined);
}

/** Ends a process of a container, which need not be a child of this one. */
async function endProcess(
  database: Database,
  container: string,
  identity: ProcessIdentity,
): Promise<void> {
  // a monitor is in its container's journal, and becomes the command that carries it out
  if (!isAlive(identity) || identity.pid === Deno.pid) return;
  const { ProcessHandle } = await import("../state/process_end.ts");
  using process = ProcessHandle.open(identity);
  if (process === undefined) return;
  const { killForSure } = await import("./end.ts");
  await killForSure(cgroupIn(database, container), process);
}

/**
 * Carries out a container's journal, and then forgets the container, its name and its address. If an entry fails, the
 * container stays on record for the next command to try again.
 * @param how its exit code, if that is known; and as carryOutJournal's
 * @returns names of volumes that only it had, whose folders remain to be removed
 * @throws {HostError} with all that failed
 */
export async function undoAll(
  database: Database,
  paths: Paths,
  container: string,
  { exitCode, ...how }: { quick: boolean; exitCode?: number | undefined },
): Promise<string[]> {
  await carryOutJournal(database, paths, container, how);
  return database.transaction(() => {
    // for the event that tells of its end
    if (exitCode !== undefined) {
      database.run("UPDATE containers SET exit_code = ? WHERE id = ?", exitCode, container);
    }
    return forgetContainer(database, container, { withVolumes: true });
  });
}
