/** The part of a monitor that writes its container's log, and begins a new one when that has its size. */
import { AT_FDCWD, CLOCK_REALTIME, O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY } from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { Label, type StandaloneProgram } from "../../ffi/standalone.ts";
import { type Argument, Word } from "../../ffi/table.ts";
import { LOG_HEADER, MONITOR_FDS } from "./monitor_layout.ts";
import { waitFor } from "./pollfd.ts";
import type { MonitorSetup } from "./step.ts";

/** How long a log's reader is waited for at most: it may have been stopped, and the container shall go on. */
const READER_SECONDS = 2;

/** Bytes of output in one record, at most. */
export const LARGEST_RECORD = 32 << 10;

/** So much is in one record also of a log that is to be smaller. */
const LEAST = 1 << 10;

const ANY = { tolerate: ANY_ERRNO };

export class LogWriter {
  /** How many bytes of output to take at once. A log of this size or more gets no larger than twice its size, and a header. */
  readonly recordSize: number;
  /** Bytes of the log. */
  readonly offset: Word;
  readonly #expected: Word;
  /** Of a record, and struct iovec[2] of it and its bytes. */
  readonly #header: number;
  readonly #pieces: number;
  /** A struct pollfd, and the time that is left (ppoll(2)). */
  readonly #reader: number;
  readonly #patience: number;
  readonly #byte: number;
  /** Paths of the log's files, the newest first. */
  readonly #paths: readonly number[];

  /** @param offset where in the log it goes on, in bytes */
  constructor(
    readonly program: StandaloneProgram,
    readonly setup: Pick<MonitorSetup, "log" | "awaitsReader">,
    offset: number,
  ) {
    const { path, size, files } = setup.log;
    this.recordSize = Math.min(LARGEST_RECORD, Math.max(LEAST, size ?? LARGEST_RECORD));
    this.offset = program.word(offset);
    this.#expected = program.word(0);
    this.#header = program.words(0, 0, 0, 0);
    this.#pieces = program.words(this.#header, LOG_HEADER, 0, 0);
    this.#reader = program.words(waitFor(MONITOR_FDS.reader));
    this.#patience = program.words(0, 0);
    this.#byte = program.words(0);
    this.#paths = Array.from(
      { length: files },
      (_, index) => program.text(index === 0 ? path : `${path}.${index}`),
    );
  }

  /** @param buffer where the output that is appended lies */
  begin(buffer: number): void {
    this.program.store(this.#pieces + 16, buffer);
  }

  /** Writes a record. One for which there is no space is dropped, and the next one takes its place. */
  append(stream: number, count: Argument): void {
    const { program, setup: { log }, offset } = this;
    const done = new Label();
    const fits = new Label();
    if (log.size !== null) {
      // as docker does it: before the record that comes next, so that there is one in the new log
      program.jumpIfLess(offset, log.size, fits);
      this.#rotate(fits);
    }
    program.place(fits);
    program.call("clock_gettime", [CLOCK_REALTIME, this.#header]);
    program.store(this.#header + 16, stream);
    program.store(this.#header + 24, count);
    program.store(this.#pieces + 24, count);
    program.store(this.#expected, LOG_HEADER);
    program.add(this.#expected, count);
    const written = program.call("pwritev", [MONITOR_FDS.log, this.#pieces, 2, offset, 0], ANY);
    const isWritten = new Label();
    program.jumpIfEqual(written, this.#expected, isWritten);
    // what was written of it would be read as records, after a shorter one
    program.call("ftruncate", [MONITOR_FDS.log, offset], ANY);
    program.jump(done);
    program.place(isWritten);
    program.add(offset, written);
    program.place(done);
  }

  /** Waits until the log has been opened that is written; what has been opened can be read also when its name is gone. */
  awaitReader(): void {
    if (!this.setup.awaitsReader) return;
    const program = this.program;
    const hasCome = new Label();
    program.store(this.#patience, READER_SECONDS);
    program.store(this.#patience + 8, 0);
    const polled = program.call("ppoll", [this.#reader, 1, this.#patience, 0, 0], ANY);
    program.jumpIfLess(0, polled, hasCome);
    program.call("close", [MONITOR_FDS.reader], ANY); // and never waited for again
    program.place(hasCome);
    program.call("read", [MONITOR_FDS.reader, this.#byte, 1], ANY);
  }

  #rotate(failed: Label): void {
    const program = this.program;
    const [newest, ...older] = this.#paths as [number, ...number[]];
    this.awaitReader();
    for (let index = older.length - 1; index >= 0; index--) {
      program.call("renameat", [AT_FDCWD, this.#paths[index]!, AT_FDCWD, older[index]!], ANY);
    }
    // a log of one file makes way for one that readers can tell from it
    if (older.length === 0) program.call("unlinkat", [AT_FDCWD, newest, 0], ANY);
    const flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    const opened = program.call("openat", [AT_FDCWD, newest, flags, 0o600], ANY);
    program.jumpIfLess(opened, 0, failed);
    program.call("dup3", [opened, MONITOR_FDS.log, O_CLOEXEC]);
    program.call("close", [opened]);
    program.store(this.offset, 0);
  }
}
