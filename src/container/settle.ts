/** What is to be done when a container with a monitor has ended, or its start was given up. */
import { join } from "@std/path";
import { networksOf } from "../network/records.ts";
import { stepDone } from "../plan/fault.ts";
import { removeTree } from "../plan/undo.ts";
import { EXIT_LOG_SIZE, EXIT_SIGINFO, EXIT_SIZE } from "../plan/monitor_layout.ts";
import type { Database } from "../state/database.ts";
import { containerState, type Paths } from "../state/paths.ts";
import {
  bootId,
  identify,
  isAlive,
  isSame,
  isSelf,
  type ProcessIdentity,
} from "../state/process_identity.ts";
import { carryOutJournal } from "./journal.ts";
import { leaveNetworksBehind } from "./keeper.ts";
import { startSleeper } from "./later.ts";
import { getContainer, lookUpContainer, NOBODY } from "./records.ts";
import { restartDelay } from "./restart.ts";
import { forgetContainer } from "./volume_records.ts";
import { removeOrphans } from "./volumes.ts";

/** The exit code that docker gives when it does not know. */
const UNKNOWN_EXIT_CODE = 255;

/** How a container's run ended, as its monitor has seen it. */
export interface EndRecord {
  /** In milliseconds since 1970. */
  readonly finished: number;
  /** The exit code, or 128 + the signal that ended it. */
  readonly exitCode: number;
}

/** The file in which the monitor writes that down, and the log. */
export const exitPath = (paths: Paths, id: string) => join(containerState(paths, id), "exit");
export const logPath = (paths: Paths, id: string) => join(containerState(paths, id), "log");

/** @returns undefined when nobody was there to see it */
export function readEnd(paths: Paths, id: string): EndRecord | undefined {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Deno.readFileSync(exitPath(paths, id));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return parseEnd(bytes);
}

/** A monitor's exit file, held open: so what is in it can be read also when the container has been removed at its end. */
export class ExitFile implements Disposable {
  readonly #file: Deno.FsFile;

  /** @throws {Deno.errors.NotFound} when the container was never started, or is gone */
  constructor(paths: Paths, id: string) {
    this.#file = Deno.openSync(exitPath(paths, id));
  }

