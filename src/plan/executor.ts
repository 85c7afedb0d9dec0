import { Arena } from "../../ffi/arena.ts";
import { AT_EMPTY_PATH, S_IFIFO, S_IFMT, SIGNALS, STATX_TYPE } from "../../ffi/constants.ts";
import { EBADF, EINVAL, EPERM, ESRCH } from "../../ffi/errno.ts";
import { type ExitStatus, waitForExit } from "../../ffi/process.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";
import type { DhowError } from "../errors.ts";
import { identify, type ProcessIdentity } from "../state/process_identity.ts";
import { writeSetting } from "./cgroup_setting.ts";
import { beginChild, type ChildProgram } from "./child.ts";
import { explainChildFailure } from "./failure.ts";
import { childStopsAfter } from "./fault.ts";
import type { FileStep } from "./files.ts";
import { Handshake } from "./handshake.ts";
import type { HeldTrees } from "./held_trees.ts";
import { InitStart } from "./init_start.ts";
import { makeLinks } from "./links.ts";
import { LoopDevices } from "./loop.ts";
import type { Monitor } from "./monitored.ts";
import { openPartners, spawnChild } from "./spawn_child.ts";
import { type DeviceFilter, type HostStep, type NetworkSetup, type Owner, type Undo } from "./step.ts";

/** Where struct statx has the type of a file, and its mode (statx(2)). */
const STX_MODE = 28;

/** What the executor needs from the parts of dhow above it. */
export interface Surroundings {
  /** Writes an undo down, durably, before this returns. */
  record(undo: Undo): void;
  /** Makes a network's bridge and rules, if they are not there. */
  makeNetwork(setup: NetworkSetup): Promise<void>;
  /** Writes what the container's name server reads. */
  publishNames(): Promise<void>;
  /** Descriptors that are to stay open as long as the container runs. */
  readonly sockets: readonly number[];
  /** The child's terminal is open: `fd` is this process's descriptor of its master. */
  terminalOpened(fd: number): void;
}

/** A container's first process, while its program runs. */
export interface RunningChild {
  readonly pid: number;
  /** Sends it a signal; does nothing once it has ended (pidfd_send_signal(2): never to another process with its pid). */
  readonly signal: (signal: number) => void;
  /** Resolves when it has ended and was reaped. @throws {DhowError} when its program could not be executed */
  readonly ended: Promise<ExitStatus>;
}

/** A container whose output and end a monitor keeps. */
export interface DetachedChild {
  readonly process: ProcessIdentity;
  readonly monitor: ProcessIdentity;
  /** To be called when it is written down that the container runs: the monitor may go on. */
  readonly begin: () => void;
  /** Ends both, when that cannot be written down. */
  readonly abandon: () => Promise<void>;
}

/** One start of a container: what has come of its steps so far. */
export class Execution {
  #child: { pid: number; pidfd: number; program: ChildProgram; exit: Promise<ExitStatus> } | undefined;
  #handshake: Handshake | undefined;
  #monitor: Monitor | undefined;
  #init: InitStart | undefined;
  #held: HeldTrees | undefined;
  /** What serves the root, if that is not the kernel. */
  #server: ProcessIdentity | undefined;
  /** Attached until the child has ended. */
  readonly #loops = new LoopDevices();

  constructor(readonly around: Surroundings) {}

