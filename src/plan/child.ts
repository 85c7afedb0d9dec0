/**
 * Turns the child's steps into entries of its call table (ffi/table.ts): what the container's first process does between
 * clone(2) and execve(2).
 */
import {
  AF_INET,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_NEWCGROUP,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  IFF_UP,
  KEYCTL_JOIN_SESSION_KEYRING,
  MNT_DETACH,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_BIND,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  O_CLOEXEC,
  O_NOCTTY,
  O_PATH,
  O_RDWR,
  O_WRONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  PR_SET_PDEATHSIG,
  RLIMIT_NOFILE,
  SIG_SETMASK,
  SIGNALS,
  SIOCSIFFLAGS,
  SOCK_DGRAM,
  TIOCGPTPEER,
  TIOCSCTTY,
  TIOCSPTLCK,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { ENTRY_SIZE } from "../../ffi/machine_code.ts";
import { EBADF, EEXIST, EROFS } from "../../ffi/errno.ts";
import type { Pipe } from "../../ffi/process.ts";
import { type Argument, Call, type CallOptions, CallTable } from "../../ffi/table.ts";
import { setLimits } from "./rlimits.ts";
import { confiningCalls } from "./confine.ts";
import { ContainerRoot } from "./container_root.ts";
import { AFTER_INIT_FD, becomeInit, type Init, keepInit } from "./init.ts";
import { namespaceFlags } from "./namespace_flags.ts";
import type { HeldTrees } from "./held_trees.ts";
import { makeTimeNamespace } from "./time_namespace.ts";
import type { Partners } from "./partners.ts";
import { type ChildStep, overlayOptions } from "./step.ts";

/** Descriptors of this process that the child meets its parent through. */
export interface Meeting {
  /** The child writes a byte when it waits, and reads one when it may go on. */
  readonly ready: Pipe;
  readonly go: Pipe;
  /** What it reads from and writes to, if these are not dhow's own. */
  readonly streams?: {
    readonly input: number | undefined;
    readonly output: number;
    readonly errors: number;
  } | undefined;
  /** What stays as process 1, if the program is not to be that. */
  readonly init?: Init | undefined;
  /** The containers whose namespaces it joins, if it joins any. */
  readonly partners?: Pick<Partners, "pidfd" | "sharedMemory"> | undefined;
  /** What is held for it, if something is. */
  readonly held?: Pick<HeldTrees, "descriptor"> | undefined;
}

/** A child that is ready to be cloned. */
export interface ChildProgram {
  /** The call that opened the root, if there is one. */
  readonly root: Call | undefined;
  readonly table: CallTable;
  /** The call that it stopped at, if it stopped. */
  readonly failure: Call | undefined;
  /** Which step a call belongs to. */
  readonly stepOf: (call: Call) => ChildStep | undefined;
  /** The call that opened the terminal's master, whose result is the child's descriptor of it. */
  readonly terminal: Call | undefined;
}

/** At least as many entries as the steps need: up to 25 for one, and what an image can make longer. */
function capacityFor(steps: readonly ChildStep[]): number {
  const own = steps.map((step) => {
    if (step.op === "change-directory") return step.path.split("/").length;
    if (step.op === "drop-bounding-set") return step.drops.length;
    if (step.op === "mount-index") return step.devices.length;
    const isInRoot = step.op === "bind" || step.op === "mount" || step.op === "make-device";
    if (isInRoot) return 3 * step.inRoot.split("/").length;
    return step.op === "join-cgroups" ? 3 * step.folders.length : 0;
  });
  return 128 + 25 * steps.length + own.reduce((sum, calls) => sum + calls, 0);
}

/** So many calls a child is given to go on with: to let it go takes as long as to compile some ten. */
const CALLS_AT_ONCE = 40;

function longestWord(step: ChildStep): number {
  if (step.op === "bind" || step.op === "mount" || step.op === "make-device") return 4 * step.inRoot.length;
  return step.op === "change-directory" ? 4 * step.path.length : 0;
}

/** @param stopAfter fault injection: after this many calls of its steps the child reports as if ready, and waits for ever */
export function compileChild(
  steps: readonly ChildStep[],
  meeting: Meeting,
  stopAfter?: number,
): ChildProgram {
  const { program, addSteps } = beginChild(steps, meeting, undefined, stopAfter);
  addSteps();
  return program;
}

/** A child that can be cloned, and waits for its steps. */
export interface BegunChild {
  readonly program: ChildProgram;
  /** Compiles the steps. The child follows: it takes some while others are compiled. */
  readonly addSteps: () => void;
}

/**
 * As compileChild, for a child that is cloned before its steps are compiled, since the kernel takes as long to make its namespaces.
 * @param letGo has the child go on (a byte into `go`), up to where the table ends as yet. It may have failed by then. Without it, the
 * child does not wait.
 */
export function beginChild(
  steps: readonly ChildStep[],
  meeting: Meeting,
  letGo: (() => void) | undefined,
  stopAfter?: number,
): BegunChild {
  const capacity = capacityFor(steps);
  const texts = JSON.stringify(steps).length;
  // each word may be there several times: a program's name once for each place where it may lie, a path once for each folder
  const words = Math.max(...steps.map(longestWord)) * capacity;
  const arena = new Arena(
    256 * 1024 + capacity * ENTRY_SIZE + 4 * texts + words,
  );
  const table = new CallTable(arena, capacity);
  const compiler = new Compiler(table, meeting, stopAfter);
  compiler.begin(letGo !== undefined);
  const owners: (ChildStep | undefined)[] = Array(table.length).fill(undefined);
  const addSteps = () => {
    let begun = table.length;
    for (const step of steps) {
      compiler.compile(step);
      while (owners.length < table.length) owners.push(step);
      if (letGo === undefined || table.length - begun < CALLS_AT_ONCE || !compiler.mayAwaitCalls) continue;
      compiler.awaitCalls();
      begun = table.length;
      letGo();
    }
    letGo?.();
  };
  const program: ChildProgram = {
    table,
    get failure() {
      return table.failure;
    },
    stepOf: (call) => owners[call.index],
    get terminal() {
      return compiler.terminal;
    },
    get root() {
      return compiler.root;
    },
  };
  return { program, addSteps };
}

class Compiler {
  terminal: Call | undefined;
  #root: ContainerRoot | undefined;
  #slave: Call | undefined;
  #hasStage = false;
  /** What open-source has opened, by the places where it will be mounted. */
  readonly #sources = new Map<string, Argument>();
  /** Where the calls of the steps begin; the ones before are not counted by `stopAfter`. */
  #firstStep = Infinity;
  /** Whether the child has let go of the pipes to its parent. */
  #isAlone = false;
  /** Whether a step waits for its parent. */
  #hasMet = false;

  constructor(
    readonly table: CallTable,
    readonly meeting: Meeting,
    readonly stopAfter: number | undefined,
  ) {}

  get root(): Call | undefined {
    return this.#root?.descriptor;
  }

  get #inRoot(): ContainerRoot {
    if (this.#root === undefined) throw new Error("open-root must come before steps inside the root");
    return this.#root;
  }

  get #streams(): NonNullable<Meeting["streams"]> {
    if (this.meeting.streams === undefined) throw new Error("the container has no streams of its own");
    return this.meeting.streams;
  }

  get #partners(): NonNullable<Meeting["partners"]> {
    if (this.meeting.partners === undefined) throw new Error("the container joins nobody's namespaces");
    return this.meeting.partners;
  }

  #held(name: string): number {
    if (this.meeting.held === undefined) throw new Error("hold-trees must come before what takes them");
    return this.meeting.held.descriptor(name);
  }

  get arena(): Arena {
    return this.table.arena;
  }

  get #memory(): Parameters<typeof confiningCalls>[1] {
    return { words: (...values) => this.arena.words(values), data: (bytes) => this.arena.data(bytes) };
  }

  call(name: string, args: readonly Argument[], options?: CallOptions): Call {
    const call = this.table.call(name, args, options);
    if (call.index + 1 - this.#firstStep === this.stopAfter && !this.#isAlone) {
      const { ready, go } = this.meeting;
      this.table.call("write", [ready.writer, "!", 1]);
      this.table.call("read", [go.reader, this.arena.allocate(1), 1], { least: 2 });
    }
    return call;
  }

  /** What comes before every step. @param waits whether the child is cloned before its steps are there */
  begin(waits: boolean): void {
    const { ready, go } = this.meeting;
    // A copy of the other ends would keep the child from noticing that its parent is gone. A monitor has closed them already.
    this.call("close", [ready.reader], { tolerate: [EBADF] });
    this.call("close", [go.writer], { tolerate: [EBADF] });
    this.call("prctl", [PR_SET_PDEATHSIG, SIGNALS.SIGKILL, 0, 0, 0]);
    this.call("write", [ready.writer, "b", 1]); // born: see spawnWalking
    this.call("umask", [0]);
    if (waits) this.awaitCalls();
    this.#firstStep = this.table.length;
  }

  /** The child waits until the calls after this one are there. */
  awaitCalls(): void {
    this.table.call("read", [this.meeting.go.reader, this.arena.allocate(1), 1], { least: 1 });
  }

  /**
   * Whether it may do so. Not after a step that waits, too: it would take the byte that says that there are more calls for the one that it
   * waits for. Nor if it may stop for ever, which such a byte would end.
   */
  get mayAwaitCalls(): boolean {
    return !this.#hasMet && this.stopAfter === undefined;
  }

  #awaitParent({ reports }: { reports: boolean }): void {
    this.#hasMet = true;
    if (reports) this.call("write", [this.meeting.ready.writer, "+", 1]);
    this.call("read", [this.meeting.go.reader, this.arena.allocate(1), 1], { least: 1 });
  }

  compile(step: ChildStep): void {
    switch (step.op) {
      case "await-id-mapping":
        return this.#awaitParent({ reports: true });
      case "await-release":
        return this.#awaitParent(step);
      case "join-namespaces":
        this.call("setns", [this.#partners.pidfd(step.container), namespaceFlags(step.kinds)]);
        return;
      case "take-shared-memory":
        this.#sources.set(step.inRoot, this.#partners.sharedMemory(step.container));
        return;
      case "become-root":
        this.call("setgroups", [0, 0]);
        this.call("setresgid", [0, 0, 0]);
        this.call("setresuid", [0, 0, 0]);
        // changing the user cleared it (prctl(2))
        this.call("prctl", [PR_SET_PDEATHSIG, SIGNALS.SIGKILL, 0, 0, 0]);
        return;
      case "set-stage": {
        const stage = this.#held(step.stage);
        this.call("move_mount", [stage, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH]);
        for (const name of step.trees) {
          this.call("move_mount", [this.#held(name), "", stage, name, MOVE_MOUNT_F_EMPTY_PATH]);
        }
        this.call("fchdir", [stage]);
        this.#hasStage = true;
        return;
      }
      case "take-held":
        this.#sources.set(step.inRoot, this.#held(step.name));
        return;
      case "make-time-namespace":
        return makeTimeNamespace(this, step);
      case "make-mounts-private":
        this.call("mount", [0, "/", 0, MS_REC | MS_PRIVATE, 0]);
        return;
      case "mount-overlay": {
        this.call("chdir", [step.layersFolder]);
        this.call("mount", ["overlay", step.target, "overlay", 0, overlayOptions(step)]);
        return;
      }
      case "mount-held":
        this.call("move_mount", [this.#held(step.name), "", AT_FDCWD, step.target, MOVE_MOUNT_F_EMPTY_PATH]);
        return;
      case "mount-index":
        return this.#mountIndex(step);
      case "open-root":
        this.#root = new ContainerRoot((...call) => this.call(...call), this.arena, step.path);
        return;
      case "mount":
        return this.#inRoot.mount(step);
      case "mask":
        return this.#inRoot.mask(step);
      case "make-read-only":
        return this.#inRoot.makeReadOnly(step);
      case "make-directory":
        return this.#inRoot.makeDirectories(step.inRoot, step.mode);
      case "make-device":
        return this.#inRoot.makeDevice(step);
      case "make-symlink":
        return this.#inRoot.makeSymlink(step);
      case "bind":
        return this.#inRoot.bind(step, this.#sources.get(step.inRoot));
      case "open-source": {
        const recursion = step.recursive ? AT_RECURSIVE : 0;
        const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursion;
        this.#sources.set(step.inRoot, this.call("open_tree", [AT_FDCWD, step.source, flags]));
        return;
      }
      case "fill-volume":
        throw new Error("volumes are filled before a start");
      case "set-sysctl":
        return this.#inRoot.writeProc(`sys/${step.key.replaceAll(".", "/")}`, step.value);
      case "loopback-up": {
        // netdevice(7): struct ifreq is 40 bytes, its flags come after 16 bytes of name
        const request = this.arena.allocate(40);
        this.arena.bytes.set(new TextEncoder().encode("lo"), request - this.arena.address);
        this.arena.setWord(request + 16, IFF_UP);
        const socket = this.call("socket", [AF_INET, SOCK_DGRAM | O_CLOEXEC, 0]);
        this.call("ioctl", [socket, SIOCSIFFLAGS, request]);
        this.call("close", [socket]);
        return;
      }
      case "set-hostname":
        this.call("sethostname", [step.hostname, new TextEncoder().encode(step.hostname).length]);
        return;
      case "open-terminal":
        return this.#openTerminal(step.uid);
      case "join-cgroups":
        for (const { path, joinFile } of step.folders) {
          const file = this.call("openat", [AT_FDCWD, `${path}/${joinFile}`, O_WRONLY | O_CLOEXEC]);
          this.call("write", [file, "0", 1], { least: 1 });
          this.call("close", [file]);
        }
        return;
      case "adjust-oom-score": {
        const text = String(step.score);
        const file = this.call("openat", [AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC]);
        this.call("write", [file, text, text.length], { least: text.length });
        this.call("close", [file]);
        return;
      }
      case "protect-root":
        this.call("mount", [0, "/", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0]);
        return;
      case "set-limits":
        return setLimits(this, step.limits);
      case "unshare-cgroup":
        this.call("unshare", [CLONE_NEWCGROUP]);
        return;
      case "pivot-root":
        this.call("fchdir", [this.#inRoot.descriptor]);
        // pivot_root(2), notes: with the same folder twice the old root comes to lie on top of the new one
        this.call("pivot_root", [".", "."]);
        this.call("umount2", [".", MNT_DETACH]);
        // the stage lay over the old root directory
        if (this.#hasStage) this.call("umount2", [".", MNT_DETACH]);
        this.call("chdir", ["/"]);
        // whatever else lay over the host's would now lie over this one, and ".." lead into it
        this.#inRoot.assertUncovered("/..");
        return;
      case "new-session":
        this.call("setsid", []);
        // whatever goes wrong, as for runc: kernels without keys, a quota that is used up
        this.call("keyctl", [KEYCTL_JOIN_SESSION_KEYRING, 0], { least: -1 });
        return;
      case "take-terminal":
        if (this.#slave === undefined) throw new Error("open-terminal must come before take-terminal");
        this.call("ioctl", [this.#slave, TIOCSCTTY, 0]);
        for (const fd of [0, 1, 2]) this.call("dup3", [this.#slave, fd, 0]);
        return;
      case "close-input": {
        const nothing = this.#inRoot.openNull();
        this.call("dup3", [nothing, 0, 0]);
        return;
      }
      case "take-input":
        this.call("dup3", [this.#streams.input ?? -1, 0, 0]);
        return;
      case "take-output":
        this.call("dup3", [this.#streams.output, 1, 0]);
        this.call("dup3", [this.#streams.errors, 2, 0]);
        return;
      case "reset-process":
        return this.#resetProcess(step.changedSignals, step.openFiles);
      case "set-user":
        if (step.groups !== undefined) {
          this.call("setgroups", [step.groups.length, this.arena.integers(step.groups)]);
        }
        this.call("setresgid", [step.gid, step.gid, step.gid]);
        this.call("setresuid", [step.uid, step.uid, step.uid]);
        // changing the user cleared it (prctl(2))
        this.call("prctl", [PR_SET_PDEATHSIG, SIGNALS.SIGKILL, 0, 0, 0]);
        return;
      case "drop-bounding-set":
      case "set-capabilities":
      case "forbid-new-privileges":
      case "load-filter":
        for (const call of confiningCalls(step, this.#memory)) this.call(...call);
        return;
      case "change-directory": {
        // after pivot_root, so that links can lead nowhere but into the container; made if missing, as docker does
        const names = step.path.split("/").filter((name) => name !== "");
        names.forEach((_, index) => {
          const folder = `/${names.slice(0, index + 1).join("/")}`;
          this.call("mkdirat", [AT_FDCWD, folder, 0o755], { tolerate: [EEXIST, EROFS] });
        });
        this.call("chdir", [step.path]);
        return;
      }
      case "execute":
        return this.#execute(step);
    }
  }

  #mountIndex({ index, devices, folder, target }: Extract<ChildStep, { op: "mount-index" }>): void {
    this.call("chdir", [folder]);
    const context = this.call("fsopen", ["erofs", FSOPEN_CLOEXEC]);
    this.call("fsconfig", [context, FSCONFIG_SET_FLAG, "ro", 0, 0]);
    this.call("fsconfig", [context, FSCONFIG_SET_STRING, "source", index, 0]);
    for (const device of devices) this.call("fsconfig", [context, FSCONFIG_SET_STRING, "device", device, 0]);
    this.call("fsconfig", [context, FSCONFIG_CMD_CREATE, 0, 0, 0]);
    const mount = this.call("fsmount", [context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY]);
    this.call("move_mount", [mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH]);
    this.call("close", [mount]);
    this.call("close", [context]);
  }

  /**
   * A new terminal in the container's own devpts. Its other end is found with TIOCGPTPEER, not by a path, and becomes
   * /dev/console through its descriptor (CVE-2025-52565).
   */
  #openTerminal(uid: number): void {
    const master = this.#inRoot.open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
    this.terminal = master;
    const unlocked = this.arena.integers([0]);
    this.call("ioctl", [master, TIOCSPTLCK, unlocked]);
    const slave = this.call("ioctl", [master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC]);
    this.#slave = slave;
    this.call("fchown", [slave, uid, -1]);
    this.#inRoot.makeFile("/dev/console");
    const console = this.call("open_tree", [
      slave,
      "",
      AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC,
    ]);
    this.#inRoot.attach(console, this.#inRoot.open("/dev/console", O_PATH), "/dev/console");
  }

  /** Takes back what a child inherits from Deno, and what of dhow's it must not see. */
  #resetProcess(changedSignals: readonly number[], openFiles: { soft: number; hard: number }): void {
    const defaultAction = this.arena.allocate(32); // struct sigaction of the kernel; zeros are SIG_DFL
    // before they are unblocked: one that is pending must not meet a handler of Deno's
    for (const signal of changedSignals) this.call("rt_sigaction", [signal, defaultAction, 0, 8]);
    const noSignals = this.arena.allocate(128);
    this.call("sigprocmask", [SIG_SETMASK, noSignals, 0]);
    this.#isAlone = true;
    const { init } = this.meeting;
    if (init !== undefined) keepInit(this, init);
    this.call("close_range", [init === undefined ? 3 : AFTER_INIT_FD, 0xffffffff, 0]);
    // only now: dhow may have more descriptors than that
    const limit = this.arena.allocate(16);
    this.arena.setWord(limit, openFiles.soft);
    this.arena.setWord(limit + 8, openFiles.hard);
    this.call("setrlimit", [RLIMIT_NOFILE, limit]);
    this.call("umask", [0o022]);
  }

  /** By a program in memory, never from here: /proc/self/exe is dhow's own file until then (CVE-2019-5736). */
  #execute({ args }: Extract<ChildStep, { op: "execute" }>): void {
    if (!this.#isAlone || this.meeting.init === undefined) {
      throw new Error("reset-process must come before execute, which needs a program in memory");
    }
    becomeInit(this, args);
  }
}
