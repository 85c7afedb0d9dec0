import { resolve } from "@std/path";
import {
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  SIGNALS,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { EPIPE, ESRCH } from "../../ffi/errno.ts";
import { type ExitStatus, makePipe, type Pipe, waitForExit } from "../../ffi/process.ts";
import { type SpawnedChild, spawnJoining, spawnWalking } from "../../ffi/spawn.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";
import type { DhowError } from "../errors.ts";
import { log } from "../log.ts";
import { identify, type ProcessIdentity } from "../state/process_identity.ts";
import { type ChildProgram, compileChild, type Meeting } from "./child.ts";
import { explainChildFailure, explainHostFailure } from "./failure.ts";
import { childStopsAfter, killSelf, stepDone, stopsBetweenSteps } from "./fault.ts";
import { type FileStep, isFileStep, makeFiles } from "./files.ts";
import { runIp } from "./program.ts";
import { attachLoop, type LoopDevice } from "./loop.ts";
import type { InitStart } from "./init_start.ts";
import type { Monitor } from "./monitored.ts";
import type { Partners } from "./partners.ts";
import {
  CHILD,
  type ChildStep,
  type HostStep,
  type NamespaceKind,
  type NetworkSetup,
  type Undo,
} from "./step.ts";

const CLONE_FLAGS: Readonly<Record<NamespaceKind, number>> = {
  mount: CLONE_NEWNS,
  uts: CLONE_NEWUTS,
  ipc: CLONE_NEWIPC,
  pid: CLONE_NEWPID,
  network: CLONE_NEWNET,
  user: CLONE_NEWUSER,
};

/** What the executor needs from the parts of dhow above it. */
export interface Surroundings {
  /** Writes an undo down, durably, before this returns. */
  record(undo: Undo): void;
  /** Makes a network's bridge and rules, if they are not there. */
  makeNetwork(setup: NetworkSetup): Promise<void>;
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

/**
 * Runs the steps of a plan in their order. When one fails, the child is ended and reaped before the error is thrown;
 * the rest is for the journal to undo.
 */
export async function execute(steps: readonly HostStep[], around: Surroundings): Promise<RunningChild> {
  const execution = new Execution(around);
  await performAll(execution, steps);
  return execution.running();
}

/** The same for a container under a monitor. @throws {DhowError} also when its program could not be executed */
export async function executeDetached(
  steps: readonly HostStep[],
  around: Surroundings,
): Promise<DetachedChild> {
  const execution = new Execution(around);
  await performAll(execution, steps);
  try {
    return await execution.detached();
  } catch (error) {
    await execution.abandon();
    throw error;
  }
}

async function performAll(execution: Execution, steps: readonly HostStep[]): Promise<void> {
  try {
    for (let at = 0; at < steps.length;) {
      const step = steps[at]!;
      if (isFileStep(step)) {
        const files = stopsBetweenSteps() ? [step] : filesFrom(steps, at);
        for (const { why } of files) log.debug(why);
        makeFiles(files);
        at += files.length;
      } else {
        log.debug(step.why);
        try {
          await execution.perform(step);
        } catch (error) {
          throw explainHostFailure(step, error);
        }
        at++;
      }
      stepDone();
    }
  } catch (error) {
    // what was to be done for a child that has failed cannot be done: its own reason is the one that tells
    const reason = execution.childFailure() ?? error;
    await execution.abandon();
    throw reason;
  }
}

/** The steps from `start` on that only make files: they are made together. */
function filesFrom(steps: readonly HostStep[], start: number): FileStep[] {
  const files: FileStep[] = [];
  for (let at = start; at < steps.length; at++) {
    const step = steps[at]!;
    if (!isFileStep(step)) break;
    files.push(step);
  }
  return files;
}

class Execution {
  #child: { pid: number; pidfd: number; program: ChildProgram; exit: Promise<ExitStatus> } | undefined;
  #pipes: { readonly ready: Pipe; readonly go: Pipe } | undefined;
  #monitor: Monitor | undefined;
  #init: InitStart | undefined;
  /** By the files that they stand for; open until the child has ended. */
  readonly #loops = new Map<string, LoopDevice>();

  constructor(readonly around: Surroundings) {}

  async perform(step: Exclude<HostStep, FileStep>): Promise<void> {
    switch (step.do) {
      case "attach-loops":
        for (const file of step.files) this.#loops.set(file, attachLoop(file));
        return;
      case "start-child":
        return await this.#startChild(step);
      case "map-ids": {
        await this.#awaitChild();
        const { pid } = this.#started();
        const map = (mappings: typeof step.uids) =>
          mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
        Deno.writeTextFileSync(`/proc/${pid}/uid_map`, map(step.uids));
        Deno.writeTextFileSync(`/proc/${pid}/gid_map`, map(step.gids));
        return this.#letGo();
      }
      case "make-network":
        return await this.around.makeNetwork(step.setup);
      case "ip": {
        const { pid } = this.#started();
        const commands = step.commands.map((command) => command.replaceAll(CHILD, String(pid)));
        return await runIp(commands, `cannot ${step.why}`, step.namespace === "container" ? pid : undefined);
      }
      case "release-child":
        if (step.reports) {
          await this.#awaitChild();
          this.#takeTerminal();
        } else {
          // signals that came meanwhile are heard of now, not when the program is there to be given them
          await new Promise((resolve) => setTimeout(resolve));
        }
        return this.#letGo();
    }
  }

  async #startChild(step: Extract<HostStep, { do: "start-child" }>): Promise<void> {
    const ready = makePipe();
    const go = makePipe();
    this.#pipes = { ready, go };
    if (step.monitor !== undefined) {
      const { Monitor } = await import("./monitored.ts");
      this.#monitor = new Monitor(step.monitor);
    }
    const program = step.steps.find((each) => each.op === "execute");
    if (program?.init === true) this.#init = new (await import("./init_start.ts")).InitStart(program);
    using partners = await openPartners(step);
    const meeting = { ready, go, streams: this.#monitor?.streams, init: this.#init?.init, partners };
    const child = compileChild(this.#withLoops(step.steps), meeting, childStopsAfter());
    const flags = step.namespaces.reduce((bits, kind) => bits | CLONE_FLAGS[kind], 0);
    const { pid, ended } = await this.#spawn(child, flags, meeting, partners);
    libcCall("close", go.reader);
    this.#init?.handedOver();
    try {
      // The child waits for a byte that only comes after this is written down, and ends if this process ends before.
      this.#child = { pid, pidfd: libcCall("pidfd_open", pid, 0), program: child, exit: ended };
      const monitor = this.#monitor?.identity;
      if (monitor !== undefined) this.around.record({ undo: "kill", ...monitor });
      this.around.record({ undo: "kill", ...identify(pid) });
    } catch (error) {
      // it may have failed, and be gone, already
      throw child.failure === undefined ? error : explainChildFailure(child, await ended);
    }
  }

  async #spawn(
    program: ChildProgram,
    flags: number,
    meeting: Meeting,
    partners: Partners | undefined,
  ): Promise<SpawnedChild> {
    const { ready } = meeting;
    const pidNamespace = partners?.pidNamespace;
    try {
      if (this.#monitor !== undefined) {
        return startMonitored(this.#monitor, program, flags, meeting, pidNamespace);
      }
      return pidNamespace === undefined
        ? spawnWalking(program.table, flags, ready)
        : await spawnJoining(program.table, flags, ready, pidNamespace);
    } catch (error) {
      throw partners?.explain(error) ?? error;
    }
  }

  /** The child's steps, with loop devices in place of the files that they stand for. */
  #withLoops(steps: readonly ChildStep[]): readonly ChildStep[] {
    if (this.#loops.size === 0) return steps;
    return steps.map((step) => {
      if (step.op !== "mount-index") return step;
      const device = (file: string) => this.#loops.get(resolve(step.folder, file))?.path ?? file;
      return { ...step, index: device(step.index), devices: step.devices.map(device) };
    });
  }

  #detachLoops(): void {
    for (const loop of this.#loops.values()) loop[Symbol.dispose]();
    this.#loops.clear();
  }

  #started() {
    if (this.#child === undefined) throw new Error("start-child must come first");
    return this.#child;
  }

  /** Waits until the child says that it waits; throws its error if it ended instead. */
  async #awaitChild(): Promise<void> {
    const { program, exit } = this.#started();
    const arena = new Arena(4096);
    try {
      const byte = arena.allocate(1);
      const table = new CallTable(arena, 1);
      const read = table.call("read", [this.#pipes?.ready.reader ?? -1, byte, 1]);
      await table.runBlocking();
      if (read.result === 1) {
        if (arena.bytes[byte - arena.address] === "!".charCodeAt(0)) killSelf();
        return;
      }
    } finally {
      arena.release();
    }
    throw explainChildFailure(program, await exit);
  }

  #letGo(): void {
    // EPIPE: it has failed, and tells why by its end
    tryLibcCall([EPIPE], "write", this.#pipes?.go.writer ?? -1, "+", 1);
  }

  #takeTerminal(): void {
    const { pidfd, program } = this.#started();
    if (program.terminal === undefined) return;
    const master = libcCall("pidfd_getfd", pidfd, program.terminal.result, 0);
    this.#monitor?.terminalOpened(master);
    this.around.terminalOpened(master);
  }

  #closePipes(): void {
    if (this.#pipes === undefined) return;
    libcCall("close", this.#pipes.ready.reader);
    libcCall("close", this.#pipes.go.writer);
    this.#pipes = undefined;
  }

  running(): RunningChild {
    const { pid, pidfd, program, exit } = this.#started();
    if (childStopsAfter() === undefined) this.#closePipes();
    else this.#awaitChild().catch(() => {}); // fault injection: it may still stop after its release
    const ended = exit.then(async (status) => {
      this.#detachLoops();
      if (program.failure !== undefined) throw explainChildFailure(program, status);
      const failure = await this.#init?.failureThatEnded();
      if (failure !== undefined) throw failure;
      return status;
    }).finally(() => this.#init?.close());
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
    this.#closePipes();
    this.#detachLoops();
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
    this.#closePipes();
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
    this.#detachLoops();
  }
}

/** The containers whose namespaces the child joins; undefined when it joins none. */
async function openPartners(
  { joins = [], steps }: Extract<HostStep, { do: "start-child" }>,
): Promise<Partners | undefined> {
  if (joins.length === 0) return undefined;
  const partners = new (await import("./partners.ts")).Partners(joins);
  try {
    for (const step of steps) {
      if (step.op === "take-shared-memory") await partners.openSharedMemory(step.container);
    }
  } catch (error) {
    partners[Symbol.dispose]();
    throw error;
  }
  return partners;
}

/** The child's end is the monitor's to see: this one only tells when it has become its program, or has failed to. */
function startMonitored(
  monitor: Monitor,
  { table }: ChildProgram,
  flags: number,
  meeting: { ready: Pipe; go: Pipe },
  pidNamespace: number | undefined,
): SpawnedChild {
  const pid = monitor.start(table, flags, meeting, pidNamespace);
  return { pid, ended: monitor.settled().then(() => ({ code: 1 })) };
}

function signalProcess(pidfd: number, signal: number): void {
  tryLibcCall([ESRCH], "pidfd_send_signal", pidfd, signal, 0, 0);
}
