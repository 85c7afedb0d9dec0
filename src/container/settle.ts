/** What is to be done when a container with a monitor has ended, or its start was given up. */
import { join } from "@std/path";
import { removeTree } from "../plan/undo.ts";
import { EXIT_LOG_SIZE, EXIT_SIGINFO, EXIT_SIZE } from "../plan/monitor.ts";
import type { Database } from "../state/database.ts";
import { containerState, type Paths } from "../state/paths.ts";
import { carryOutJournal } from "./journal.ts";
import { getContainer, NOBODY } from "./records.ts";
import { forgetContainer } from "./volume_records.ts";
import { removeOrphans } from "./volumes.ts";

/** How a container's run ended, as its monitor has seen it. */
export interface EndRecord {
  /** In milliseconds since 1970. */
  readonly finished: number;
  /** The exit code, or 128 + the signal that ended it. */
  readonly exitCode: number;
}

/** The file in which the monitor writes that down, and the log. */
export const exitPath = (paths: Paths, id: string) => join(containerState(paths, id), "exit");
export const logPath = (paths: Paths, id: string) => join(containerState(paths, id), "log");

/** @returns undefined when nobody was there to see it */
export function readEnd(paths: Paths, id: string): EndRecord | undefined {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Deno.readFileSync(exitPath(paths, id));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (bytes.length < EXIT_SIZE) return undefined;
  const view = new DataView(bytes.buffer);
  const finished = Number(view.getBigInt64(0, true)) * 1000 +
    Math.floor(Number(view.getBigInt64(8, true)) / 1e6);
  // siginfo_t: si_code after two ints; si_status after si_pid and si_uid (waitid(2))
  const CLD_EXITED = 1;
  const code = view.getInt32(EXIT_SIGINFO + 8, true);
  const status = view.getInt32(EXIT_SIGINFO + 24, true);
  if (view.getBigInt64(EXIT_LOG_SIZE, true) < 0n || code < 1) return undefined;
  return { finished, exitCode: code === CLD_EXITED ? status : 128 + status };
}

/** The exit code that docker gives when it does not know. */
const UNKNOWN_EXIT_CODE = 255;

/**
 * Takes back what a run of a container has made, and writes down how it ended; removes it if that was wanted. Safe to be repeated, by
 * several commands at once.
 * @param quick it ended by itself; see carryOut
 * @throws {AggregateError} when not all could be taken back: then it is to be tried again
 */
export async function settle(
  database: Database,
  paths: Paths,
  id: string,
  how: { quick: boolean },
): Promise<void> {
  await carryOutJournal(database, id, how);
  const removes = database.transaction(() => {
    const { status, config } = getContainer(database, id);
    database.run("DELETE FROM endpoints WHERE container = ?", id);
    if (status === "running" && config.options.remove) {
      forgetContainer(database, id, { withVolumes: true });
      return true;
    }
    database.run("UPDATE containers SET owner = ?, undo = '[]' WHERE id = ?", NOBODY, id);
    if (status === "running") writeEnd(database, id, readEnd(paths, id));
    return false;
  });
  // without its row, recovery would remove it as well
  if (!removes) return;
  removeTree(containerState(paths, id));
  removeOrphans(database, paths);
}

function writeEnd(database: Database, id: string, end: EndRecord | undefined): void {
  database.run(
    "UPDATE containers SET status = 'exited', process = NULL, finished = ?, exit_code = ?, error = ? WHERE id = ?",
    end?.finished ?? Date.now(),
    end?.exitCode ?? UNKNOWN_EXIT_CODE,
    end === undefined ? "nobody saw how it ended: its monitor was killed, or the machine stopped" : null,
    id,
  );
}
