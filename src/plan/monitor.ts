/**
 * The monitor of a container that nobody waits for: its first process's parent, which keeps what it writes and how it ended. It is a
 * standalone program (ffi/standalone.ts), because it stays as long as the container does, and should cost no memory.
 *
 * It waits until dhow has written down that the container runs. Then it takes what comes from the container's output, and writes it
 * with the time into the log (monitor_log.ts), until the container has ended; writes down how it ended; and becomes `dhow ended ID`,
 * which does the rest. It holds the ends of the container's pipes, where other commands find them (pidfd_getfd(2)). If the
 * container's health is to be checked, it starts a command for that from time to time (monitor_prober.ts).
 */
import {
  AT_FDCWD,
  CLOCK_REALTIME,
  O_CLOEXEC,
  O_RDWR,
  P_ALL,
  PR_SET_NAME,
  SIG_SETMASK,
  WEXITED,
  WNOWAIT,
} from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { Label, StandaloneProgram } from "../../ffi/standalone.ts";
import { Word } from "../../ffi/table.ts";
import {
  EXIT_LOG_SIZE,
  EXIT_SIGINFO,
  EXIT_SIZE,
  EXIT_TIME,
  MONITOR_FDS,
  type MonitorSlot,
  STREAMS,
} from "./monitor_layout.ts";
import { LARGEST_RECORD, LogWriter } from "./monitor_log.ts";
import { Prober, PROBER_CALLS } from "./monitor_prober.ts";
import { CLOSED, HAS_COME, waitFor } from "./pollfd.ts";
import type { MonitorSetup } from "./step.ts";

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
  readonly #log: LogWriter;
  /** struct pollfd[6] */
  readonly #polled: number;
  readonly #timeout: Word;
  readonly #noTime: number;
  readonly #byte: number;
  /** What the exit file gets. */
  readonly #record: number;

  constructor(readonly setup: MonitorSetup, logSize: number, arch?: string) {
    const { command, environment, log, probe } = setup;
    const texts = JSON.stringify([command, environment, probe]).length * 4 +
      log.path.length * 4 * (log.files + 4);
    const program = this.#program = new StandaloneProgram(
      180 + (probe === undefined ? 0 : PROBER_CALLS) + 8 * log.files,
      4096 + texts + LARGEST_RECORD + 4096,
      arch,
    );
    this.#log = new LogWriter(program, setup, logSize);
    const wait = (slot: MonitorSlot) => waitFor(MONITOR_FDS[slot]);
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
    this.#byte = program.words(0);
    this.#record = program.words(...Array(EXIT_SIZE / 8).fill(0));
  }

  build(): Uint8Array<ArrayBuffer> {
    const program = this.#program;
    const log = this.#log;
    const texts = this.#texts();
    const { probe } = this.setup;
    const polled = { timer: this.#pollfd(4), command: this.#pollfd(5) };
    const prober = probe && new Prober(program, probe, polled, texts.environment);
    const output = { at: program.buffer(log.recordSize), size: log.recordSize };
    program.call("prctl", [PR_SET_NAME, texts.name, 0, 0, 0]);
    program.call("read", [MONITOR_FDS.control, this.#byte, 1], ANY);
    this.#keepControlOpen(texts.control);
    log.begin(output.at);
    prober?.begin();
    const loop = new Label();
    const finish = new Label();
    program.place(loop);
    const woken = program.call("ppoll", [this.#polled, 6, this.#timeout, 0, 0], ANY);
    program.jumpIfEqual(woken, 0, finish);
    program.jumpIfLess(woken, 0, loop);
    this.#take(0, MONITOR_FDS.output, output, (count) => log.append(STREAMS.output, count));
    this.#take(1, MONITOR_FDS.errors, output, (count) => log.append(STREAMS.errors, count));
    prober?.attend();
    this.#noticeEnd(2, prober);
    const closeInput = () => program.call("close", [MONITOR_FDS.input], ANY);
    this.#take(3, MONITOR_FDS.control, { at: this.#byte, size: 1 }, closeInput);
    program.jump(loop);
    program.place(finish);
    prober?.finish();
    this.#finish(texts);
    prober?.becomeCommand();
    return program.build();
  }

  #texts() {
    const program = this.#program;
    const { command, environment } = this.setup;
    return {
      name: program.text("dhow-monitor"),
      control: program.text(`/proc/self/fd/${MONITOR_FDS.control}`),
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
  #take(index: number, fd: number, to: { at: number; size: number }, use: (count: Word) => void): void {
    const program = this.#program;
    const next = new Label();
    const closed = new Label();
    program.jumpIfLess(this.#pollfd(index), HAS_COME, next);
    const count = program.call("read", [fd, to.at, to.size], ANY);
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

  #finish({ path, command, environment }: { path: number; command: number; environment: number }): void {
    const program = this.#program;
    program.call("waitid", [P_ALL, 0, this.#record + EXIT_SIGINFO, WEXITED | WNOWAIT, 0], ANY);
    program.call("clock_gettime", [CLOCK_REALTIME, this.#record + EXIT_TIME]);
    program.store(this.#record + EXIT_LOG_SIZE, this.#log.offset);
    program.call("pwrite64", [MONITOR_FDS.exit, this.#record, EXIT_SIZE, 0], ANY);
    this.#log.awaitReader(); // what it becomes may remove the log
    program.call("close_range", [3, 0xffffffff, 0], ANY);
    program.call("rt_sigprocmask", [SIG_SETMASK, this.#noTime, 0, 8], ANY);
    program.call("execve", [path, command, environment], ANY);
    program.call("exit_group", [1]);
  }
}
