/**
 * The monitor of a container that nobody waits for: its first process's parent, which keeps what it writes and how it ended. It is a
 * standalone program (ffi/standalone.ts), because it stays as long as the container does, and should cost no memory.
 *
 * It waits until dhow has written down that the container runs. Then it takes what comes from the container's output, and writes it
 * with the time into the log, until the container has ended; writes down how it ended; and becomes `dhow ended ID`, which does the
 * rest. It holds the ends of the container's pipes, where other commands find them (pidfd_getfd(2)). If the container's health is to
 * be checked, it starts a command for that from time to time (monitor_prober.ts).
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLOCK_REALTIME,
  F_DUPFD_CLOEXEC,
  O_CLOEXEC,
  O_CREAT,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  P_ALL,
  PR_SET_NAME,
  SIG_SETMASK,
  WEXITED,
  WNOWAIT,
} from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { Label, StandaloneProgram } from "../../ffi/standalone.ts";
import { type Argument, type Call, type CallTable, Word } from "../../ffi/table.ts";
import { Prober, PROBER_CALLS } from "./monitor_prober.ts";
import { CLOSED, HAS_COME, waitFor } from "./pollfd.ts";
import type { MonitorSetup } from "./step.ts";

/** Numbers of the monitor's descriptors. */
export const MONITOR_FDS = {
  container: 3,
  /** What the container writes: its standard output, or the master of its terminal; and its standard error. */
  output: 4,
  errors: 5,
  log: 6,
  exit: 7,
  control: 8,
  /** What the container reads. */
  input: 9,
  /** A byte for each log that whoever reads it from the start has opened. */
  reader: 10,
} as const;
type Slot = keyof typeof MONITOR_FDS;

const PROGRAM_FD = 11;

/** What is written to the control pipe. */
export const CONTROL = { begin: "b", closeInput: "c" } as const;

/** How long a log's reader is waited for at most: it may have been stopped, and the container shall go on. */
const READER_SECONDS = 2;

/** Streams, as the log's records name them. */
export const STREAMS = { output: 1, errors: 2 } as const;

/**
 * Before each piece of output in the log: seconds and nanoseconds since 1970, the stream, and the bytes that follow, as words of 64
 * bits.
 */
export const LOG_HEADER = 32;

/** What the exit file has: seconds and nanoseconds since 1970, bytes of the log, and the siginfo_t of waitid(2). */
export const EXIT_TIME = 0;
export const EXIT_LOG_SIZE = 16;
export const EXIT_SIGINFO = 24;
const SIGINFO_SIZE = 128;
export const EXIT_SIZE = EXIT_SIGINFO + SIGINFO_SIZE;

/** Bytes of output in one record, at most. */
const BUFFER = 32 << 10;

const ANY = { tolerate: ANY_ERRNO };

/**
 * @param logSize where in the log it goes on, in bytes
 * @param arch the CPU that it is for; this one by default
 */
export function monitorProgram(
  setup: MonitorSetup,
  logSize: number,
  arch?: string,
): Uint8Array<ArrayBuffer> {
  return new MonitorBuilder(setup, logSize, arch).build();
}

class MonitorBuilder {
  readonly #program: StandaloneProgram;
  readonly #offset: Word;
  readonly #expected: Word;
  /** Of a record, and struct iovec[2] of it and its bytes. */
  readonly #header: number;
  readonly #pieces: number;
  /** struct pollfd[6] */
  readonly #polled: number;
  readonly #timeout: Word;
  readonly #noTime: number;
  /** A struct pollfd, and the time that is left (ppoll(2)). */
  readonly #reader: number;
  readonly #patience: number;
  readonly #byte: number;
  /** What the exit file gets. */
  readonly #record: number;

