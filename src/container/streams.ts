/** Bytes between descriptors. All waiting is done on other threads, so that signals and keys are heard meanwhile. */
import { Arena } from "../../ffi/arena.ts";
import { POLLIN, POLLOUT } from "../../ffi/constants.ts";
import { EAGAIN, EINTR, EIO, ENOSPC, EPIPE } from "../../ffi/errno.ts";
import { CallTable } from "../../ffi/table.ts";
import type { DetachKeys } from "./detach_keys.ts";

const STDIN = 0;
const BUFFER_SIZE = 64 * 1024;
/** Bytes that a sieve may hold back and pass later. */
const SIEVE_HOLDS = 1024;

/**
 * Copies standard input until its end (see copy).
 * @returns whether the keys have come before that
 */
export async function copyInput(to: number, keys?: DetachKeys): Promise<boolean> {
  let isLeaving = false;
  await copy(STDIN, to, undefined, (typed) => {
    const found = keys?.feed(typed);
    isLeaving = found?.isLeaving ?? false;
    return { pass: found?.pass ?? typed, isLast: isLeaving };
  });
  return isLeaving;
}

/** Waits until a descriptor can be read or written, or has failed (poll(2)). */
async function ready(fd: number, event: number): Promise<void> {
  const arena = new Arena(4096);
  try {
    const table = new CallTable(arena, 1);
    table.call("poll", [arena.integers([fd, event]), 1, -1], { tolerate: [EINTR] });
    await table.runBlocking();
  } finally {
    arena.release();
  }
}

/**
 * Writes all of some bytes to a descriptor, however slowly it takes them (write(2)).
 * @param table a table for it, with room for one call
 * @returns 0; or EIO, EPIPE or ENOSPC, with which it takes no more
 */
async function writeAll(table: CallTable, to: number, address: number, length: number): Promise<number> {
  for (let done = 0; done < length;) {
    table.clear();
    const written = table.call("write", [to, address + done, length - done], {
      tolerate: [EINTR, EIO, EPIPE, EAGAIN, ENOSPC],
    });
    await table.runBlocking();
    if (written.result >= 0) done += written.result;
    else if (written.errno === EAGAIN) await ready(to, POLLOUT);
    else if (written.errno !== EINTR) return written.errno;
  }
  return 0;
}

/** Writes bytes of JavaScript's to descriptors, one piece at a time. */
export class Writer implements Disposable {
  readonly #arena = new Arena(BUFFER_SIZE + 4096);
  readonly #buffer = this.#arena.allocate(BUFFER_SIZE);
  readonly #table = new CallTable(this.#arena, 1);

  /** @returns 0; or EIO, EPIPE or ENOSPC, with which it takes no more */
  async write(to: number, bytes: Uint8Array): Promise<number> {
    for (let done = 0; done < bytes.length; done += BUFFER_SIZE) {
      const piece = bytes.subarray(done, done + BUFFER_SIZE);
      this.#arena.bytes.set(piece, this.#buffer - this.#arena.address);
      const errno = await writeAll(this.#table, to, this.#buffer, piece.length);
      if (errno !== 0) return errno;
    }
    return 0;
  }

  [Symbol.dispose](): void {
    this.#arena.release();
  }
}

/**
 * Copies bytes until the end (read(2), write(2)); EIO is how a terminal's master reports it. When the other side takes no
 * more, what comes is read and dropped, so that the program does not wait for a reader for ever.
 */
export async function copy(
  from: number,
  to: number,
  onLost?: () => void,
  sieve?: (bytes: Uint8Array) => { readonly pass: Uint8Array; readonly isLast: boolean },
): Promise<void> {
  const arena = new Arena(BUFFER_SIZE + 8192);
  const buffer = arena.allocate(BUFFER_SIZE);
  arena.allocate(SIEVE_HOLDS);
  const reading = new CallTable(arena, 1);
  const read = reading.call("read", [from, buffer, BUFFER_SIZE], { tolerate: [EINTR, EIO, EAGAIN] });
  const writing = new CallTable(arena, 1);
  let isOpen = true;
  try {
    while (true) {
      await reading.runBlocking();
      let length = read.result;
      if (length < 0 && read.errno === EAGAIN) await ready(from, POLLIN);
      if (length < 0 && read.errno !== EIO) continue;
      if (length <= 0) return;
      const start = buffer - arena.address;
      const sifted = sieve?.(arena.bytes.slice(start, start + length));
      if (sifted !== undefined) {
        arena.bytes.set(sifted.pass, start);
        length = sifted.pass.length;
      }
      if (isOpen && await writeAll(writing, to, buffer, length) !== 0) {
        isOpen = false;
        onLost?.();
      }
      if (sifted?.isLast) return;
    }
  } finally {
    arena.release();
  }
}
