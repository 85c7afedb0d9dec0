import { carryOut } from "../plan/undo.ts";
import type { Undo } from "../plan/step.ts";
import type { Database } from "../state/database.ts";

/**
 * Writes down what must be undone for a container, in a transaction of its own unless one is open already. Durable
 * against any death of the process when it returns.
 */
export function recordUndo(database: Database, container: string, undo: readonly Undo[]): void {
  for (const entry of undo) {
    database.run("INSERT INTO journal (container, undo) VALUES (?, ?)", container, JSON.stringify(entry));
  }
}

/**
 * Carries out a container's journal, the last entry first, and then forgets the container, its name and its address.
 * Every entry is tried; if one fails, the container stays on record for the next command to try again.
 *
 * @param quick the container ended by itself; see carryOut
 * @throws {AggregateError} with all that failed
 */
export async function undoAll(
  database: Database,
  container: string,
  { quick }: { quick: boolean },
): Promise<void> {
  const rows = database.all<{ undo: string }>(
    "SELECT undo FROM journal WHERE container = ? ORDER BY sequence DESC",
    container,
  );
  const failures: unknown[] = [];
  for (const { undo } of rows) {
    try {
      await carryOut(JSON.parse(undo) as Undo, { quick });
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) {
    throw new AggregateError(failures, `cannot remove all of container ${container.slice(0, 12)}`);
  }
  database.transaction(() => database.run("DELETE FROM containers WHERE id = ?", container));
}
