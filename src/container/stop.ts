import { SIGNALS } from "../../ffi/constants.ts";
import { stepDone } from "../plan/fault.ts";
import type { Database } from "../state/database.ts";
import { ProcessHandle } from "../state/process_end.ts";
import { isAlive, isSame, type ProcessIdentity } from "../state/process_identity.ts";
import { killForSure } from "./end.ts";
import { recordEvent } from "./events.ts";
import { undoAll } from "./journal.ts";
import { letGoOn } from "./pause.ts";
import { cgroupOf, type ContainerRecord, lookUpContainer, STOPPED } from "./records.ts";
import {
  awaitCleaner,
  type EndContext,
  isCleaner,
  readEnd,
  settleAfter,
  settleForMonitor,
} from "./settle.ts";

export type StopContext = EndContext;

/** How often to look whether a command that works on a container is through with it. */
const LOOK_AGAIN_MS = 10;

/**
 * Waits until a container does not run any more, and its end is written down.
 * @returns the container as it is then; undefined when it was removed
 */
export function awaitEnd(
  context: StopContext,
  { id }: ContainerRecord,
): Promise<ContainerRecord | undefined> {
  return awaitRecord(context, id, () => false);
}

/**
 * The same for the run that is under way: a container that is about to be started again, or has been, is not waited for.
 * @returns the container as it is then; undefined when it was removed
 */
export function awaitRunsEnd(
  context: StopContext,
  { id, process }: ContainerRecord,
): Promise<ContainerRecord | undefined> {
  return awaitRecord(
    context,
    id,
    (now) => !isSame(now.process, process),
  );
}

async function awaitRecord(
  context: StopContext,
  id: string,
  isEnough: (record: ContainerRecord) => boolean,
): Promise<ContainerRecord | undefined> {
  while (true) {
    const record = lookUpContainer(context.database, id);
    if (record === undefined || record.owner === null || isEnough(record)) return record;
    if (await awaitOwner(record)) continue;
    if (record.status === "foreground") await undoAll(context.database, context.paths, id, { quick: false });
    else await settleAfter(context, id, record.owner);
  }
}

/**
 * Waits until the owner of a container has ended, or may have left it to another.
 * @returns false when it had ended before
 */
export async function awaitOwner({ owner, status, process }: ContainerRecord): Promise<boolean> {
  using working = ProcessHandle.open(owner);
  if (working === undefined) return false;
  // one that only works on it for a moment may live on for long after that, as may one in the foreground that it has just started
  const isSoonThere = status === "created" || status === "exited" ||
    (status === "foreground" && process === null);
  await working.ended(isSoonThere || isCleaner(working.identity) ? LOOK_AGAIN_MS : undefined);
  return true;
}

/** Writes down that somebody has stopped a container: to be done before it can end by that. */
export function markStopped(database: Database, id: string, how: number): void {
  const { no, byShutdown, forGood } = STOPPED;
  if (how === byShutdown) {
    const sql = "UPDATE containers SET stopped = CASE WHEN stopped <= ? THEN ? ELSE ? END WHERE id = ?";
    database.run(sql, no, byShutdown, forGood, id);
  } else {
    database.run("UPDATE containers SET stopped = max(stopped, ?) WHERE id = ?", how, id);
  }
}

/** Ends the wait of a container that is to be started again. */
async function cancelRestart(
  context: StopContext,
  { id, owner }: Pick<ContainerRecord, "id"> & { readonly owner: ProcessIdentity },
): Promise<void> {
  // somebody else's command, which has found the process killed that waited
  if (isCleaner(owner) && isAlive(owner)) return await awaitCleaner(context.database, id);
  {
    // if it is starting the container already, what it has done so far is undone
    using process = ProcessHandle.open(owner);
    process?.signal(SIGNALS.SIGKILL);
    await process?.ended();
  }
  await settleAfter(context, id, owner);
}

/**
 * Asks a container's first process to end, and ends it if it does not. It is not started again by its policy.
 * @param signal what it is asked with
 * @param seconds how long it has; negative: as long as it takes
 * @param how one of STOPPED
 */
export async function stopContainer(
  context: StopContext,
  { id }: ContainerRecord,
  signal: number,
  seconds: number,
  how: number = STOPPED.forGood,
): Promise<void> {
  const { database } = context;
  markStopped(database, id, how);
  stepDone();
  while (true) {
    const record = lookUpContainer(database, id);
    if (record === undefined || record.owner === null) return;
    if (record.status === "restarting") {
      await cancelRestart(context, { id, owner: record.owner });
    } else if (record.process === null && await awaitOwner(record)) {
      continue; // somebody is starting it
    } else {
      await endProcess(context, record, signal, seconds);
      stepDone();
      if (record.status === "running") await relieveMonitor(context, record);
      await awaitEnd(context, record);
      return;
    }
  }
}

/**
 * Settles the end of a container's process itself, as soon as its monitor has written it down. Left to the monitor where this process
 * may not find what the container has left behind.
 */
async function relieveMonitor(context: StopContext, { id, owner }: ContainerRecord): Promise<void> {
  using monitor = ProcessHandle.open(owner);
  if (monitor === undefined || !sharesMounts(monitor.identity.pid)) return;
  while (readEnd(context.paths, id) === undefined) if (await monitor.ended(LOOK_AGAIN_MS)) return;
  await settleForMonitor(context, id, monitor.identity);
}

/** Whether a process is in this one's mount namespace: then paths are the same for both (mount_namespaces(7)). */
function sharesMounts(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/mnt`) === Deno.readLinkSync("/proc/self/ns/mnt");
  } catch {
    return false; // it has ended, or /proc does not tell
  }
}

async function endProcess(
  context: StopContext,
  record: ContainerRecord,
  signal: number,
  seconds: number,
): Promise<void> {
  using process = ProcessHandle.open(record.process);
  if (process === undefined) return;
  send(context, process, record, signal);
  const isPatient = seconds < 0 && signal !== SIGNALS.SIGKILL;
  if (await process.ended(isPatient ? undefined : Math.max(0, seconds * 1000))) return;
  if (signal !== SIGNALS.SIGKILL) recordEvent(context.database, record.id, "kill", { signal: "9" });
  await killForSure(cgroupOf(record), process);
}

/** A paused container goes on, or it could not take the signal. */
function send(
  { database }: StopContext,
  process: ProcessHandle,
  record: ContainerRecord,
  signal: number,
): void {
  recordEvent(database, record.id, "kill", { signal: String(signal) });
  process.signal(signal);
  stepDone();
  letGoOn(record);
}
