import { Arena } from "../../ffi/arena.ts";
import {
  SIG_SETMASK,
  SIGNALS,
  TCGETS,
  TCSETS,
  TCSETSW,
  TIOCGPGRP,
  TIOCGWINSZ,
  TIOCSWINSZ,
} from "../../ffi/constants.ts";
import { EINTR, EIO, SystemCallError } from "../../ffi/errno.ts";
import { cloneWalking, makePipe } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { UsageError } from "../errors.ts";
import type { DetachKeys } from "./detach_keys.ts";
import { copy, copyInput } from "./streams.ts";

const STDIN = 0;
const STDOUT = 1;
/** struct termios of the kernel (asm-generic/termbits.h): four flag words, a line discipline, 19 control characters. */
const TERMIOS_SIZE = 36;
/** struct winsize: rows, columns, and two that nobody uses. */
const WINSIZE_SIZE = 8;

/**
 * This process's terminal in raw mode: every key goes to the container (termios(3), cfmakeraw). Restored by `restore`,
 * and by a guard process of its own if this process dies without calling it, by whatever signal.
 */
export class RawTerminal {
  readonly #arena = new Arena(4096);
  readonly #saved: number;
  #guard: { readonly pid: number; readonly pipe: number } | undefined;

  constructor() {
    this.#saved = this.#arena.allocate(TERMIOS_SIZE);
    libcCall("ioctl", STDIN, TCGETS, this.#saved);
    this.#guard = this.#startGuard();
    const raw = this.#arena.allocate(TERMIOS_SIZE);
    const offset = raw - this.#arena.address;
    const start = this.#saved - this.#arena.address;
    this.#arena.bytes.copyWithin(offset, start, start + TERMIOS_SIZE);
    this.#clear(raw, 0o2753); // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
    this.#clear(raw + 4, 0o1); // OPOST
    this.#clear(raw + 8, 0o60 | 0o400); // CSIZE PARENB
    this.#set(raw + 8, 0o60); // CS8
    this.#clear(raw + 12, 0o100113); // ECHO ECHONL ICANON ISIG IEXTEN
    const VTIME = 5;
    const VMIN = 6;
    this.#arena.bytes[offset + 17 + VMIN] = 1;
    this.#arena.bytes[offset + 17 + VTIME] = 0;
    libcCall("ioctl", STDIN, TCSETSW, raw);
  }

  #clear(address: number, bits: number): void {
    this.#arena.setInt(address, this.#arena.int(address) & ~bits);
  }

