import { Arena } from "../../../ffi/arena.ts";
import { AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_RDONLY, POLLIN } from "../../../ffi/constants.ts";
import { EAGAIN, EINTR, SystemCallError } from "../../../ffi/errno.ts";
import { CallTable, libcCall } from "../../../ffi/table.ts";

/** How much is read at once, in bytes: what a pipe may hold for an ordinary user (pipe(7), pipe-max-size). */
const CHUNK = 1 << 20;

/** Room for a table of two calls and what they point to. */
const TABLE_SIZE = 64 << 10;

/** A pipe, a fifo, or whatever standard input is, read on another thread. */
export class Pipe implements Disposable {
  readonly #arena = new Arena(CHUNK + TABLE_SIZE);
  readonly #table = new CallTable(this.#arena, 2);
  readonly #target = this.#arena.allocate(CHUNK);
  readonly #pollfd: number;
  #isReading = false;

  private constructor(readonly fd: number, readonly isOwn: boolean) {
    this.#pollfd = this.#arena.integers([fd, POLLIN]);
  }

  static standardInput(): Pipe {
    return new Pipe(0, false);
  }

  /**
   * Opens a fifo. Deno's own open waits on the main thread for somebody who writes, and nothing else happens, not even Ctrl-C.
   * @throws {SystemCallError} when it cannot be opened
   */
  static open(path: string): Pipe {
    return new Pipe(libcCall("openat", AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), true);
  }

  /**
   * All that comes through it. Each chunk is valid until the next.
   * @param signal ends the waiting
   */
  async *chunks(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void> {
    const start = this.#target - this.#arena.address;
    while (true) {
      const count = await untilAborted(this.#read(), signal);
      if (count === 0) return;
      if (count > 0) yield this.#arena.bytes.subarray(start, start + count);
    }
  }

  /** @returns 0 at the end, less when there was nothing after all */
  async #read(): Promise<number> {
    this.#table.clear();
    // a fifo that nobody has opened yet looks to read(2) like one that was closed, but not to poll(2)
    this.#table.call("poll", [this.#pollfd, 1, -1]);
    const read = this.#table.call("read", [this.fd, this.#target, CHUNK], { tolerate: [EAGAIN] });
    this.#isReading = true;
    try {
      await this.#table.runBlocking();
      return read.result;
    } catch (error) {
      if (error instanceof SystemCallError && error.errno === EINTR) return -1;
      throw error;
    } finally {
      this.#isReading = false;
    }
  }

  [Symbol.dispose](): void {
    // after an abort a thread still waits, and would read from whatever got the same number
    if (this.#isReading) return;
    if (this.isOwn) libcCall("close", this.fd);
    this.#arena.release();
  }
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    signal?.throwIfAborted();
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