  /** @returns undefined when nobody was there to see the end, or there was none yet */
  read(): EndRecord | undefined {
    const bytes = new Uint8Array(EXIT_SIZE);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    return parseEnd(bytes.subarray(0, this.#file.readSync(bytes) ?? 0));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** @param bytes what the monitor's exit file has */
function parseEnd(bytes: Uint8Array<ArrayBuffer>): EndRecord | undefined {
  if (bytes.length < EXIT_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const finished = Number(view.getBigInt64(0, true)) * 1000 +
    Math.floor(Number(view.getBigInt64(8, true)) / 1e6);
  // siginfo_t: si_code after two ints; si_status after si_pid and si_uid (waitid(2))
  const CLD_EXITED = 1;
  const code = view.getInt32(EXIT_SIGINFO + 8, true);
  const status = view.getInt32(EXIT_SIGINFO + 24, true);
  if (view.getBigInt64(EXIT_LOG_SIZE, true) < 0n || code < 1) return undefined;
  return { finished, exitCode: code === CLD_EXITED ? status : 128 + status };
}

interface Context {
  readonly database: Database;
  readonly paths: Paths;
  /** This dhow's own command line, without a command. */
  readonly ownCommand: readonly string[];
}

/** What it takes to leave a network as well. */
export interface EndContext extends Context {
  /** This dhow's own command line for `recover`. */
  readonly recoverCommand: readonly string[];
}

/** An owner that has only taken a container over to clean up after another: not for as long as it lives. */
interface Cleaner extends ProcessIdentity {
  readonly cleans: true;
}

export const isCleaner = (owner: ProcessIdentity): owner is Cleaner => "cleans" in owner;

/** A monitor that settles its container's end, having become a dhow: not to be disturbed. */
interface Settler extends ProcessIdentity {
  readonly settles: true;
}

/**
 * Takes over a container whose owner has ended, or has no more to do than to have it settled; so that nobody else cleans up after
 * it, or starts it, meanwhile.
 * @param from the owner
 * @param to who is it from now on
 * @returns whether it could be taken over; if not, somebody else has
 */
function takeOver(database: Database, id: string, from: ProcessIdentity, to: Cleaner | Settler): boolean {
  return database.transaction(() => {
    const owner = lookUpContainer(database, id)?.owner;
    if (owner === null || owner === undefined || !isSame(owner, from)) return false;
    if (("settles" in owner || isCleaner(owner)) && isAlive(owner)) return false;
    database.run("UPDATE containers SET owner = ? WHERE id = ?", JSON.stringify(to), id);
    return true;
  });
}

const cleaner = (): Cleaner => ({ ...identify(Deno.pid), cleans: true });

/** Settles a container's end, as what its monitor has become; unless another command has taken that over. */
export async function settleAsMonitor(context: EndContext, id: string): Promise<void> {
  const self = identify(Deno.pid);
  if (takeOver(context.database, id, self, { ...self, settles: true })) await settleEnd(context, id);
}

/**
 * Settles a container's end in the place of its monitor, which would start another dhow for that. Does nothing if it has done so.
 * @param owner the monitor, which has written down how the container ended
 */
export async function settleForMonitor(
  context: EndContext,
  id: string,
  owner: ProcessIdentity,
): Promise<void> {
  if (!takeOver(context.database, id, owner, cleaner())) return;
  stepDone();
  await orGiveBack(context, id, owner, () => settleEnd(context, id));
}

async function settleEnd(context: EndContext, id: string): Promise<void> {
  const { database, recoverCommand } = context;
  const networks = networksOf(database, id);
  await settle(context, id, { quick: true, mayRestart: true });
  leaveNetworksBehind(database, networks, recoverCommand);
}

/** If that fails, the next command tries it as well, however long this one lives. */
async function orGiveBack(
  { database }: Context,
  id: string,
  owner: ProcessIdentity,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    database.run("UPDATE containers SET owner = ? WHERE id = ?", JSON.stringify(owner), id);
    throw error;
  }
}

/** Settles a container whose owner was killed; see settle. Returns when that is done, whoever does it. */
export async function settleAfter(context: Context, id: string, dead: ProcessIdentity): Promise<void> {
  const isOfThisBoot = dead.bootId === bootId();
  if (takeOver(context.database, id, dead, cleaner())) {
    stepDone();
    const how = { quick: false, mayRestart: isOfThisBoot };
    return await orGiveBack(context, id, dead, () => settle(context, id, how));
  }
  await awaitCleaner(context.database, id);
}

const LOOK_AGAIN_MS = 5;

/** Waits while another command cleans up after a container. */
export async function awaitCleaner(database: Database, id: string): Promise<void> {
  while (true) {
    const owner = lookUpContainer(database, id)?.owner;
    if (owner === null || owner === undefined || !isCleaner(owner) || isSelf(owner) || !isAlive(owner)) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/**
 * Takes back what a run of a container has made, and writes down how it ended; removes it, or has it started again, if that was
 * wanted. To be called by its owner.
 * @param quick it ended by itself; see carryOut
 * @param mayRestart whether its restart policy is asked
 * @throws {HostError} when not all could be taken back: then it is to be tried again
 */
export async function settle(
  context: Context,
  id: string,
  { quick, mayRestart }: { readonly quick: boolean; readonly mayRestart: boolean },
): Promise<void> {
  const { database, paths } = context;
  await carryOutJournal(database, paths, id, { quick });
  stepDone();
  const removes = database.transaction(() => {
    const record = lookUpContainer(database, id);
    if (record === undefined) return false;
    database.run("DELETE FROM endpoints WHERE container = ?", id);
    // before it is removed: whoever watches is told the exit code
    if (record.status === "running") writeEnd(database, id, readEnd(paths, id));
    if (record.config.options.remove) {
      forgetContainer(database, id, { withVolumes: true });
      return true;
    }
    database.run("UPDATE containers SET owner = ?, undo = '[]', name_server = NULL WHERE id = ?", NOBODY, id);
    if (record.status !== "created") database.run("UPDATE containers SET status = 'exited' WHERE id = ?", id);
    // another one was not up: a start of it was killed, or what wrote into its files
    const wasUp = record.status === "running" || record.status === "restarting";
    if (mayRestart && wasUp) restartLater(context, id, record.status === "restarting");
    return false;
  });
  stepDone();
  // without its row, recovery would remove it as well
  if (!removes) return;
  removeTree(containerState(paths, id));
  removeOrphans(database, paths);
}

/**
 * Leaves a container that has ended to a process that starts it again, if its policy says so.
 * @param isWaiting whether there was such a process already, which was killed: the restart is still the same one
 */
function restartLater({ database, ownCommand }: Context, id: string, isWaiting: boolean): void {
  const record = getContainer(database, id);
  const { finished, exitCode, restartDelay: last } = record;
  const restarts = record.restarts + (isWaiting ? 0 : 1);
  const wanted = restartDelay({ ...record, restarts: restarts - 1 }, {
    finished: finished ?? Date.now(),
    exitCode: exitCode ?? UNKNOWN_EXIT_CODE,
  });
  if (wanted === undefined) return;
  const delay = isWaiting ? last : wanted;
  const sleeper = startSleeper(delay, [...ownCommand, "resume", id]);
  database.run(
    "UPDATE containers SET status = 'restarting', owner = ?, restarts = ?, restart_delay = ? WHERE id = ?",
    JSON.stringify(sleeper),
    restarts,
    delay,
    id,
  );
}

function writeEnd(database: Database, id: string, end: EndRecord | undefined): void {
  database.run(
    "UPDATE containers SET status = 'exited', process = NULL, finished = ?, exit_code = ?, error = ? WHERE id = ?",
    end?.finished ?? Date.now(),
    end?.exitCode ?? UNKNOWN_EXIT_CODE,
    end === undefined ? "nobody saw how it ended: its monitor was killed, or the machine stopped" : null,
    id,
  );
}
