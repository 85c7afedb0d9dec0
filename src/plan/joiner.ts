/**
 * What brings one more program into a running container. It is a standalone program (ffi/standalone.ts), because a process that joins
 * the namespaces of others can be looked into by them: it has nothing of dhow's in its memory, and no descriptors but its own
 * (joiner_layout.ts).
 *
 * There are three processes. The keeper (joiner_keeper.ts) stays on the host, and tells by its own end how the program ended; it is no
 * part of dhow's job, so that a dhow that is stopped, or killed, leaves no zombie in the container, which could not end then. The
 * joiner, its child, joins the cgroups and the namespaces, opens the terminal, gives up what the container may not have, and makes the
 * program's process, which is the keeper's child too: a pid namespace is joined by one's children. That is the first that the
 * container's processes see of it, and it cannot be traced until it executes the program, unless by one that has CAP_SYS_PTRACE: so by
 * then it has no more powers than that, and its root is the container's (CVE-2016-9962).
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_FILES,
  CLONE_PARENT,
  CLONE_PIDFD,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
  PR_SET_DUMPABLE,
  PR_SET_NAME,
  RESOLVE_NO_SYMLINKS,
  SIG_SETMASK,
  SIGNALS,
  STATX_TYPE,
  TIOCGPTPEER,
  TIOCSCTTY,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from "../../ffi/constants.ts";
import { ANY_ERRNO, ENODEV } from "../../ffi/errno.ts";
import { Label, StandaloneProgram } from "../../ffi/standalone.ts";
import { type Argument, Word } from "../../ffi/table.ts";
import { confiningCalls } from "./confine.ts";
import { DRAINED, Keeper } from "./joiner_keeper.ts";
import { JOIN_STEPS, JOINER_FDS, type JoinStep, LAST_REPORT_FD } from "./joiner_layout.ts";
import {
  attempt,
  ERRNO,
  executeFirst,
  REPORT_SIZE,
  reportAndEnd,
  sizeOfExecution,
  STEP,
} from "./reporting.ts";
import type { ConfiningStep } from "./step.ts";

/** What is to be run, and where. */
export interface JoinSetup {
  /** Files to write 0 to. */
  readonly cgroups: readonly string[];
  /** CLONE_NEW... flags */
  readonly namespaces: number;
  /** Whether the ids that this has are none of the container's. */
  readonly hasOwnIds?: boolean;
  /** With a terminal: its size. */
  readonly terminal: { readonly rows: number; readonly columns: number } | undefined;
  /** Whether the program is killed when the dhow that has started it ends, or wants it. Not with a terminal. */
  readonly leash?: boolean;
  /** Which of the standard streams are the container's /dev/null. */
  readonly closed: readonly number[];
  /** Groups that are undefined stay as they are: nobody can set them there. */
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids: readonly number[] | undefined;
  };
  /** What takes powers away from it, before it becomes the user, and after. */
  readonly beforeUser: readonly ConfiningStep[];
  readonly afterUser: readonly ConfiningStep[];
  /** How readily the kernel may end it when memory is short (proc(5)). Absent for the caller's. */
  readonly oomScoreAdj?: number;
  readonly cwd: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
}

const ANY = { tolerate: ANY_ERRNO };

const LAST_FD = 0xffffffff;
const NULL_DEVICE = 1 + 3 * 2 ** 32;
const STATX_SIZE = 256;
const STATX_RDEV = 128;

/** Calls that a step takes, with those that look whether it has failed. */
const sizeOf = (step: ConfiningStep) => 3 * (step.op === "drop-bounding-set" ? step.drops.length : 1);

export function joinerProgram(setup: JoinSetup): Uint8Array<ArrayBuffer> {
  return new JoinerBuilder(setup).build();
}

class JoinerBuilder {
  readonly #program: StandaloneProgram;
  readonly #failed = new Label();
  readonly #reportFd: Word;
  readonly #noSignals: number;

