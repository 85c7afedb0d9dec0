/** A program that is brought into a running container, as dhow sees it: its keeper (joiner.ts), and what that reports. */
import { Arena } from "../../ffi/arena.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  F_DUPFD_CLOEXEC,
  O_CLOEXEC,
  O_RDWR,
  RLIMIT_NOFILE,
} from "../../ffi/constants.ts";
import { describeErrno, ESRCH, SystemCallError } from "../../ffi/errno.ts";
import { type ExitStatus, makePipe, type Pipe, STACK_SIZE } from "../../ffi/process.ts";
import { spawnWalking } from "../../ffi/spawn.ts";
import { executableInMemory } from "../../ffi/standalone.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import { joinerProgram, type JoinSetup } from "./joiner.ts";
import { JOIN_STEPS, JOINER_FDS, JOINER_PROGRAM_FD, type JoinStep, TERMINAL } from "./joiner_layout.ts";
import { REPORT_SIZE } from "./reporting.ts";

/** Why the program does not run. */
export interface JoinFailure {
  readonly step: JoinStep;
  /** 0 when nobody could tell. */
  readonly errno: number;
}

/** What a process is given that comes from this one, and not from the container. */
export interface Inheritance {
  /** A pidfd of the container's first process. */
  readonly container: number;
  /** Which of this process's standard streams the program does not get. */
  readonly without: readonly number[];
  /** What its standard output and error are instead; absent for this process's. */
  readonly output?: number;
  /** Signals that this process ignores or catches. */
  readonly changedSignals: readonly number[];
  readonly openFiles: { readonly soft: number; readonly hard: number };
}

/** Descriptors are gathered from this number on before they get their own, which may be in use until then. */
const GATHERED = JOINER_PROGRAM_FD + 1;

export class JoinedProgram {
  readonly #arena = new Arena(STACK_SIZE + (256 << 10));
  readonly #table = new CallTable(this.#arena, 160);
  readonly #report = makePipe();
  #control: Pipe | undefined;
  /** The pid of its keeper. */
  readonly keeper: number;
  /** How the program ended; or its keeper, if it did not come to that. */
  readonly ended: Promise<ExitStatus>;

  /** @throws {SystemCallError} when its keeper cannot be started */
  constructor(setup: JoinSetup, inheritance: Inheritance) {
    if (setup.terminal !== undefined || setup.leash === true) this.#control = makePipe();
    const program = executableInMemory("dhow-exec", joinerProgram(setup));
    const ready = makePipe();
    this.#becomeKeeper(ready.writer, program, inheritance);
    try {
      const { pid, ended } = spawnWalking(this.#table, 0, ready);
      this.keeper = pid;
      this.ended = ended;
    } finally {
      for (const fd of [program, ready.reader, this.#report.writer]) libcCall("close", fd);
      if (this.#control !== undefined) libcCall("close", this.#control.reader);
    }
  }

  #becomeKeeper(ready: number, program: number, inheritance: Inheritance): void {
    const { container, without, output, changedSignals, openFiles } = inheritance;
    const table = this.#table;
    const arena = this.#arena;
    table.call("write", [ready, "b", 1]);
    table.call("setsid", []);
    const defaultAction = arena.allocate(32); // struct sigaction of the kernel; zeros are SIG_DFL
    for (const signal of changedSignals) table.call("rt_sigaction", [signal, defaultAction, 0, 8]);
    const sources: [number, number][] = [
      [JOINER_FDS.report, this.#report.writer],
      [JOINER_FDS.container, container],
      [JOINER_PROGRAM_FD, program],
    ];
    if (this.#control !== undefined) sources.push([JOINER_FDS.control, this.#control.reader]);
    const gathered = sources.map(([fd, source]) =>
      [fd, table.call("fcntl", [source, F_DUPFD_CLOEXEC, GATHERED])] as const
    );
    const nothing = table.call("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC]);
    for (const fd of without) table.call("dup3", [nothing, fd, 0]);
    if (output !== undefined) { for (const fd of [1, 2]) table.call("dup3", [output, fd, 0]); }
    table.call("close_range", [3, GATHERED - 1, 0]);
    for (const [fd, source] of gathered) {
      table.call("dup3", [source, fd, fd === JOINER_PROGRAM_FD ? O_CLOEXEC : 0]);
    }
    table.call("close_range", [GATHERED, 0xffffffff, 0]);
    table.call("chdir", ["/"]);
    const limit = arena.allocate(16);
    arena.setWord(limit, openFiles.soft);
    arena.setWord(limit + 8, openFiles.hard);
    table.call("setrlimit", [RLIMIT_NOFILE, limit]);
    const argv = arena.strings(["dhow-exec"]);
    table.call("execveat", [JOINER_PROGRAM_FD, "", argv, arena.strings([]), AT_EMPTY_PATH]);
  }

  /** Waits for the next record of the report; undefined after its end, which comes when the program is executed. */
  #nextRecord(): JoinFailure | undefined {
    const arena = new Arena(4096);
    try {
      const record = arena.allocate(REPORT_SIZE);
      const size = libcCall("read", this.#report.reader, record, REPORT_SIZE);
      const { failure } = this.#table;
      if (failure !== undefined) {
        const error = new SystemCallError(failure.name, failure.errno);
        throw new HostError({
          what: "cannot start a process for the container",
          why: `${failure.name}: ${describeErrno(failure.errno)}`,
          cause: error,
        });
      }
      if (size !== REPORT_SIZE) return undefined;
      const [errno, number] = [arena.word(record), arena.word(record + 8)];
      const known = Object.entries(JOIN_STEPS).find(([, value]) => value === number);
      // the process that writes this may be in the container
      return { step: (known?.[0] ?? "start") as JoinStep, errno: Math.min(Math.max(errno, 0), 4095) };
    } finally {
      arena.release();
    }
  }

  /** A descriptor that can be read once `started` need not wait. */
  get report(): number {
    return this.#report.reader;
  }

  /**
   * Waits until the program is executed.
   * @param terminalOpened is given the terminal's master, before that, if there is one
   * @returns why it is not executed; undefined when it is
   * @throws {HostError} when its keeper could not be started
   */
  started(terminalOpened: (master: number) => void): JoinFailure | undefined {
    let record = this.#nextRecord();
    if (record?.step === "terminalReady") {
      const master = this.#takeTerminal();
      if (master === undefined) return { step: "start", errno: ESRCH };
      terminalOpened(master);
      record = this.#nextRecord();
    }
    return record;
  }

  #takeTerminal(): number | undefined {
    // its pid is its own until it is waited for, which comes after its end
    const keeper = tryLibcCall([ESRCH], "pidfd_open", this.keeper, 0);
    if (keeper < 0) return undefined;
    const master = tryLibcCall([ESRCH], "pidfd_getfd", keeper, JOINER_FDS.master, 0);
    libcCall("close", keeper);
    if (master < 0) return undefined;
    this.#say(TERMINAL.taken);
    return master;
  }

  /** Leaves the terminal to the keeper, which reads what the program still writes. */
  leaveTerminal(): void {
    this.#say(TERMINAL.leftAlone);
  }

  #say(word: string): void {
    if (this.#control !== undefined) libcCall("write", this.#control.writer, word, 1);
  }

  /** Has the keeper kill a program that is on a leash. */
  letGo(): void {
    if (this.#control !== undefined) libcCall("close", this.#control.writer);
    this.#control = undefined;
  }
}
