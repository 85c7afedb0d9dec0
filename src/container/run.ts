import { exitCode, type ExitStatus } from "../../ffi/process.ts";
import { ImageError, messagesOf } from "../errors.ts";
import { log } from "../log.ts";
import { allocateEndpoint, DEFAULT_NETWORK } from "../network/endpoints.ts";
import { makeNetwork } from "../network/lifecycle.ts";
import { execute } from "../plan/executor.ts";
import { stepDone } from "../plan/fault.ts";
import type { Plan } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import type { Paths } from "../state/paths.ts";
import { identify } from "../state/process_identity.ts";
import { recordUndo, undoAll } from "./journal.ts";
import { makeConfig } from "./records.ts";
import { leaveNetworkBehind } from "./keeper.ts";
import type { ResolvedImage } from "./image.ts";
import { checkName, newId, settleName } from "./names.ts";
import type { RunOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { claimVolumes, hasVolumes, registerVolumes } from "./volume_records.ts";
import { SignalForwarder } from "./signals.ts";
import type { RawTerminal, TerminalRelay } from "./terminal.ts";

export interface RunContext {
  readonly database: Database;
  readonly paths: Paths;
  /** This dhow's own command line, without a command; and the one for `recover`. */
  readonly ownCommand: readonly string[];
  readonly recoverCommand: readonly string[];
}

/**
 * Runs a container in the foreground, from taking its name to removing its last folder.
 * @param announce told its id, once it is on record
 * @returns the exit code of its program, or 128 + the signal that ended it
 * @throws {DhowError} when it cannot be started; nothing of it is left then
 */
export async function runContainer(
  context: RunContext,
  options: RunOptions,
  image: ResolvedImage,
  announce: (id: string) => void = () => {},
): Promise<number> {
  const { database, paths } = context;
  if (options.name !== undefined) checkName(options.name);
  // loaded only now: most programs need no terminal
  const terminals = options.terminal ? await import("./terminal.ts") : undefined;
  if (options.interactive) {
    terminals?.requireTerminal();
    terminals?.awaitForeground();
  }
  let relay: TerminalRelay | undefined;
  const signals = new SignalForwarder((signal) => {
    if (signal === "SIGWINCH") relay?.copySize();
    if (signal === "SIGHUP") relay?.hangUp();
  });
  const id = newId();
  try {
    log.debug("take a name and an address, write down what will have to be undone");
    const plan = register(context, id, options, image);
    stepDone();
    announce(id);
    let status: ExitStatus | undefined;
    let terminal: RawTerminal | undefined;
    try {
      if (hasVolumes(database, id)) {
        const { fillVolumes } = await import("./volume_fill.ts");
        await fillVolumes(database, paths, id, image);
      }
      const child = await execute(plan.steps, {
        record: (undo) => recordUndo(database, id, undo),
        makeNetwork: (setup) => makeNetwork(database, context.paths, setup),
        terminalOpened: (master) => {
          relay = new terminals!.TerminalRelay(master);
          relay.copySize();
          if (options.interactive) terminal = new terminals!.RawTerminal();
        },
      });
      log.debug("wait for the program's end");
      signals.begin(child);
      const failed = (error: unknown) => log.warn(`the terminal failed: ${error}`);
      const output = relay?.output(() => signals.outputLost()).catch(failed);
      if (options.interactive) relay?.input().catch(failed);
      status = await child.ended;
      await output;
    } finally {
      try {
        terminal?.restore();
      } catch (error) {
        log.warn(`cannot restore the terminal: ${error}`);
      }
      log.debug("take back all that was made");
      await remove(context, id, options, status && exitCode(status));
      log.debug("done");
    }
    return exitCode(status);
  } finally {
    signals.release();
  }
}

/** Takes a name and an address, and writes down what will have to be undone: all in one transaction, before any of it. */
function register(
  { database, paths }: RunContext,
  id: string,
  options: RunOptions,
  image: ResolvedImage,
): Plan {
  return database.transaction(() => {
    if (!image.isPresent()) {
      throw new ImageError({
        what: `cannot run ${JSON.stringify(options.image)}`,
        why: "it was removed or changed meanwhile",
        hint: "try again",
      });
    }
    const name = settleName(database, options.name);
    const { mounts } = registerVolumes(database, options.mounts, image.config.volumes);
    const owner = JSON.stringify(identify(Deno.pid));
    database.run(
      "INSERT INTO containers (id, name, image, owner, undo, config, created) VALUES (?, ?, ?, ?, '[]', ?, ?)",
      id,
      name,
      image.id,
      owner,
      JSON.stringify(makeConfig(options, image, mounts)),
      Date.now(),
    );
    claimVolumes(database, id, mounts);
    const endpoint = options.network === "bridge"
      ? allocateEndpoint(database, id, options.address, (text) => log.info(text))
      : undefined;
    const plan = prepare({ id, options, image, endpoint, paths, mounts });
    database.run("UPDATE containers SET undo = ? WHERE id = ?", JSON.stringify(plan.undo), id);
    return plan;
  });
}

/** Takes back all that was made for the container. A failure here is reported, and never hides how the program ended. */
async function remove(
  { database, paths, recoverCommand }: RunContext,
  id: string,
  options: RunOptions,
  exitCode: number | undefined,
): Promise<void> {
  try {
    const removed = await undoAll(database, id, { quick: true, exitCode });
    if (removed.length > 0) (await import("./volumes.ts")).removeOrphans(database, paths);
    if (options.network === "bridge") leaveNetworkBehind(database, DEFAULT_NETWORK, recoverCommand);
  } catch (error) {
    for (const message of messagesOf(error)) log.warn(`${message}; the next dhow command tries again`);
  }
}