  constructor(readonly setup: JoinSetup) {
    const { cgroups, cwd, user } = setup;
    const execution = sizeOfExecution(setup);
    const bytes = [...cgroups, cwd].reduce((sum, word) => sum + 3 * word.length + 16, 0) +
      4 * (user.additionalGids ?? []).length + JSON.stringify([setup.beforeUser, setup.afterUser]).length;
    const confinement = [...setup.beforeUser, ...setup.afterUser];
    const calls = 150 + 6 * cgroups.length + execution.calls +
      confinement.reduce((sum, step) => sum + sizeOf(step), 0);
    this.#program = new StandaloneProgram(calls, bytes + execution.bytes + DRAINED + 4096);
    this.#reportFd = this.#program.word(JOINER_FDS.report);
    this.#noSignals = this.#program.words(0);
  }

  build(): Uint8Array<ArrayBuffer> {
    const program = this.#program;
    const joiner = new Label();
    program.call("prctl", [PR_SET_NAME, "dhow-exec", 0, 0, 0]);
    const child = this.#attempt("start", "clone", [CLONE_FILES | SIGNALS.SIGCHLD, 0, 0, 0, 0]);
    program.jumpIfEqual(child, 0, joiner);
    new Keeper(program, this.#failed).keep(child, this.setup);
    program.place(joiner);
    this.#join();
    this.#becomeProgram();
    program.place(this.#failed);
    reportAndEnd(program, this.#reportFd);
    return program.build();
  }

  /** Adds a call whose failure is reported, and ends the process. */
  #attempt(step: JoinStep, name: string, parameters: readonly Argument[]): Word {
    return attempt(this.#program, JOIN_STEPS[step], this.#failed, name, parameters);
  }

  #join(): void {
    const program = this.#program;
    const { cgroups, namespaces, terminal, closed, oomScoreAdj } = this.setup;
    if (oomScoreAdj !== undefined) {
      const text = String(oomScoreAdj);
      // of this process, not of the keeper: with that the program's end would be lost
      const path = "/proc/self/oom_score_adj";
      const file = this.#attempt("adjustOomScore", "openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
      this.#attempt("adjustOomScore", "write", [file, text, text.length]);
      program.call("close", [file]);
    }
    program.call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0]);
    for (const path of cgroups) {
      const file = this.#attempt("joinCgroup", "openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
      this.#attempt("joinCgroup", "write", [file, "0", 1]);
      program.call("close", [file]);
    }
    this.#attempt("joinNamespaces", "setns", [JOINER_FDS.container, namespaces]);
    program.call("close", [JOINER_FDS.container]);
    if (this.setup.hasOwnIds === true) {
      // a file that it makes, such as a terminal, could be given to nobody else
      this.#attempt("joinNamespaces", "setresgid", [0, 0, 0]);
      this.#attempt("joinNamespaces", "setresuid", [0, 0, 0]);
    }
    if (terminal !== undefined) this.#openTerminal(terminal);
    else if (closed.length > 0) this.#openNull(closed);
    this.#becomeUser();
    const pidfd = program.word(0);
    const becoming = new Label();
    const flags = CLONE_PARENT | CLONE_PIDFD | SIGNALS.SIGCHLD;
    const child = this.#attempt("makeProcess", "clone", [flags, 0, pidfd.address, 0, 0]);
    program.jumpIfEqual(child, 0, becoming);
    this.#attempt("makeProcess", "dup3", [pidfd, JOINER_FDS.program, O_CLOEXEC]);
    program.call("exit_group", [0]);
    program.place(becoming);
  }

