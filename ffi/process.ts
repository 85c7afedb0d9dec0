import { Arena } from "./arena.ts";
import { EINTR, SystemCallError } from "./errno.ts";
import { O_CLOEXEC, SIGNALS } from "./constants.ts";
import { walkerAddress } from "./libc.ts";
import { CallTable, libcCall } from "./table.ts";

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