  async perform(step: Exclude<HostStep, FileStep>): Promise<void> {
    switch (step.do) {
      case "attach-loops":
        return this.#loops.attach(step.files);
      case "hold-trees": {
        const { HeldTrees } = await import("./held_trees.ts");
        this.#held = new HeldTrees();
        return this.#held.hold(step.trees, this.#loops);
      }
      case "mount-fuse-overlay": {
        const { mountFuseOverlay } = await import("./fuse_overlay.ts");
        const { HeldTrees } = await import("./held_trees.ts");
        const record = (process: ProcessIdentity) =>
          this.around.record({ undo: "end-fuse-overlay", ...process });
        const { fd, process } = await mountFuseOverlay(step.overlay, record);
        this.#server = process;
        this.#held ??= new HeldTrees();
        return this.#held.keep(step.name, fd);
      }
      case "start-child":
        return await this.#startChild(step);
      case "map-ids": {
        await this.#awaitChild();
        const { pid } = this.#started();
        const map = (mappings: typeof step.uids) =>
          mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
        Deno.writeTextFileSync(`/proc/${pid}/uid_map`, map(step.uids));
        Deno.writeTextFileSync(`/proc/${pid}/gid_map`, map(step.gids));
        this.#held?.mapIds(pid);
        return this.#handshake?.letGo();
      }
      case "filter-devices":
        return await this.#filterDevices(step);
      case "make-network":
        return await this.around.makeNetwork(step.setup);
      case "ip":
      case "join-bridge":
      case "reflect":
        return await makeLinks(step, this.#started().pid);
      case "connect-user": {
        const { connectUser } = await import("./user_network.ts");
        const record = (process: ProcessIdentity) => this.around.record({ undo: "kill", ...process });
        return await connectUser(step, this.#started(), record);
      }
      case "serve-names": {
        await this.around.publishNames();
        const { serveNames } = await import("./names/start.ts");
        const record = (process: ProcessIdentity) =>
          this.around.record({ undo: "kill", ...process, isNameServer: true });
        return await serveNames(step, this.#started(), record);
      }
      case "release-child":
        if (step.reports) {
          await this.#awaitChild();
          this.#takeTerminal();
          if (step.restricts !== undefined) await this.#restrict(step.restricts);
        }
        this.#held?.letGo();
        return this.#handshake?.letGo();
    }
  }

  async #startChild(step: Extract<HostStep, { do: "start-child" }>): Promise<void> {
    const handshake = this.#handshake = new Handshake();
    if (step.monitor !== undefined) {
      const { Monitor } = await import("./monitored.ts");
      this.#monitor = new Monitor(step.monitor, this.around.sockets);
    }
    const program = step.steps.find((each) => each.op === "execute");
    if (program !== undefined) {
      const init = program.init ? (await import("./init_program.ts")).initProgram : undefined;
      this.#init = new InitStart(program, init);
    }
    using partners = await openPartners(step);
    if (step.user !== undefined) {
      const { input, output, errors } = this.#monitor?.streams ?? { input: 0, output: 1, errors: 2 };
      givePipes([input, output, errors].filter((fd) => fd !== undefined), step.user);
    }
    const { ready, go } = handshake;
    const meeting = {
      ready,
      go,
      streams: this.#monitor?.streams,
      init: this.#init?.init,
      partners,
      held: this.#held,
    };
    const steps = this.#loops.inPlaceOfFiles(step.steps);
    const { program: child, addSteps } = beginChild(
      steps,
      meeting,
      () => handshake.letGo(),
      childStopsAfter(),
    );
    const kin = { monitor: this.#monitor, partners };
    const { pid, ended } = await spawnChild(child.table, step.namespaces, handshake, kin, addSteps);
    handshake.childStarted();
    this.#init?.handedOver();
    try {
      // The child waits for a byte that only comes after this is written down, and ends if this process ends before.
      this.#child = { pid, pidfd: libcCall("pidfd_open", pid, 0), program: child, exit: ended };
      const monitor = this.#monitor?.identity;
      if (monitor !== undefined) this.around.record({ undo: "kill", ...monitor });
      this.around.record({ undo: "kill", ...identify(pid), isContainer: true });
    } catch (error) {
      // it may have failed, and be gone, already
      throw child.failure === undefined ? error : explainChildFailure(child, await ended);
    }
  }

  /** Keeps a child from devices that it has needed itself. */
  async #restrict(how: NonNullable<Extract<HostStep, { do: "release-child" }>["restricts"]>): Promise<void> {
    if ("do" in how) return await this.#filterDevices(how);
    for (const setting of how.settings) writeSetting(how.path, setting);
  }

  async #filterDevices({ path, rules }: DeviceFilter): Promise<void> {
    const { filterDevices } = await import("./device_filter.ts");
    filterDevices(path, rules);
  }

  #started() {
    if (this.#child === undefined) throw new Error("start-child must come first");
    return this.#child;
  }

  /** Waits until the child says that it waits; throws its error if it ended instead. */
  async #awaitChild(): Promise<void> {
    const { program, exit } = this.#started();
    if (await this.#handshake?.childWaits()) return;
    throw explainChildFailure(program, await exit);
  }

  #takeTerminal(): void {
    const { pidfd, program } = this.#started();
    if (program.terminal === undefined) return;
    const master = libcCall("pidfd_getfd", pidfd, program.terminal.result, 0);
    this.#monitor?.terminalOpened(master);
    this.around.terminalOpened(master);
  }

