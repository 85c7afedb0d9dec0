/** How a container's first process becomes an init (init_program.ts) that has the image's program for a child. */
import {
  AT_EMPTY_PATH,
  CLONE_PARENT_SETTID,
  CLONE_VFORK,
  CLONE_VM,
  O_CLOEXEC,
  SIG_SETMASK,
  SIGNALS,
} from "../../ffi/constants.ts";
import { ANY_ERRNO, EINVAL } from "../../ffi/errno.ts";
import { walkerAddress } from "../../ffi/libc.ts";
import { STACK_SIZE } from "../../ffi/process.ts";
import { type Call, CallTable } from "../../ffi/table.ts";

const ANY = { tolerate: ANY_ERRNO };

/** The init's executable, in a file in memory. */
export interface Init {
  /** A descriptor of this process. */
  readonly fd: number;
  /** Where in the file the pid of the image's program has to be written. */
  readonly pidOffset: number;
}

/** The init's descriptor in the container's first process, which has no others of dhow's any more. */
const INIT_FD = 3;

/** The smallest descriptor that is to be closed in a container's first process. */
export const AFTER_INIT_FD = INIT_FD + 1;

/** Keeps the init's descriptor while all others are closed. */
export function keepInit(table: { call: CallTable["call"] }, { fd }: Init): void {
  // EINVAL: it has that number already
  table.call("dup3", [fd, INIT_FD, O_CLOEXEC], { tolerate: [EINVAL] });
}

/** Memory that `becomeInit` needs beside the words of its texts. */
export const INIT_MEMORY = STACK_SIZE + 8192;

/**
 * Adds the calls with which a container's first process starts the program as its child, and becomes the init once that has been
 * executed. Until then they share their memory, so a failure to execute it is seen as without an init.
 * @param addExecute adds the execve to the child's table
 * @returns the child's table
 */
export function becomeInit(
  table: CallTable,
  { pidOffset }: Init,
  args: readonly string[],
  capacity: number,
  addExecute: (table: CallTable) => void,
): CallTable {
  const { arena } = table;
  const every = arena.data(new Uint8Array(128).fill(0xff));
  table.call("sigprocmask", [SIG_SETMASK, every, 0]);
  const child = new CallTable(arena, capacity + 4);
  // a group of its own, in the foreground of the terminal if there is one: what is typed there is the program's alone
  const self: Call = child.call("getpid", []);
  child.call("setpgid", [0, 0]);
  child.call("tcsetpgrp", [0, self], ANY);
  child.call("sigprocmask", [SIG_SETMASK, arena.allocate(128), 0]);
  addExecute(child);
  const stack = arena.allocate(STACK_SIZE, 16) + STACK_SIZE;
  const pid = arena.allocate(8);
  const flags = CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGNALS.SIGCHLD;
  table.call("clone", [walkerAddress, stack, flags, child.address, pid]);
  table.call("pwrite", [INIT_FD, pid, 4, pidOffset], { least: 4 });
  const argv = arena.strings(["dhow-init", "--", ...args]);
  table.call("execveat", [INIT_FD, "", argv, arena.strings([]), AT_EMPTY_PATH]);
  return child;
}
