import { readSmallFiles } from "../../ffi/files.ts";
import { readIfThere, readKernelFile } from "./read.ts";

/**
 * A process, named so that neither a reboot nor a reused pid can be mistaken for it.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot (proc(5)). */
  readonly startTime: number;
  /** /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
}

let currentBootId: string | undefined;

/** Names this boot: /proc/sys/kernel/random/boot_id (random(4)). */
export function bootId(): string {
  currentBootId ??= readKernelFile("/proc/sys/kernel/random/boot_id").trim();
  return currentBootId;
}

/** What the kernel tells of a process. */
interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  readonly flags: number;
  readonly startTime: number;
}

/** What /proc/PID/stat tells (proc(5)); undefined when there is no such process. */
export function readStat(pid: number): Stat | undefined {
  return parseStat(readIfThere(`/proc/${pid}/stat`));
}

function parseStat(stat: string | undefined): Stat | undefined {
  if (stat === undefined) return undefined;
  // the second field is the program's name in parentheses, and may itself hold spaces and parentheses
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ", 20);
  const number = (index: number) => Number(fields[index]);
  return {
    state: fields[0] ?? "",
    parent: number(1),
    session: number(3),
    flags: number(6),
    startTime: number(19),
  };
}

/** Names a process that exists now. @throws {Error} when it does not */
export function identify(pid: number): ProcessIdentity {
  const stat = readStat(pid);
  if (stat === undefined) throw new Error(`there is no process ${pid}`);
  return { pid, startTime: stat.startTime, bootId: bootId() };
}

/** Whether both name the same process, or none. */
export function isSame(
  a: ProcessIdentity | null | undefined,
  b: ProcessIdentity | null | undefined,
): boolean {
  return a?.pid === b?.pid && a?.startTime === b?.startTime && a?.bootId === b?.bootId;
}

/** Whether this is the process that asks. */
export function isSelf({ pid, startTime, bootId: boot }: ProcessIdentity): boolean {
  return pid === Deno.pid && boot === bootId() && startTime === readStat(pid)?.startTime;
}

/** Whether this process is a child of it, and it has not ended. */
export function isParent(identity: ProcessIdentity): boolean {
  return identity.pid === Deno.ppid && isAlive(identity);
}

/** Whether the process still runs. A zombie does not: it holds nothing any more. Nor does nobody: null. */
export function isAlive(identity: ProcessIdentity | null): boolean {
  return identity !== null && identity.bootId === bootId() && runs(identity, readStat(identity.pid));
}

function runs({ startTime }: ProcessIdentity, stat: Stat | undefined): boolean {
  return stat !== undefined && stat.startTime === startTime && stat.state !== "Z" && stat.state !== "X";
}

/** More than its first 22 fields take; the name, which its process chooses, has 64 bytes at most. */
const STAT_SIZE = 1024;

/** The same for many processes, which are looked at together. @returns for each whether it still runs */
export function areAlive(identities: readonly ProcessIdentity[]): boolean[] {
  const stats = readSmallFiles(identities.map(({ pid }) => `/proc/${pid}/stat`), STAT_SIZE);
  return identities.map((identity, index) =>
    identity.bootId === bootId() && runs(identity, parseStat(stats[index]))
  );
}

/** Whether a process is about to end: what is in its pid namespace ends already. */
export function isEnding(identity: ProcessIdentity | null): boolean {
  const PF_EXITING = 0x4; // include/linux/sched.h
  const stat = identity === null ? undefined : readStat(identity.pid);
  return stat === undefined || stat.startTime !== identity!.startTime || (stat.flags & PF_EXITING) !== 0;
}

/** Whether a process has executed a program since it was made, and is not just the copy of its parent any more. */
export function hasExecuted({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readStat(pid);
  const PF_FORKNOEXEC = 0x40; // include/linux/sched.h
  return stat !== undefined && stat.startTime === startTime && (stat.flags & PF_FORKNOEXEC) === 0;
}
