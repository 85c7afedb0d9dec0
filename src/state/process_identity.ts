import { readSmallFiles } from "../../ffi/files.ts";
import { readIfThere } from "./read.ts";

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
  currentBootId ??= Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  return currentBootId;
}

interface Stat {
  readonly state: string;
  readonly flags: number;
  readonly startTime: number;
}

/** State, flags and start time of a process (proc(5)); undefined when there is none. */
function readStat(pid: number): Stat | undefined {
  return parseStat(readIfThere(`/proc/${pid}/stat`));
}

function parseStat(stat: string | undefined): Stat | undefined {
  if (stat === undefined) return undefined;
  // the second field is the program's name in parentheses, and may itself hold spaces and parentheses
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ", 20);
  return { state: fields[0] ?? "", flags: Number(fields[6]), startTime: Number(fields[19]) };
}

/** Names a process that exists now. @throws {Error} when it does not */
export function identify(pid: number): ProcessIdentity {
  const stat = readStat(pid);
  if (stat === undefined) throw new Error(`there is no process ${pid}`);
  return { pid, startTime: stat.startTime, bootId: bootId() };
}

/** Whether this is the process that asks. */
export function isSelf({ pid, startTime, bootId: boot }: ProcessIdentity): boolean {
  return pid === Deno.pid && boot === bootId() && startTime === readStat(pid)?.startTime;
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

/** Whether a process has executed a program since it was made, and is not just the copy of its parent any more. */
export function hasExecuted({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readStat(pid);
  const PF_FORKNOEXEC = 0x40; // include/linux/sched.h
  return stat !== undefined && stat.startTime === startTime && (stat.flags & PF_FORKNOEXEC) === 0;
}
