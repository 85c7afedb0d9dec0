import { exitCode, type ExitStatus } from "../../ffi/process.ts";
import { ImageError, messagesOf, MissingTargetError } from "../errors.ts";
import { log } from "../log.ts";
import type { HeldPorts } from "../network/held_ports.ts";
import type { Endpoint } from "../network/network.ts";
import { execute } from "../plan/execute.ts";
import { networksOf } from "../network/records.ts";
import { stepDone } from "../plan/fault.ts";
import type { Plan } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import type { Paths } from "../state/paths.ts";
import { identify } from "../state/process_identity.ts";
import { isRootless } from "../state/user_namespace.ts";
import { ownParents, recordUndo, undoAll } from "./journal.ts";
import type { ForegroundProber } from "./foreground_prober.ts";
import { makeConfig } from "./records.ts";
import { type Attaching, networking, networkParts, takePlaces, withNetworks } from "./places.ts";
import { leaveNetworksBehind } from "./keeper.ts";
import type { ResolvedImage } from "./image.ts";
import { newId, settleName } from "./names.ts";
import { hasOwnIds, isLimited, joinsOthers, publishes, type RunOptions } from "./options.ts";
import type { IdMethod } from "../plan/step.ts";
import { type Naming, prepare } from "./prepare.ts";
import { type Security, securityOf } from "./security.ts";
import { claimVolumeMounts, claimVolumes, hasVolumes, registerVolumes } from "./volume_records.ts";
import { SignalForwarder } from "./signals.ts";
import type { RawTerminal, TerminalRelay } from "./terminal.ts";
import { driverOf } from "./user_namespace.ts";

export interface RunContext {
  readonly database: Database;
  readonly paths: Paths;
  /** This dhow's own command line, without a command; and the one for `recover`. */
  readonly ownCommand: readonly string[];
  readonly recoverCommand: readonly string[];
  /** For an ordinary user's new containers: see chooseDriver. */
  readonly wantsFuse?: boolean | undefined;
}

/**
 * Runs a container in the foreground, from taking its name to removing its last folder.
 * @param announce told its id, once it is on record
 * @returns the exit code of its program, or 128 + the signal that ended it
 * @throws {DhowError} when it cannot be started; nothing of it is left then
 */
export async function runContainer(
  context: RunContext,
  given: RunOptions,
  image: ResolvedImage,
  announce: (id: string) => void = () => {},
): Promise<number> {
  const { database, paths } = context;
  const wanted = isRootless()
    ? await (await import("./rootless.ts")).withPossibleForUser(given, context)
    : given;
  const limiting = isLimited(wanted) ? await import("./limiting.ts") : undefined;
  const options = limiting?.withPossibleLimits(wanted) ?? wanted;
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
    const joining = joinsOthers(options) ? await import("./joins.ts") : undefined;
    const { attaching, naming } = await networkParts(options);
    const volumesFrom = options.volumesFrom.length > 0 ? await import("./volumes_from.ts") : undefined;
    const security = await securityOf(options);
    const owning = hasOwnIds(options) ? await import("./own_ids.ts") : undefined;
    const idMethod = await owning?.chooseMethod(context);
    const publishing = publishes(options) ? await import("./publish.ts") : undefined;
    const parts = {
      joining,
      attaching,
      naming,
      publishing,
      volumesFrom,
      limiting,
      security,
      owning,
      idMethod,
    };
    const { plan, held, endpoints } = register(context, id, options, image, parts);
    stepDone();
    announce(id);
    let status: ExitStatus | undefined;
    let terminal: RawTerminal | undefined;
    let prober: Promise<ForegroundProber | undefined> | undefined;
    try {
      if (hasVolumes(database, id)) {
        const { fillVolumes } = await import("./volume_fill.ts");
        await fillVolumes(database, paths, id, image);
        const { mountVolumes } = await import("./volume_mounts.ts");
        await mountVolumes(database, paths, id);
      }
      if (idMethod === "copy") {
        await owning!.prepareImage(context, id, image, plan);
        stepDone();
      }
      const begin = () =>
        execute(plan.steps, {
          record: (undo) => recordUndo(database, id, undo),
          makeNetwork: async (setup) => await (await networking()).makeNetwork(database, paths, setup),
          publishNames: async () => await naming?.publishNames(context, id, options, endpoints),
          sockets: held?.sockets ?? [],
          terminalOpened: (master) => {
            relay = new terminals!.TerminalRelay(master);
            relay.copySize();
            if (options.interactive) terminal = new terminals!.RawTerminal();
          },
        });
      const beginAgain = async (error: unknown) => {
        if (!(error instanceof MissingTargetError)) throw error;
        const { makeMissingTargets } = await import("./missing_targets.ts");
        await makeMissingTargets(paths, id, image, plan, driverOf(options));
        return await begin();
      };
      const child = await begin().catch(beginAgain);
      log.debug("wait for the program's end");
      // signals that came while it was made are heard of now, and not as ones for the program, which has only begun
      await new Promise((resolve) => setTimeout(resolve));
      signals.begin(child);
      if (options.healthcheck !== undefined || image.config.healthcheck !== undefined) {
        prober = beginProbing(context, id);
      }
      const failed = (error: unknown) => log.warn(`the terminal failed: ${error}`);
      const output = relay?.output(() => signals.outputLost()).catch(failed);
      if (options.interactive) relay?.input().catch(failed);
      status = await child.ended.catch(async (error) => {
        // one that nothing of dhow's was to wait for tells only now that it has failed
        const again = await beginAgain(error);
        signals.begin(again);
        return await again.ended;
      });
      await output;
    } finally {
      await (await prober)?.stop();
      try {
        terminal?.restore();
      } catch (error) {
        log.warn(`cannot restore the terminal: ${error}`);
      }
      log.debug("take back all that was made");
      held?.release(); // while the ports are on record: nobody finds them free there, and taken here
      await remove(context, id, status && exitCode(status));
      log.debug("done");
    }
    return exitCode(status);
  } finally {
    signals.release();
  }
}

