import { Arena } from "./arena.ts";
import { ANY_ERRNO, EINTR, SystemCallError } from "./errno.ts";
import { CLONE_VFORK, CLONE_VM, O_CLOEXEC, SIG_SETMASK, SIGNALS } from "./constants.ts";
import { symbolAddress, walkerAddress } from "./libc.ts";
import { CallTable, libcCall, Word } from "./table.ts";

/** How a process ended: by itself, with a code from 0 to 255, or by a signal. */
export type ExitStatus = { readonly code: number } | { readonly signal: number };

/** A shell's number for it: the code, or 128 + the signal (docker's convention, and POSIX's). */
export function exitCode(status: ExitStatus): number {
  return "code" in status ? status.code : 128 + status.signal;
}

/** Takes a status word of wait4(2) apart. */
export function readExitStatus(word: number): ExitStatus {
  return (word & 0x7f) === 0 ? { code: (word >> 8) & 0xff } : { signal: word & 0x7f };
}

/** Bytes of stack for a child: the walker and libc's small wrappers need little of it. */
export const STACK_SIZE = 64 * 1024;

/**
 * Starts a child that walks a table instead of running a program (clone(2)); the last entry is an execve. A walk that
 * fails ends the child with code 1 and leaves the failure in the table, where the parent can read it.
 *
 * @param namespaces CLONE_NEW... flags
 * @returns the child's pid
 * @throws {SystemCallError} when the kernel refuses
 */
export function cloneWalking(table: CallTable, namespaces: number): number {
  const stack = table.arena.allocate(STACK_SIZE, 16);
  return libcCall("clone", walkerAddress, stack + STACK_SIZE, namespaces | SIGNALS.SIGCHLD, table.address);
}

/** sigset_t of glibc, in bytes. */
export const SIGSET_SIZE = 128;

/**
 * The same for a child that executes its program at once, or makes a few calls and ends: it shares this process's memory, of which nothing
 * has to be copied (3 ms for a process of Deno's size), and this thread waits until it has executed the program, or has ended (CLONE_VFORK).
 * All signals are blocked in it, so that no handler of Deno's runs there; the table unblocks those that its program is to have.
 * @param shared more that it shares with this process: CLONE_FILES
 * @returns the child's pid; whether it has failed is in the table
 * @throws {SystemCallError} when the kernel refuses
 */
export function cloneBriefly(table: CallTable, shared = 0): number {
  const { arena } = table;
  const [every, before] = [arena.data(new Uint8Array(SIGSET_SIZE).fill(0xff)), arena.allocate(SIGSET_SIZE)];
  const stack = arena.allocate(STACK_SIZE, 16) + STACK_SIZE;
  const starting = new CallTable(arena, 3);
  starting.call("sigprocmask", [SIG_SETMASK, every, before]);
  const flags = CLONE_VM | CLONE_VFORK | shared | SIGNALS.SIGCHLD;
  const clone = starting.call("clone", [walkerAddress, stack, flags, table.address], { tolerate: ANY_ERRNO });
  starting.call("sigprocmask", [SIG_SETMASK, before, 0]);
  starting.run();
  if (clone.result < 0) throw new SystemCallError("clone", clone.errno);
  return clone.result;
}

/**
 * Has a child that cloneBriefly starts walk a table to its end: it may join a namespace, and this process stays where it is.
 * @param shared as cloneBriefly's
 * @throws {SystemCallError} for the first call that fails
 */
export async function walkElsewhere(table: CallTable, shared = 0): Promise<void> {
  await waitForExit(cloneBriefly(table, shared));
  const { failure } = table;
  if (failure !== undefined) throw new SystemCallError(failure.name, failure.errno);
}

/** This process's environment as it is at the time of a call, for execve (environ(7)). */
export const ownEnvironment = (): Word => new Word(Number(symbolAddress("environ")));

/**
 * Waits until a child has ended, and reaps it (wait4(2)).
 * @throws {SystemCallError} ECHILD when it is not a child of this process
 */
export async function waitForExit(pid: number): Promise<ExitStatus> {
  const arena = new Arena(4096);
  try {
    const status = arena.allocate(8);
    const table = new CallTable(arena, 1);
    table.call("wait4", [pid, status, 0, 0]);
    while (true) {
      try {
        await table.runBlocking();
        break;
      } catch (error) {
        if (!(error instanceof SystemCallError && error.errno === EINTR)) throw error;
      }
    }
    return readExitStatus(arena.int(status));
  } finally {
    arena.release();
  }
}

/** The descriptors of a pipe's ends. */
export interface Pipe {
  readonly reader: number;
  readonly writer: number;
}

let pipeEnds: { readonly arena: Arena; readonly address: number } | undefined;

/** A pipe whose ends are closed by execve (pipe2(2)). */
export function makePipe(): Pipe {
  if (pipeEnds === undefined) {
    const arena = new Arena(4096);
    pipeEnds = { arena, address: arena.allocate(8) };
  }
  const { arena, address } = pipeEnds;
  libcCall("pipe2", address, O_CLOEXEC);
  return { reader: arena.int(address), writer: arena.int(address + 4) };
}
