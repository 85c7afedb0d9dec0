/** One look at the health of a container: a command in it, which is not given for ever. */
import { Arena } from "../../ffi/arena.ts";
import { ESRCH } from "../../ffi/errno.ts";
import { poll } from "../../ffi/poll.ts";
import { exitCode, makePipe, type Pipe } from "../../ffi/process.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import { formatDuration } from "../duration.ts";
import { DhowError } from "../errors.ts";
import type { Probing } from "../image/healthcheck.ts";
import { Freezers } from "../limits/freezer.ts";
import { JoinedProgram } from "../plan/joined.ts";
import type { Database } from "../state/database.ts";
import { explain, openFirstProcess, prepareJoin } from "./exec.ts";
import { type ProbeResult, probingIn, recordProbe } from "./health.ts";
import { changedSignals, openFilesLimit } from "./host.ts";
import { ProcessTree } from "./process_tree.ts";
import { cgroupOf, type ContainerRecord, STOPPED } from "./records.ts";

/** Bytes of output that are kept, as in docker. */
const KEPT = 4096;
const BUFFER = 64 << 10;

/** What is still in a pipe when the program has ended is read; but others may write to it, for ever. */
const LAST_READS = 16;

/** How long to wait for the end of what was killed, in milliseconds. */
const KILLED_WITHIN = 10_000;
const LOOK_AGAIN = 20;

/** Looks whether a container is healthy, and writes it down; does nothing once somebody has asked it to end. */
export async function checkHealth(database: Database, container: ContainerRecord): Promise<void> {
  const probing = probingIn(container);
  if (probing === undefined || container.stopped === STOPPED.forGood) return;
  const result = await probe(database, container, probing);
  if (result !== undefined) recordProbe(database, container, result, probing);
}

/**
 * Runs a container's health check once, and ends what takes too long, with all that it has started.
 * @returns undefined when there is nothing to be learnt, because the container stands still
 */
async function probe(
  database: Database,
  container: ContainerRecord,
  probing: Probing,
): Promise<ProbeResult | undefined> {
  const start = Date.now();
  const deadline = performance.now() + probing.timeout / 1e6;
  const frozen = () => new Freezers().isFrozen(cgroupOf(container));
  if (frozen()) return undefined;
  const pipe = makePipe();
  try {
    const { code, output } = await execute(database, container, probing, { pipe, deadline, frozen });
    if (code === undefined && frozen()) return undefined;
    const end = Date.now();
    if (code !== undefined) return { start, end, exitCode: code, output };
    const late = `Health check exceeded timeout (${formatDuration(probing.timeout)})`;
    return { start, end, exitCode: -1, output: output === "" ? late : `${late}: ${output}` };
  } catch (error) {
    if (!(error instanceof DhowError)) throw error;
    return { start, end: Date.now(), exitCode: -1, output: error.message.slice(0, KEPT) };
  } finally {
    libcCall("close", pipe.reader);
  }
}

/** Where the program writes to, and when and how it has to end. */
interface Conditions {
  readonly pipe: Pipe;
  /** Of performance.now. */
  readonly deadline: number;
  /** Whether the container stands still. */
  readonly frozen: () => boolean;
}

/** @returns its exit code, undefined if it had to be killed; and what it has written */
async function execute(
  database: Database,
  container: ContainerRecord,
  { command }: Probing,
  { pipe, deadline, frozen }: Conditions,
): Promise<{ code: number | undefined; output: string }> {
  let program: JoinedProgram;
  let setup;
  try {
    using process = openFirstProcess(container);
    const { pid } = process.identity;
    setup = {
      ...await prepareJoin(database, container, optionsOf(command), { pid, size: NO_TERMINAL }),
      leash: true,
    };
    program = new JoinedProgram(setup, {
      container: process.fd,
      without: [0],
      output: pipe.writer,
      changedSignals: changedSignals(),
      openFiles: openFilesLimit(pid),
      limits: container.config.options.rlimits ?? [],
    });
  } finally {
    libcCall("close", pipe.writer);
  }
  let hasEnded = false;
  const ended = program.ended.then((status) => {
    hasEnded = true;
    return exitCode(status);
  });
  using output = new Output(pipe.reader);
  using keeper = new Descriptor(tryLibcCall([ESRCH], "pidfd_open", program.keeper, 0));
  const time = () => deadline - performance.now();
  const isTold = (await poll([program.report], time())).size > 0;
  const failure = isTold ? program.started(() => {}) : undefined;
  if (failure !== undefined) {
    await ended;
    throw await explain(failure, setup, container);
  }
  while (!hasEnded && time() > 0) {
    if (keeper.fd < 0) await ended;
    const ready = await poll([...output.fds, keeper.fd], time());
    if (ready.has(pipe.reader)) output.read();
    if (ready.has(keeper.fd)) await ended;
  }
  if (hasEnded) return { code: await ended, output: await output.rest() };
  const tree = new ProcessTree(program.keeper);
  tree.kill();
  // what cannot be killed now will be when it can
  program.letGo();
  if (!frozen()) await killed(tree, () => hasEnded);
  return { code: undefined, output: await output.rest() };
}

const NO_TERMINAL = { rows: 0, columns: 0 };

const optionsOf = (command: readonly string[]) => ({
  command,
  interactive: false,
  terminal: false,
  detach: false,
  env: [],
  workingDir: undefined,
  user: undefined,
  privileged: false,
});

/** Waits until nothing is left of what was killed: not for ever, because what waits for a disk does not end. */
async function killed(tree: ProcessTree, hasEnded: () => boolean): Promise<void> {
  const deadline = performance.now() + KILLED_WITHIN;
  while ((tree.kill() || !hasEnded()) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
  }
}

class Descriptor implements Disposable {
  constructor(readonly fd: number) {}

  [Symbol.dispose](): void {
    if (this.fd >= 0) libcCall("close", this.fd);
  }
}

/** What comes through a pipe: the first bytes of it. */
class Output implements Disposable {
  readonly #arena = new Arena(BUFFER);
  readonly #kept = new Uint8Array(KEPT);
  #size = 0;
  #isCut = false;
  #isOpen = true;

  constructor(readonly fd: number) {}

  /** To be polled. */
  get fds(): readonly number[] {
    return this.#isOpen ? [this.fd] : [];
  }

  /** Reads what is there, or the end. */
  read(): void {
    const { address, bytes } = this.#arena;
    const count = libcCall("read", this.fd, address, BUFFER);
    const fits = Math.min(count, KEPT - this.#size);
    this.#kept.set(bytes.subarray(0, fits), this.#size);
    this.#size += fits;
    if (fits < count) this.#isCut = true;
    if (count === 0) this.#isOpen = false;
  }

  /** Reads what is there still. @returns all of it, as docker cuts it */
  async rest(): Promise<string> {
    for (let reads = 0; reads < LAST_READS && this.#isOpen; reads++) {
      if ((await poll(this.fds, 0)).size === 0) break;
      this.read();
    }
    const text = new TextDecoder().decode(this.#kept.subarray(0, this.#size));
    return this.#isCut ? `${text}...` : text;
  }

  [Symbol.dispose](): void {
    this.#arena.release();
  }
}