  #set(address: number, bits: number): void {
    this.#arena.setInt(address, this.#arena.int(address) | bits);
  }

  /** A child that waits for the end of a pipe, which comes with the end of this process, and restores the terminal. */
  #startGuard(): { pid: number; pipe: number } {
    const { reader, writer } = makePipe();
    const arena = new Arena(256 * 1024);
    const table = new CallTable(arena, 16);
    table.call("close", [writer]);
    // They may end it early, or stop it: SIGTTOU comes to a process in the background that sets the terminal's mode.
    table.call("sigprocmask", [SIG_SETMASK, arena.data(new Uint8Array(128).fill(0xff)), 0]);
    table.call("read", [reader, arena.allocate(1), 1], { tolerate: [EINTR] });
    table.call("ioctl", [STDIN, TCSETS, arena.data(this.#savedBytes())]);
    const pid = cloneWalking(table, 0);
    arena.release(); // the child has its own mapping of it
    libcCall("close", reader);
    return { pid, pipe: writer };
  }

  #savedBytes(): Uint8Array {
    const start = this.#saved - this.#arena.address;
    return this.#arena.bytes.slice(start, start + TERMIOS_SIZE);
  }

  restore(): void {
    if (this.#guard === undefined) return;
    const { pid, pipe } = this.#guard;
    this.#guard = undefined;
    try {
      libcCall("ioctl", STDIN, TCSETSW, this.#saved);
    } catch (error) {
      // it may be lost
      if (!(error instanceof SystemCallError)) throw error;
    }
    // killed, not told: it must not touch the terminal once the caller's shell has it back
    libcCall("kill", pid, SIGNALS.SIGKILL);
    libcCall("wait4", pid, 0, 0, 0);
    libcCall("close", pipe);
  }
}

/**
 * Waits until the caller's shell has brought this process to the foreground: to set a terminal's mode, even to what it is,
 * stops a process in the background (SIGTTOU, tty_ioctl(4)). To be called before there is a child, with whose maker asleep
 * this process could not be stopped.
 */
export function awaitForeground(): void {
  const arena = new Arena(4096);
  try {
    const mode = arena.allocate(TERMIOS_SIZE);
    const table = new CallTable(arena, 2);
    table.call("ioctl", [STDIN, TCGETS, mode]);
    // EIO: nobody can bring it to the foreground
    table.call("ioctl", [STDIN, TCSETSW, mode], { tolerate: [EINTR, EIO] });
    table.run();
  } finally {
    arena.release();
  }
}

/** @throws {UsageError} when standard input is not a terminal */
export function requireTerminal(): void {
  if (Deno.stdin.isTerminal()) return;
  throw new UsageError({
    what: "cannot give the container this terminal",
    why: "standard input is not a terminal",
    hint: "leave out -t",
  });
}

/** The size of this process's terminal; undefined when it has none. */
export function windowSize(): { rows: number; columns: number } | undefined {
  for (const stream of [Deno.stdin, Deno.stdout]) {
    if (!stream.isTerminal()) continue;
    const arena = new Arena(4096);
    try {
      const size = arena.allocate(WINSIZE_SIZE);
      libcCall("ioctl", stream === Deno.stdin ? STDIN : STDOUT, TIOCGWINSZ, size);
      const word = arena.int(size) >>> 0;
      return { rows: word & 0xffff, columns: word >>> 16 };
    } finally {
      arena.release();
    }
  }
  return undefined;
}

/** Copies between this process's standard streams and the master of a container's terminal. */
export class TerminalRelay {
  #isHungUp = false;

  constructor(readonly master: number) {}

  /**
   * Tells the container that nobody is at its terminal any more, as the kernel does when a modem hangs up: SIGHUP to the
   * programs in the foreground, and the end of the input. Not by closing the master: a read of it is always under way.
   */
  hangUp(): void {
    if (this.#isHungUp) return;
    this.#isHungUp = true;
    const VEOF = "\x04";
    const arena = new Arena(4096);
    try {
      const group = arena.allocate(8);
      const table = new CallTable(arena, 1);
      table.call("ioctl", [this.master, TIOCGPGRP, group]);
      table.run();
      // 0: there is none in the foreground, and kill(2) would mean this process's own group
      if (arena.int(group) > 1) libcCall("kill", -arena.int(group), SIGNALS.SIGHUP);
      libcCall("write", this.master, VEOF, 1);
    } catch (error) {
      // the container may have ended meanwhile
      if (!(error instanceof SystemCallError)) throw error;
    } finally {
      arena.release();
    }
  }

  /** Gives the container's terminal the size of this one; does nothing when there is none. */
  copySize(): void {
    const arena = new Arena(4096);
    try {
      const size = arena.allocate(WINSIZE_SIZE);
      for (const fd of [STDIN, STDOUT]) {
        const table = new CallTable(arena, 2);
        table.call("ioctl", [fd, TIOCGWINSZ, size]);
        table.call("ioctl", [this.master, TIOCSWINSZ, size]);
        try {
          table.run();
          return;
        } catch (error) {
          if (!(error instanceof SystemCallError)) throw error;
        }
      }
    } finally {
      arena.release();
    }
  }

  /**
   * Resolves when all that the container wrote has been written to standard output, and its last program has let go.
   * @param onLost called when standard output takes no more; what still comes is dropped
   */
  output(onLost: () => void): Promise<void> {
    return copy(this.master, STDOUT, onLost);
  }

  /**
   * Feeds standard input to the container until its end, which comes when this terminal is lost.
   * @param keys what is looked for in it
   * @returns whether those have come, and the container is to be left
   */
  async input(keys?: DetachKeys): Promise<boolean> {
    if (await copyInput(this.master, keys)) return true;
    this.hangUp();
    return false;
  }
}
