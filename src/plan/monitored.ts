/** The start of a container under a monitor, as dhow sees it: the files and pipes that the two of them get. */
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { describeErrno, ENOENT, SystemCallError } from "../../ffi/errno.ts";
import { reserveBlocks } from "../../ffi/files.ts";
import { makePipe, type Pipe } from "../../ffi/process.ts";
import { spawnMonitored } from "../../ffi/spawn.ts";
import { executableInMemory } from "../../ffi/standalone.ts";
import { type CallTable, libcCall, tryLibcCall, Word } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import { identify, type ProcessIdentity } from "../state/process_identity.ts";
import { logEnd } from "./log_records.ts";
import { monitorProgram } from "./monitor.ts";
import { CONTROL, EXIT_SIZE } from "./monitor_layout.ts";
import { becomeMonitor, MONITOR_CALLS } from "./monitor_start.ts";
import type { MonitorSetup } from "./step.ts";

/** A monitor that is about to be, and the descriptors that dhow has for it. */
export class Monitor {
  readonly #arena = new Arena(4096);
  readonly #terminal = this.#arena.allocate(8);
  readonly #opened: number[] = [];
  readonly #control: Pipe;
  readonly #input: Pipe | undefined;
  readonly #output: Pipe | undefined;
  readonly #errors: Pipe | undefined;
  readonly #reader: Pipe | undefined;
  #identity: ProcessIdentity | undefined;
  #settled: Promise<void> = Promise.resolve();
  #table: CallTable | undefined;

  /**
   * @param sockets what it is to hold as long as the container runs
   * @throws {SystemCallError} when its files cannot be made
   */
  constructor(readonly setup: MonitorSetup, readonly sockets: readonly number[]) {
    this.#control = this.#pipe();
    this.#input = setup.keepsInput && !setup.terminal ? this.#pipe() : undefined;
    this.#output = setup.terminal ? undefined : this.#pipe();
    this.#errors = setup.terminal ? undefined : this.#pipe();
    this.#reader = setup.awaitsReader ? this.#pipe() : undefined;
  }

  #pipe(): Pipe {
    const pipe = makePipe();
    this.#opened.push(pipe.reader, pipe.writer);
    return pipe;
  }

  #open(path: string, flags: number): number {
    const fd = libcCall("openat", AT_FDCWD, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0o600);
    this.#opened.push(fd);
    return fd;
  }

  /** What is written there at the end has its place from the start: the container may fill the disk. */
  #openExit(path: string): number {
    const fd = this.#open(path, O_EXCL);
    reserveBlocks(fd, EXIT_SIZE);
    return fd;
  }

  /** What the container's first process reads and writes; undefined when that is a terminal. */
  get streams() {
    const { reader: input } = this.#input ?? { reader: undefined };
    if (this.#output === undefined || this.#errors === undefined) return undefined;
    return { input, output: this.#output.writer, errors: this.#errors.writer };
  }

  /**
   * Starts the container's first process and its parent.
   * @param pidNamespace a pidfd of a process whose pid namespace the container joins
   * @returns the pid of the container's first process, once it is there
   */
  start(
    table: CallTable,
    namespaces: number,
    { ready, go }: { ready: Pipe; go: Pipe },
    pidNamespace?: number,
  ): number {
    const { setup } = this;
    const log = this.#open(setup.log.path, 0);
    // the monitor of an earlier start that failed may still have the one that is there
    tryLibcCall([ENOENT], "unlinkat", AT_FDCWD, setup.exitPath, 0);
    const program = executableInMemory("dhow-monitor", monitorProgram(setup, logEnd(setup.log.path)));
    this.#opened.push(program);
    const sources = {
      output: this.#output?.reader,
      errors: this.#errors?.reader,
      log,
      exit: this.#openExit(setup.exitPath),
      control: this.#control.reader,
      input: this.#input?.writer,
      reader: this.#reader?.reader,
    };
    const terminal = new Word(this.#terminal);
    const { pid, monitor, settled, table: calls } = spawnMonitored(
      table,
      namespaces,
      ready,
      [ready.reader, go.writer, this.#control.writer],
      (monitorsTable, child) =>
        becomeMonitor(
          monitorsTable,
          child,
          program,
          { ...sources, sockets: this.sockets },
          terminal,
          setup.id,
        ),
      MONITOR_CALLS + 2 * this.sockets.length,
      pidNamespace,
    );
    this.#table = calls;
    this.#settled = settled;
    this.#identity = identify(monitor);
    return pid;
  }

  /** The terminal's master is there, under a number of this process. It stays open until the monitor has it. */
  terminalOpened(fd: number): void {
    this.#arena.setWord(this.#terminal, fd);
  }

  /** Waits until the container has become its program, and its parent the monitor, or they have ended. */
  async settled(): Promise<void> {
    await this.#settled;
  }

  /** @throws {HostError} when the container's parent could not become the monitor */
  assertStarted(): ProcessIdentity {
    const failure = this.#table?.failure;
    if (failure !== undefined) {
      const error = new SystemCallError(failure.name, failure.errno);
      throw new HostError({
        what: "cannot start the container's monitor",
        why: `${failure.name}: ${describeErrno(failure.errno)}`,
        cause: error,
      });
    }
    return this.#identity!;
  }

  get identity(): ProcessIdentity | undefined {
    return this.#identity;
  }

  /** It is written down that the container runs: the monitor may go on. */
  begin(): void {
    libcCall("write", this.#control.writer, CONTROL.begin, 1);
  }

  /** Lets go of dhow's descriptors. */
  close(): void {
    for (const fd of this.#opened) libcCall("close", fd);
    this.#opened.length = 0;
    this.#arena.release();
  }
}