async function beginProbing(context: RunContext, id: string): Promise<ForegroundProber | undefined> {
  try {
    const { ForegroundProber } = await import("./foreground_prober.ts");
    return ForegroundProber.begin(context, id);
  } catch (error) {
    log.warn(`cannot check the container's health: ${error}`);
    return undefined;
  }
}

/** What a container's start begins with. */
export interface Registered {
  readonly plan: Plan;
  readonly endpoints: readonly Endpoint[];
  /** Ports of the host that are its; undefined for none. */
  readonly held: HeldPorts | undefined;
}

/** Takes a name and an address, and writes down what will have to be undone: all in one transaction, before any of it. */
function register(
  { database, paths }: RunContext,
  id: string,
  wanted: RunOptions,
  image: ResolvedImage,
  { joining, attaching, naming, publishing, volumesFrom, limiting, security, owning, idMethod }: {
    owning: typeof import("./own_ids.ts") | undefined;
    idMethod: IdMethod | undefined;
    joining: typeof import("./joins.ts") | undefined;
    attaching: Attaching;
    naming: Naming;
    publishing: typeof import("./publish.ts") | undefined;
    volumesFrom: typeof import("./volumes_from.ts") | undefined;
    limiting: typeof import("./limiting.ts") | undefined;
    security: Security;
  },
): Registered {
  return database.transaction(() => {
    const joined = joining?.resolveJoins(database, wanted) ?? wanted;
    const settled = withNetworks(database, joined, attaching);
    const options = owning?.withIds(settled, database) ?? settled;
    if (!image.isPresent()) {
      throw new ImageError({
        what: `cannot run ${JSON.stringify(options.image)}`,
        why: "it was removed or changed meanwhile",
        hint: "try again",
      });
    }
    const name = settleName(database, options.name);
    const inherited = volumesFrom?.inheritedMounts(database, options.volumesFrom);
    const { mounts } = registerVolumes(database, options.mounts, image.config.volumes, inherited);
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
    joining?.registerJoins(database, id, options);
    owning?.claimIds(database, id, options, image);
    const endpoints = takePlaces(database, id, options, attaching);
    const held = publishing?.takePorts(database, id, options, image.config.exposedPorts, endpoints);
    const partners = joining?.findPartners(database, paths, options);
    const above = options.cgroupParent === undefined ? {} : { ownParents: ownParents(database) };
    const plan = prepare({
      id,
      options,
      image,
      endpoints,
      ports: held?.ports ?? [],
      ...(naming === undefined ? {} : { naming }),
      paths,
      security,
      mounts,
      partners,
      limiting,
      idMethod,
      ...above,
    });
    const undo = [...claimVolumeMounts(database, paths, id, mounts), ...plan.undo];
    database.run("UPDATE containers SET undo = ? WHERE id = ?", JSON.stringify(undo), id);
    return { plan, held, endpoints };
  });
}

/** Takes back all that was made for the container. A failure here is reported, and never hides how the program ended. */
async function remove(
  { database, paths, recoverCommand }: RunContext,
  id: string,
  exitCode: number | undefined,
): Promise<void> {
  try {
    const networks = networksOf(database, id);
    const removed = await undoAll(database, paths, id, { quick: true, exitCode });
    if (removed.length > 0) (await import("./volumes.ts")).removeOrphans(database, paths);
    leaveNetworksBehind(database, networks, recoverCommand);
  } catch (error) {
    for (const message of messagesOf(error)) log.warn(`${message}; the next dhow command tries again`);
  }
}
