import { SIGNALS } from "../../ffi/constants.ts";
import type { Database } from "../state/database.ts";
import type { Paths } from "../state/paths.ts";
import { ProcessHandle } from "../state/process_end.ts";
import { recordEvent } from "./events.ts";
import { letGoOn } from "./pause.ts";
import { type ContainerRecord, getContainer } from "./records.ts";
import { settle } from "./settle.ts";

interface Context {
  readonly database: Database;
  readonly paths: Paths;
}

/**
 * Waits until a container does not run any more, and its end is written down.
 * @returns the container as it is then; undefined when it was removed
 */
export async function awaitEnd(
  context: Context,
  { id }: ContainerRecord,
): Promise<ContainerRecord | undefined> {
  while (true) {
    const record = ifThere(context.database, id);
    if (record === undefined) return undefined;
    // its owner stays until its end is written down
    using owner = ProcessHandle.open(record.owner);
    if (owner !== undefined) {
      await owner.ended();
      continue;
    }
    const now = ifThere(context.database, id);
    if (now?.status !== "running" || now.owner?.startTime !== record.owner?.startTime) {
      if (now?.status === "running") continue; // somebody has started it again meanwhile
      return now;
    }
    // its owner was killed
    await settle(context.database, context.paths, id, { quick: false });
  }
}

function ifThere(database: Database, id: string): ContainerRecord | undefined {
  const known = database.get("SELECT 1 FROM containers WHERE id = ?", id);
  return known === undefined ? undefined : getContainer(database, id);
}

/**
 * Asks a container's first process to end, and ends it if it does not.
 * @param signal what it is asked with
 * @param seconds how long it has; negative: as long as it takes
 */
export async function stopContainer(
  context: Context,
  record: ContainerRecord,
  signal: number,
  seconds: number,
): Promise<void> {
  using process = ProcessHandle.open(record.process);
  if (process !== undefined) {
    send(context, process, record, signal);
    if (seconds >= 0 && !await process.ended(seconds * 1000)) send(context, process, record, SIGNALS.SIGKILL);
    await process.ended();
  }
  await awaitEnd(context, record);
}

/** A paused container goes on, or it could not take the signal. */
function send(
  { database }: Context,
  process: ProcessHandle,
  record: ContainerRecord,
  signal: number,
): void {
  recordEvent(database, record.id, "kill", { signal: String(signal) });
  process.signal(signal);
  letGoOn(record);
}