  constructor(readonly setup: MonitorSetup, logSize: number, arch?: string) {
    const { command, environment, log, probe } = setup;
    const texts = JSON.stringify([command, environment, probe]).length * 4 +
      log.path.length * 4 * (log.files + 4);
    const program = this.#program = new StandaloneProgram(
      180 + (probe === undefined ? 0 : PROBER_CALLS) + 8 * log.files,
      4096 + texts + BUFFER + 4096,
      arch,
    );
    this.#offset = program.word(logSize);
    this.#expected = program.word(0);
    this.#header = program.words(0, 0, 0, 0);
    this.#pieces = program.words(this.#header, LOG_HEADER, 0, 0);
    const wait = (slot: Slot) => waitFor(MONITOR_FDS[slot]);
    this.#polled = program.words(
      wait("output"),
      setup.terminal ? CLOSED : wait("errors"),
      wait("container"),
      wait("control"),
      CLOSED,
      CLOSED,
    );
    this.#timeout = program.word(0);
    this.#noTime = program.words(0, 0);
    this.#reader = program.words(wait("reader"));
    this.#patience = program.words(0, 0);
    this.#byte = program.words(0);
    this.#record = program.words(...Array(EXIT_SIZE / 8).fill(0));
  }

  build(): Uint8Array<ArrayBuffer> {
    const program = this.#program;
    const texts = this.#texts();
    const { probe } = this.setup;
    const polled = { timer: this.#pollfd(4), command: this.#pollfd(5) };
    const prober = probe && new Prober(program, probe, polled, texts.environment);
    const buffer = program.buffer(BUFFER);
    program.call("prctl", [PR_SET_NAME, texts.name, 0, 0, 0]);
    program.call("read", [MONITOR_FDS.control, this.#byte, 1], ANY);
    this.#keepControlOpen(texts.control);
    program.store(this.#pieces + 16, buffer);
    prober?.begin();
    const loop = new Label();
    const finish = new Label();
    program.place(loop);
    const woken = program.call("ppoll", [this.#polled, 6, this.#timeout, 0, 0], ANY);
    program.jumpIfEqual(woken, 0, finish);
    program.jumpIfLess(woken, 0, loop);
    this.#take(0, MONITOR_FDS.output, buffer, (count) => this.#append(STREAMS.output, count, texts));
    this.#take(1, MONITOR_FDS.errors, buffer, (count) => this.#append(STREAMS.errors, count, texts));
    prober?.attend();
    this.#noticeEnd(2, prober);
    this.#take(3, MONITOR_FDS.control, this.#byte, () => program.call("close", [MONITOR_FDS.input], ANY), 1);
    program.jump(loop);
    program.place(finish);
    prober?.finish();
    this.#finish(texts);
    prober?.becomeCommand();
    return program.build();
  }

  #texts() {
    const program = this.#program;
    const { command, environment, log } = this.setup;
    const names = Array.from(
      { length: log.files },
      (_, index) => index === 0 ? log.path : `${log.path}.${index}`,
    );
    return {
      name: program.text("dhow-monitor"),
      control: program.text(`/proc/self/fd/${MONITOR_FDS.control}`),
      logs: names.map((name) => program.text(name)),
      path: program.text(command[0] ?? ""),
      command: program.texts(command),
      environment: program.texts(environment),
    };
  }

  /** With a writer of its own: dhow's has come to its end, and others shall still be heard. */
  #keepControlOpen(path: number): void {
    const program = this.#program;
    const failed = new Label();
    const opened = program.call("openat", [AT_FDCWD, path, O_RDWR | O_CLOEXEC], ANY);
    program.jumpIfLess(opened, 0, failed);
    program.call("dup3", [opened, MONITOR_FDS.control, 0], ANY);
    program.call("close", [opened], ANY);
    program.place(failed);
  }

  #pollfd(index: number): Word {
    return new Word(this.#polled + 8 * index);
  }

  /** If something has come, reads it; does not look there any more after its end. */
  #take(index: number, fd: number, buffer: number, use: (count: Call) => void, size = BUFFER): void {
    const program = this.#program;
    const next = new Label();
    const closed = new Label();
    program.jumpIfLess(this.#pollfd(index), HAS_COME, next);
    const count = program.call("read", [fd, buffer, size], ANY);
    program.jumpIfLess(count, 1, closed);
    use(count);
    program.jump(next);
    program.place(closed);
    program.store(this.#pollfd(index), CLOSED);
    program.place(next);
  }

  /** Once the container has ended, it only takes what is there still: all its processes have ended with it. */
  #noticeEnd(index: number, prober: Prober | undefined): void {
    const program = this.#program;
    const next = new Label();
    program.jumpIfLess(this.#pollfd(index), HAS_COME, next);
    program.store(this.#pollfd(index), CLOSED);
    program.store(this.#timeout, this.#noTime);
    prober?.stop();
    program.place(next);
  }

  /** Writes a record. One for which there is no space is dropped, and the next one takes its place. */
  #append(stream: number, count: Argument, { logs }: { logs: readonly number[] }): void {
    const program = this.#program;
    const done = new Label();
    const written = new Label();
    program.call("clock_gettime", [CLOCK_REALTIME, this.#header]);
    program.store(this.#header + 16, stream);
    program.store(this.#header + 24, count);
    program.store(this.#pieces + 24, count);
    program.store(this.#expected, LOG_HEADER);
    program.add(this.#expected, count);
    const size = program.call("pwritev", [MONITOR_FDS.log, this.#pieces, 2, this.#offset, 0], ANY);
    program.jumpIfEqual(size, this.#expected, written);
    // what was written of it would be read as records, after a shorter one
    program.call("ftruncate", [MONITOR_FDS.log, this.#offset], ANY);
    program.jump(done);
    program.place(written);
    program.add(this.#offset, size);
    if (this.setup.log.size !== null) {
      program.jumpIfLess(this.#offset, this.setup.log.size, done);
      this.#rotate(logs, done);
    }
    program.place(done);
  }

  /** Waits until the log has been opened that is written; what has been opened can be read also when its name is gone. */
  #awaitReader(): void {
    if (!this.setup.awaitsReader) return;
    const program = this.#program;
    const hasCome = new Label();
    program.store(this.#patience, READER_SECONDS);
    program.store(this.#patience + 8, 0);
    const polled = program.call("ppoll", [this.#reader, 1, this.#patience, 0, 0], ANY);
    program.jumpIfLess(0, polled, hasCome);
    program.call("close", [MONITOR_FDS.reader], ANY); // and never waited for again
    program.place(hasCome);
    program.call("read", [MONITOR_FDS.reader, this.#byte, 1], ANY);
  }

  #rotate(logs: readonly number[], done: Label): void {
    const program = this.#program;
    this.#awaitReader();
    for (let index = logs.length - 1; index > 0; index--) {
      program.call("renameat", [AT_FDCWD, logs[index - 1]!, AT_FDCWD, logs[index]!], ANY);
    }
    // a log of one file makes way for one that readers can tell from it
    if (logs.length === 1) program.call("unlinkat", [AT_FDCWD, logs[0]!, 0], ANY);
    const flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    const opened = program.call("openat", [AT_FDCWD, logs[0]!, flags, 0o600], ANY);
    program.jumpIfLess(opened, 0, done);
    program.call("dup3", [opened, MONITOR_FDS.log, O_CLOEXEC]);
    program.call("close", [opened]);
    program.store(this.#offset, 0);
  }

  #finish({ path, command, environment }: { path: number; command: number; environment: number }): void {
    const program = this.#program;
    program.call("waitid", [P_ALL, 0, this.#record + EXIT_SIGINFO, WEXITED | WNOWAIT, 0], ANY);
    program.call("clock_gettime", [CLOCK_REALTIME, this.#record + EXIT_TIME]);
    program.store(this.#record + EXIT_LOG_SIZE, this.#offset);
    program.call("pwrite64", [MONITOR_FDS.exit, this.#record, EXIT_SIZE, 0], ANY);
    this.#awaitReader(); // what it becomes may remove the log
    program.call("close_range", [3, 0xffffffff, 0], ANY);
    program.call("rt_sigprocmask", [SIG_SETMASK, this.#noTime, 0, 8], ANY);
    program.call("execve", [path, command, environment], ANY);
    program.call("exit_group", [1]);
  }
}

/** Where the monitor has its descriptors from: dhow's own numbers. The master of a terminal becomes known later. */
export type MonitorSources = Readonly<Record<Exclude<Slot, "container">, number | undefined>>;

/** How many calls `becomeMonitor` adds, at most. */
export const MONITOR_CALLS = 40;

/** Descriptors are gathered from this number on before they get their own, which may be in use until then. */
const GATHERED = PROGRAM_FD + 1;

/**
 * Adds the calls with which the container's parent becomes the monitor.
 * @param program a descriptor of it
 * @param sources without output, the container has a terminal
 * @param terminal where the number of its master will be, a descriptor of dhow's
 */
export function becomeMonitor(
  table: CallTable,
  child: Call,
  program: number,
  sources: MonitorSources,
  terminal: Word,
  id: string,
): void {
  const container = table.call("pidfd_open", [child, 0]);
  let output: Argument | undefined = sources.output;
  if (output === undefined) {
    const dhow = table.call("pidfd_open", [Deno.pid, 0]);
    output = table.call("pidfd_getfd", [dhow, terminal, 0]);
  }
  const all = Object.entries({ ...sources, container, output }) as [Slot, Argument | undefined][];
  // numbers that are free: dhow itself may have many descriptors
  const gather = (fd: Argument) => table.call("fcntl", [fd, F_DUPFD_CLOEXEC, GATHERED]);
  const gathered = all.map(([slot, fd]) => [slot, fd === undefined ? undefined : gather(fd)] as const);
  const ownProgram = gather(program);
  const nothing = table.call("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC]);
  for (const fd of [0, 1, 2]) table.call("dup3", [nothing, fd, 0]);
  for (const [slot, fd] of gathered) {
    if (fd !== undefined) table.call("dup3", [fd, MONITOR_FDS[slot], 0]);
    else table.call("close", [MONITOR_FDS[slot]], ANY);
  }
  table.call("dup3", [ownProgram, PROGRAM_FD, O_CLOEXEC]);
  table.call("close_range", [PROGRAM_FD + 1, 0xffffffff, 0]);
  table.call("chdir", ["/"]);
  const { arena } = table;
  const argv = arena.strings(["dhow-monitor", id]);
  table.call("execveat", [PROGRAM_FD, "", argv, arena.strings([]), AT_EMPTY_PATH]);
}
