import { Arena } from "../../ffi/arena.ts";
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from "../../ffi/constants.ts";
import { makePipe } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { within } from "./eventually.ts";
import type { Host } from "./host.ts";
import { Running, succeed } from "./process.ts";

const TIOCGPTN = 0x80045430;
const POLLIN = 1;

/** What a key sends. */
export const KEYS = {
  enter: "\r",
  controlC: "\x03",
  controlD: "\x04",
  controlZ: "\x1a",
  controlBackslash: "\x1c",
} as const;

/**
 * A terminal (pty(7)) with a command running in it, in a session of its own: what a person has in front of them. The screen is
 * all that was ever written to it.
 */
export class Terminal implements AsyncDisposable {
  readonly #arena = new Arena(1 << 16);
  readonly #master: number;
  readonly #slave: number;
  readonly #wake = makePipe();
  readonly #reader: Promise<void>;
  readonly #command: Running;
  #changed = Promise.withResolvers<void>();
  #screen = "";
  #isClosed = false;
  /** `/dev/pts/N`. */
  readonly path: string;

  /** @param host where the command runs */
  constructor(host: Host, argv: readonly string[], options: { rows?: number; columns?: number } = {}) {
    this.#master = libcCall("openat", AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    const word = this.#arena.allocate(8);
    libcCall("ioctl", this.#master, TIOCSPTLCK, word);
    libcCall("ioctl", this.#master, TIOCGPTN, word);
    this.path = `/dev/pts/${this.#arena.int(word)}`;
    // Held open, so that the terminal keeps its modes from the command's end to the test's look at them.
    this.#slave = libcCall("openat", AT_FDCWD, this.path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    this.resize(options.rows ?? 24, options.columns ?? 80);
    this.#reader = this.#read();
    // A session leader gets the first terminal that it opens as its controlling one.
    const script = 'tty=$0; exec "$@" <>"$tty" >&0 2>&0';
    this.#command = new Running(host.enter(["setsid", "sh", "-c", script, this.path, ...argv]));
  }

  async #read(): Promise<void> {
    const arena = new Arena(1 << 17);
    const fds = arena.integers([this.#master, POLLIN, this.#wake.reader, POLLIN]);
    const size = 1 << 16;
    const buffer = arena.allocate(size);
    const table = new CallTable(arena, 1);
    const decoder = new TextDecoder();
    try {
      while (true) {
        table.clear();
        table.call("poll", [fds, 2, -1]);
        await table.runBlocking();
        if (arena.int(fds + 12) >>> 16 !== 0) return;
        const length = libcCall("read", this.#master, buffer, size);
        const start = buffer - arena.address;
        this.#screen += decoder.decode(arena.bytes.slice(start, start + length), { stream: true });
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      }
    } finally {
      arena.release();
    }
  }

  get screen(): string {
    return this.#screen;
  }

  /** Waits until a pattern is on the screen, beyond `from`, and returns its match. */
  async see(pattern: RegExp, from = 0): Promise<RegExpMatchArray> {
    while (true) {
      const match = this.#screen.slice(from).match(pattern);
      if (match !== null) return match;
      await within(
        this.#changed.promise,
        () => `${pattern}; on the screen is: ${JSON.stringify(this.#screen)}`,
      );
    }
  }

  /** Types, and waits until the pattern appears after that. */
  async type(text: string, answer?: RegExp): Promise<void> {
    const from = this.#screen.length;
    const bytes = new TextEncoder().encode(text);
    const mark = this.#arena.mark;
    libcCall("write", this.#master, this.#arena.data(bytes), bytes.length);
    this.#arena.rewind(mark);
    if (answer !== undefined) await this.see(answer, from);
  }

  /** As a window that is dragged: the foreground process gets SIGWINCH. */
  resize(rows: number, columns: number): void {
    const size = this.#arena.integers([rows | columns << 16, 0]);
    libcCall("ioctl", this.#master, TIOCSWINSZ, size);
  }

  /** The modes of the terminal, as `stty` prints them. */
  async modes(): Promise<string> {
    return await succeed(["stty", "-F", this.path, "-a"]);
  }

  /** Waits for the end of the command. */
  async exitCode(): Promise<number> {
    const { code } = await this.#command.output();
    return code;
  }

  /** As a connection that is lost: the command gets SIGHUP, and its terminal is gone. Waits for its end. */
  async hangUp(): Promise<number> {
    await this.#close();
    return await this.exitCode();
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    libcCall("write", this.#wake.writer, "x", 1);
    await this.#reader;
    for (const fd of [this.#master, this.#slave, this.#wake.reader, this.#wake.writer]) libcCall("close", fd);
    this.#arena.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#command[Symbol.asyncDispose]();
    await this.#close();
  }
}
