/**
 * How a container's first process becomes an init (init_program.ts) that has the image's program for a child, or what only executes that
 * program (starter_program.ts).
 */
import { AT_EMPTY_PATH, F_DUPFD_CLOEXEC, O_CLOEXEC, SIG_SETMASK } from "../../ffi/constants.ts";
import type { CallTable } from "../../ffi/table.ts";

/** Descriptors of this process. */
export interface Init {
  /** The init's executable, in a file in memory. */
  readonly program: number;
  /** Where it reports that the image's program cannot be started. */
  readonly report: number;
}

/** Numbers of the init's descriptors. */
export const INIT_FDS = { report: 3 } as const;
const PROGRAM_FD = 4;

/** The steps of its report: what failed. */
export const INIT_STEPS = { makeProcess: 1, execute: 2 } as const;

/** The smallest descriptor that is to be closed in a container's first process. */
export const AFTER_INIT_FD = PROGRAM_FD + 1;

/** Keeps the init's descriptors while all others are closed. */
export function keepInit(table: Pick<CallTable, "call">, { program, report }: Init): void {
  // each may have the other's number
  const [source, reportSource] = [program, report].map((fd) =>
    table.call("fcntl", [fd, F_DUPFD_CLOEXEC, AFTER_INIT_FD])
  );
  table.call("dup3", [source!, PROGRAM_FD, O_CLOEXEC]);
  table.call("dup3", [reportSource!, INIT_FDS.report, 0]);
}

/**
 * Adds the calls with which a container's first process becomes the init. Only the init starts the image's program: until then this
 * process shares dhow's memory, and who is in the container may read that of process 1.
 * @param args of the image's program, which `ps` is to tell
 */
export function becomeInit(table: Pick<CallTable, "call" | "arena">, args: readonly string[]): void {
  const { arena } = table;
  const every = arena.data(new Uint8Array(128).fill(0xff));
  table.call("sigprocmask", [SIG_SETMASK, every, 0]);
  const argv = arena.strings(["dhow-init", "--", ...args]);
  table.call("execveat", [PROGRAM_FD, "", argv, arena.strings([]), AT_EMPTY_PATH]);
}