  running(): RunningChild {
    const { pid, pidfd, program, exit } = this.#started();
    if (childStopsAfter() === undefined) this.#handshake?.close();
    else this.#awaitChild().catch(() => {}); // fault injection: it may still stop after its release
    const ended = exit.then(async (status) => {
      this.#loops.detach();
      await this.#endServer();
      if (program.failure !== undefined) throw explainChildFailure(program, status);
      const failure = await this.#init?.failureThatEnded();
      if (failure !== undefined) throw failure;
      return status;
    }).finally(() => this.#init?.close());
    ended.catch(() => {}); // reported by who waits for it, which may be later
    return { pid, signal: (signal) => signalProcess(pidfd, signal), ended };
  }

  /** Waits until the container has become its program. */
  async detached(): Promise<DetachedChild> {
    const { pid, pidfd, program, exit } = this.#started();
    const monitor = this.#monitor;
    if (monitor === undefined) throw new Error("the plan has no monitor");
    const process = identify(pid);
    if (childStopsAfter() !== undefined) this.#awaitChild().catch(() => {}); // as for one in the foreground
    await monitor.settled();
    if (program.failure !== undefined) throw explainChildFailure(program, await exit);
    const identity = monitor.assertStarted();
    const failure = await this.#init?.failure();
    if (failure !== undefined) throw failure;
    this.#handshake?.close();
    this.#loops.detach();
    return {
      process,
      monitor: identity,
      begin: () => {
        monitor.begin();
        libcCall("close", pidfd);
        monitor.close();
        this.#init?.close();
      },
      abandon: () => this.abandon(),
    };
  }

  /** Why the child has ended by itself, if it has. */
  childFailure(): DhowError | undefined {
    const program = this.#child?.program;
    return program?.failure === undefined ? undefined : explainChildFailure(program, { code: 1 });
  }

  /** After a failed step: the child, which waits, sees its pipe closed and ends. */
  async abandon(): Promise<void> {
    this.#handshake?.close();
    if (this.#child !== undefined) {
      signalProcess(this.#child.pidfd, SIGNALS.SIGKILL);
      await this.#child.exit;
    }
    if (this.#monitor !== undefined) {
      const { identity } = this.#monitor;
      if (identity !== undefined) {
        tryLibcCall([ESRCH], "kill", identity.pid, SIGNALS.SIGKILL);
        await waitForExit(identity.pid);
      }
      this.#monitor.close();
    }
    this.#init?.close();
    this.#held?.letGo();
    this.#loops.detach();
    await this.#endServer();
  }

  /** Its mount has gone with the child: nobody else may have the writable layer before it has ended. */
  async #endServer(): Promise<void> {
    if (this.#server === undefined) return;
    const { endServer } = await import("./fuse_overlay.ts");
    await endServer(this.#server);
    this.#server = undefined;
  }
}

/** A pipe that is somebody else's could not be opened once more as /dev/stdout; docker gives them away, too. Files stay whose they are. */
function givePipes(fds: readonly number[], { uid, gid }: Owner): void {
  const arena = new Arena(4096);
  try {
    const table = new CallTable(arena, fds.length);
    const modes = fds.map((fd) => {
      const status = arena.allocate(256); // struct statx
      // one that is closed has a mode of 0
      table.call("statx", [fd, "", AT_EMPTY_PATH, STATX_TYPE, status], { tolerate: [EBADF] });
      return status + STX_MODE;
    });
    table.run();
    fds.forEach((fd, index) => {
      const isPipe = (arena.int(modes[index]!) & S_IFMT) === S_IFIFO;
      if (isPipe) tryLibcCall([EPERM, EINVAL], "fchown", fd, uid, gid);
    });
  } finally {
    arena.release();
  }
}

function signalProcess(pidfd: number, signal: number): void {
  tryLibcCall([ESRCH], "pidfd_send_signal", pidfd, signal, 0, 0);
}