  /** Opens what must be a device in the container. It may be anything, so nothing here waits for it. */
  #open(step: JoinStep, path: string): Word {
    const how = this.#program.words(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS);
    return this.#attempt(step, "openat2", [AT_FDCWD, path, how, 24]);
  }

  /** The container's, not the host's: a program may change the mode of what it has open. */
  #openNull(closed: readonly number[]): void {
    const program = this.#program;
    const opened = this.#open("openNull", "/dev/null");
    const status = program.words(...Array(STATX_SIZE / 8).fill(0));
    this.#attempt("openNull", "statx", [opened, "", AT_EMPTY_PATH, STATX_TYPE, status]);
    const isRight = new Label();
    program.jumpIfEqual(new Word(status + STATX_RDEV), NULL_DEVICE, isRight);
    program.store(ERRNO, ENODEV);
    program.jump(this.#failed);
    program.place(isRight);
    for (const fd of closed) this.#attempt("openNull", "dup3", [opened, fd, 0]);
    program.call("close", [opened]);
  }

  /** As open-terminal of child.ts. */
  #openTerminal({ rows, columns }: { rows: number; columns: number }): void {
    const program = this.#program;
    const master = this.#open("openTerminal", "/dev/pts/ptmx");
    this.#attempt("openTerminal", "ioctl", [master, TIOCSPTLCK, program.words(0)]);
    const slave = this.#attempt("openTerminal", "ioctl", [
      master,
      TIOCGPTPEER,
      O_RDWR | O_NOCTTY | O_CLOEXEC,
    ]);
    // struct winsize: rows, columns, and two that nobody uses
    this.#attempt("openTerminal", "ioctl", [master, TIOCSWINSZ, program.words(rows + columns * 2 ** 16)]);
    this.#attempt("openTerminal", "fchown", [slave, this.setup.user.uid, -1]);
    for (const fd of [0, 1, 2]) this.#attempt("openTerminal", "dup3", [slave, fd, 0]);
    program.call("close", [slave]);
    this.#attempt("openTerminal", "dup3", [master, JOINER_FDS.master, 0]);
    program.call("close", [master]);
    program.store(STEP, JOIN_STEPS.terminalReady);
    program.store(ERRNO, 0);
    program.call("write", [JOINER_FDS.report, ERRNO, REPORT_SIZE], ANY);
  }

  #confine(steps: readonly ConfiningStep[]): void {
    for (const step of steps) {
      const calls = confiningCalls(step, this.#program);
      for (const [name, parameters] of calls) this.#attempt("confine", name, parameters);
    }
  }

  /** What no process in the container is to see done: until then this has all of dhow's powers. */
  #becomeUser(): void {
    const program = this.#program;
    const { cwd, user } = this.setup;
    program.call("umask", [0o022]);
    this.#attempt("changeDirectory", "chdir", [cwd]);
    this.#confine(this.setup.beforeUser);
    if (user.additionalGids !== undefined) this.#setGroups(user.additionalGids);
    this.#attempt("setUser", "setresgid", [user.gid, user.gid, user.gid]);
    this.#attempt("setUser", "setresuid", [user.uid, user.uid, user.uid]);
    this.#confine(this.setup.afterUser);
  }

  #becomeProgram(): void {
    const program = this.#program;
    this.#attempt("makeProcess", "dup3", [JOINER_FDS.report, LAST_REPORT_FD, O_CLOEXEC]);
    program.store(this.#reportFd, LAST_REPORT_FD);
    program.call("close_range", [JOINER_FDS.report, LAST_REPORT_FD - 1, 0]);
    program.call("close_range", [LAST_REPORT_FD + 1, LAST_FD, 0]);
    this.#attempt("makeProcess", "setsid", []);
    if (this.setup.terminal !== undefined) this.#attempt("takeTerminal", "ioctl", [0, TIOCSCTTY, 0]);
    this.#attempt("makeProcess", "rt_sigprocmask", [SIG_SETMASK, this.#noSignals, 0, 8]);
    executeFirst(program, JOIN_STEPS.execute, this.setup, this.#failed);
  }

  #setGroups(groups: readonly number[]): void {
    const list = this.#program.words(
      ...Array.from(
        { length: Math.ceil(groups.length / 2) },
        (_, pair) => BigInt(groups[2 * pair]!) | BigInt(groups[2 * pair + 1] ?? 0) << 32n,
      ),
    );
    this.#attempt("setUser", "setgroups", [groups.length, list]);
  }
}
