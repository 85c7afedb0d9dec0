import { carryOut } from "../plan/undo.ts";
import type { Undo } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { isAlive } from "../state/process_identity.ts";
import { forgetContainer } from "./volume_records.ts";

/**
 * Writes down one more thing that must be undone for a container. Durable against any death of the process when it
 * returns.
 */
export function recordUndo(database: Database, container: string, undo: Undo): void {
  database.run(
    "UPDATE containers SET undo = json_insert(undo, '$[#]', json(?)) WHERE id = ?",
    JSON.stringify(undo),
    container,
  );
}

/**
 * Carries out a container's journal, the last entry first. Every entry is tried.
 * @param quick the container ended by itself; see carryOut
 * @throws {AggregateError} with all that failed
 */
export async function carryOutJournal(
  database: Database,
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
        continue;
      }
      if (undo.undo === "kill" && isAlive(undo)) await letGoOn(container);
      await carryOut(undo, {
        quick: quick && !(undo.undo === "delete-link" && isJoined(database, container)),
      });
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) {
    throw new AggregateError(failures, `cannot remove all of container ${container.slice(0, 12)}`);
  }
}

/** Whether others may have its network namespace, which then does not go with it. */
function isJoined(database: Database, container: string): boolean {
  const sql = "SELECT 1 FROM joins WHERE partner = ? AND kind = 'network'";
  return database.get(sql, container) !== undefined;
}

/** One that is paused would not end by a signal before it goes on. */
async function letGoOn(id: string): Promise<void> {
  const { Freezers } = await import("../limits/freezer.ts");
  new Freezers().thaw(id);
}

/**
 * Carries out a container's journal, and then forgets the container, its name and its address. If an entry fails, the
 * container stays on record for the next command to try again.
 * @param how its exit code, if that is known; and as carryOutJournal's
 * @returns names of volumes that only it had, whose folders remain to be removed
 * @throws {AggregateError} with all that failed
 */
export async function undoAll(
  database: Database,
  container: string,
  { exitCode, ...how }: { quick: boolean; exitCode?: number | undefined },
): Promise<string[]> {
  await carryOutJournal(database, container, how);
  return database.transaction(() => {
    // for the event that tells of its end
    if (exitCode !== undefined) {
      database.run("UPDATE containers SET exit_code = ? WHERE id = ?", exitCode, container);
    }
    return forgetContainer(database, container, { withVolumes: true });
  });
}
