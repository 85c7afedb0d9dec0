/** How the parent of a container's first process, a child of dhow's that walks a table, becomes the container's monitor (monitor.ts). */
import { AT_EMPTY_PATH, AT_FDCWD, F_DUPFD_CLOEXEC, O_CLOEXEC, O_RDWR } from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import type { Argument, Call, CallTable, Word } from "../../ffi/table.ts";
import { MONITOR_FDS, MONITOR_PROGRAM_FD, type MonitorSlot } from "./monitor_layout.ts";

/** Where the monitor has its descriptors from: dhow's own numbers. The master of a terminal becomes known later. */
export type MonitorSources = Readonly<Record<Exclude<MonitorSlot, "container">, number | undefined>> & {
  /** What it only holds. */
  readonly sockets: readonly number[];
};

/** How many calls `becomeMonitor` adds, at most, and two more for each socket. */
export const MONITOR_CALLS = 40;

/** The first that it only holds. */
const HELD = MONITOR_PROGRAM_FD + 1;

/**
 * Adds the calls with which the container's parent becomes the monitor.
 * @param program a descriptor of it
 * @param sources without output, the container has a terminal
 * @param terminal where the number of its master will be, a descriptor of dhow's
 */
export function becomeMonitor(
  table: CallTable,
  child: Call | Word,
  program: number,
  { sockets, ...sources }: MonitorSources,
  terminal: Word,
  id: string,
): void {
  const container = table.call("pidfd_open", [child, 0]);
  let output: Argument | undefined = sources.output;
  if (output === undefined) {
    const dhow = table.call("pidfd_open", [Deno.pid, 0]);
    output = table.call("pidfd_getfd", [dhow, terminal, 0]);
  }
  const all = Object.entries({ ...sources, container, output }) as [MonitorSlot, Argument | undefined][];
  // gathered before they get their own numbers, which may be in use until then: dhow itself may have many descriptors
  const gather = (fd: Argument) => table.call("fcntl", [fd, F_DUPFD_CLOEXEC, HELD + sockets.length]);
  const gathered = all.map(([slot, fd]) => [slot, fd === undefined ? undefined : gather(fd)] as const);
  const ownProgram = gather(program);
  const held = sockets.map(gather);
  const nothing = table.call("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC]);
  for (const fd of [0, 1, 2]) table.call("dup3", [nothing, fd, 0]);
  for (const [slot, fd] of gathered) {
    if (fd !== undefined) table.call("dup3", [fd, MONITOR_FDS[slot], 0]);
    else table.call("close", [MONITOR_FDS[slot]], { tolerate: ANY_ERRNO });
  }
  table.call("dup3", [ownProgram, MONITOR_PROGRAM_FD, O_CLOEXEC]);
  for (const [index, fd] of held.entries()) table.call("dup3", [fd, HELD + index, 0]);
  table.call("close_range", [HELD + sockets.length, 0xffffffff, 0]);
  table.call("chdir", ["/"]);
  const { arena } = table;
  const argv = arena.strings(["dhow-monitor", id]);
  table.call("execveat", [MONITOR_PROGRAM_FD, "", argv, arena.strings([]), AT_EMPTY_PATH]);
}
