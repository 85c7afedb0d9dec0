/**
 * The part of a monitor that has its container's health probed. It sleeps for an interval, starts a command, waits for its end, and
 * sleeps again: so between the probes no process waits but the monitor, there are never two of them for one container, and one that
 * is killed is followed by the next. One that does not end is killed. The command ends with the monitor, whatever ends that.
 */
import {
  CLOCK_MONOTONIC,
  CLONE_PIDFD,
  O_CLOEXEC,
  PR_SET_PDEATHSIG,
  SIG_SETMASK,
  SIGNALS,
} from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { Label, type StandaloneProgram } from "../../ffi/standalone.ts";
import type { Word } from "../../ffi/table.ts";
import { CLOSED, HAS_COME, waitFor } from "./pollfd.ts";
import type { ProbeSetup } from "./step.ts";

/** How many calls it adds to a program, at most. */
export const PROBER_CALLS = 40;

const ANY = { tolerate: ANY_ERRNO };

/** In place of a descriptor. */
const NONE = 0xffffffff;

export class Prober {
  /** struct itimerspec (timerfd_settime(2)): once, after so long */
  readonly #interval: number;
  readonly #limit: number;
  readonly #pidfd: Word;
  readonly #noSignals: number;
  readonly #becomes = new Label();
  readonly #execute: readonly [path: number, command: number, environment: number];
  #timer: Word | undefined;
  #clone: Word | undefined;

  /**
   * @param setup what is executed, and when
   * @param polled struct pollfd of the timer and of the command, which wait for nothing at first
   * @param environment of the command, a list of texts in the program
   */
  constructor(
    readonly program: StandaloneProgram,
    { interval, limit, command }: ProbeSetup,
    readonly polled: { readonly timer: Word; readonly command: Word },
    environment: number,
  ) {
    const once = (nanoseconds: number) =>
      program.words(0, 0, Math.floor(nanoseconds / 1e9), nanoseconds % 1e9);
    this.#interval = once(interval);
    this.#limit = once(limit);
    this.#pidfd = program.word(NONE);
    this.#noSignals = program.words(0);
    this.#execute = [program.text(command[0] ?? ""), program.texts(command), environment];
  }

  begin(): void {
    const { program } = this;
    const failed = new Label();
    this.#timer = program.call("timerfd_create", [CLOCK_MONOTONIC, O_CLOEXEC], ANY);
    program.jumpIfLess(this.#timer, 0, failed);
    this.#wakeAfter(this.#interval);
    program.place(failed);
  }

  #wakeAfter(time: number): void {
    const { program, polled } = this;
    program.call("timerfd_settime", [this.#timer!, 0, time, 0], ANY);
    program.store(polled.timer, waitFor(0));
    program.add(polled.timer, this.#timer!);
  }

  /** Does what there is to do, when the monitor was woken. */
  attend(): void {
    const { program, polled } = this;
    const [notNow, nobody, again, done] = [new Label(), new Label(), new Label(), new Label()];
    program.jumpIfLess(polled.timer, HAS_COME, notNow);
    program.store(polled.timer, CLOSED);
    program.jumpIfEqual(this.#pidfd, NONE, nobody);
    program.call("pidfd_send_signal", [this.#pidfd, SIGNALS.SIGKILL, 0, 0], ANY);
    program.jump(notNow);
    program.place(nobody);
    this.#clone = program.call("clone", [CLONE_PIDFD | SIGNALS.SIGCHLD, 0, this.#pidfd.address, 0, 0], ANY);
    program.jumpIfEqual(this.#clone, 0, this.#becomes);
    program.jumpIfLess(this.#clone, 0, again);
    program.store(polled.command, waitFor(0));
    program.add(polled.command, this.#pidfd);
    this.#wakeAfter(this.#limit);
    program.place(notNow);
    program.jumpIfLess(polled.command, HAS_COME, done);
    program.store(polled.command, CLOSED);
    program.call("wait4", [this.#clone, 0, 0, 0], ANY);
    program.call("close", [this.#pidfd], ANY);
    program.store(this.#pidfd, NONE);
    program.place(again);
    this.#wakeAfter(this.#interval);
    program.place(done);
  }

  /** The container has ended: nothing is begun any more. */
  stop(): void {
    for (const polled of Object.values(this.polled)) this.program.store(polled, CLOSED);
  }

  /** Ends a command that still runs, and waits for that. */
  finish(): void {
    const { program } = this;
    const nobody = new Label();
    program.jumpIfEqual(this.#pidfd, NONE, nobody);
    program.call("pidfd_send_signal", [this.#pidfd, SIGNALS.SIGKILL, 0, 0], ANY);
    program.call("wait4", [this.#clone!, 0, 0, 0], ANY);
    program.place(nobody);
  }

  /** What the process does that executes the command. To come where nothing else goes on. */
  becomeCommand(): void {
    const { program } = this;
    program.place(this.#becomes);
    program.call("prctl", [PR_SET_PDEATHSIG, SIGNALS.SIGKILL, 0, 0, 0]);
    program.call("close_range", [3, 0xffffffff, 0], ANY);
    program.call("rt_sigprocmask", [SIG_SETMASK, this.#noSignals, 0, 8], ANY);
    program.call("execve", this.#execute, ANY);
    program.call("exit_group", [1]);
  }
}
