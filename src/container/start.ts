/** Containers that nobody waits for: made, started, left to their monitors. */
import { DhowError, ImageError, messagesOf, MissingTargetError } from "../errors.ts";
import { log } from "../log.ts";
import { networksOf } from "../network/records.ts";
import { executeDetached } from "../plan/execute.ts";
import type { DetachedChild } from "../plan/executor.ts";
import { stepDone } from "../plan/fault.ts";
import { hostLinks } from "../plan/links.ts";
import { deleteLink } from "../plan/undo.ts";
import type { Endpoint } from "../network/network.ts";
import type { MonitorSetup } from "../plan/step.ts";
import { identify, isSelf } from "../state/process_identity.ts";
import { isRootless } from "../state/user_namespace.ts";
import type { ResolvedImage } from "./image.ts";
import { beginHealth, probeSetup, probingIn } from "./health.ts";
import { ownParents, recordUndo } from "./journal.ts";
import { type Attaching, networking, networkParts, takePlaces, withNetworks } from "./places.ts";
import { leaveNetworksBehind } from "./keeper.ts";
import { laterEnvironment } from "./later.ts";
import { newId, settleName } from "./names.ts";
import { hasOwnIds, isLimited, joinsOthers, publishes, type RunOptions } from "./options.ts";
import type { IdMethod } from "../plan/step.ts";
import { type Naming, prepare } from "./prepare.ts";
import { type Security, securityOf } from "./security.ts";
import { type ContainerRecord, getContainer, makeConfig, NOBODY } from "./records.ts";
import type { Registered, RunContext } from "./run.ts";
import { removeContainer } from "./remove.ts";
import { exitPath, logPath, settle } from "./settle.ts";
import { findSources } from "./mount_sources.ts";
import { claimVolumeMounts, claimVolumes, hasVolumes, registerVolumes } from "./volume_records.ts";
import { driverOf } from "./user_namespace.ts";

/** Without a log there is still what `attach` and `start -a` read, in bytes: it begins anew then. */
const ATTACHED_LOG = 4 << 20;

/**
 * Puts a container on record.
 * @returns its id
 * @throws {DhowError} when its name is taken, or its image has gone meanwhile
 */
export async function createContainer(
  context: RunContext,
  given: RunOptions,
  image: ResolvedImage,
): Promise<string> {
  const { database, paths } = context;
  const id = newId();
  const wanted = isRootless()
    ? await (await import("./rootless.ts")).withPossibleForUser(given, context)
    : given;
  await securityOf(wanted); // to hear now of what is wrong with it
  const limiting = isLimited(wanted) ? await import("./limiting.ts") : undefined;
  const possible = limiting?.withPossibleLimits(wanted) ?? wanted;
  const joining = joinsOthers(wanted) ? await import("./joins.ts") : undefined;
  const attaching = wanted.networks === undefined ? undefined : await import("../network/attach.ts");
  const volumesFrom = wanted.volumesFrom.length > 0 ? await import("./volumes_from.ts") : undefined;
  const owning = hasOwnIds(wanted) ? await import("./own_ids.ts") : undefined;
  database.transaction(() => {
    assertPresent(image, wanted.image);
    const joined = joining?.resolveJoins(database, possible) ?? possible;
    const settled = withNetworks(database, joined, attaching);
    const options = owning?.withIds(settled, database) ?? settled;
    const inherited = volumesFrom?.inheritedMounts(database, options.volumesFrom);
    const { mounts } = registerVolumes(database, options.mounts, image.config.volumes, inherited);
    findSources(mounts, paths); // to hear now of those that are missing
    database.run(
      `INSERT INTO containers (id, name, image, owner, undo, status, config, created)
       VALUES (?, ?, ?, ?, '[]', 'created', ?, ?)`,
      id,
      settleName(database, options.name),
      image.id,
      NOBODY,
      JSON.stringify(makeConfig(options, image, mounts)),
      Date.now(),
    );
    claimVolumes(database, id, mounts);
    joining?.registerJoins(database, id, options);
    owning?.claimIds(database, id, options, image);
  });
  stepDone();
  try {
    await fillNewVolumes(context, id, image);
  } catch (error) {
    await removeContainer(context, getContainer(database, id), false, true);
    throw error;
  }
  return id;
}

async function fillNewVolumes(
  { database, paths }: RunContext,
  id: string,
  image: ResolvedImage,
): Promise<void> {
  if (!hasVolumes(database, id)) return;
  const { fillVolumes } = await import("./volume_fill.ts");
  await fillVolumes(database, paths, id, image);
}

function assertPresent(image: ResolvedImage, name: string): void {
  if (image.isPresent()) return;
  throw new ImageError({
    what: `cannot run ${JSON.stringify(name)}`,
    why: "it was removed or changed meanwhile",
    hint: "try again",
  });
}

/** Who stays with a container from its start on. */
export interface Audience {
  /** Its terminal is there. `master` is this process's descriptor of it, for the moment. */
  terminalOpened(master: number): void;
  /** It runs, and nothing has been taken yet of what it writes. */
  running(): void;
}

/**
 * Starts a container that does not run, and leaves it to its monitor.
 * @throws {DhowError} when it cannot be started; it stays on record then, with the reason
 */
export async function startContainer(
  context: RunContext,
  id: string,
  image: ResolvedImage,
  audience?: Audience,
): Promise<void> {
  const { database, paths } = context;
  log.debug("take an address, write down what will have to be undone");
  const { options } = getContainer(database, id).config;
  const joining = joinsOthers(options) ? await import("./joins.ts") : undefined;
  const { attaching, naming } = await networkParts(options);
  const security = await securityOf(options);
  const limiting = isLimited(options) ? await import("./limiting.ts") : undefined;
  const owning = hasOwnIds(options) ? await import("./own_ids.ts") : undefined;
  const idMethod = await owning?.chooseMethod(context, id);
  const isRead = audience !== undefined;
  const publishing = publishes(options) ? await import("./publish.ts") : undefined;
  const { plan, held, endpoints } = register(context, id, image, {
    joining,
    attaching,
    naming,
    publishing,
    limiting,
    isRead,
    security,
    idMethod,
  });
  stepDone();
  let child: DetachedChild | undefined;
  try {
    await fillNewVolumes(context, id, image); // what a create that was killed has left to do
    if (hasVolumes(database, id)) {
      const { mountVolumes } = await import("./volume_mounts.ts");
      await mountVolumes(database, paths, id);
    }
    if (idMethod === "copy") {
      await owning!.prepareImage(context, id, image, plan);
      stepDone();
    }
    await removeLinksOfBefore(endpoints);
    const begin = () =>
      executeDetached(plan.steps, {
        record: (undo) => recordUndo(database, id, undo),
        makeNetwork: async (setup) => await (await networking()).makeNetwork(database, paths, setup),
        publishNames: async () => await naming?.publishNames(context, id, options, endpoints),
        sockets: held?.sockets ?? [],
        terminalOpened: (master) => audience?.terminalOpened(master),
      });
    child = await begin().catch(async (error) => {
      if (!(error instanceof MissingTargetError)) throw error;
      const { makeMissingTargets } = await import("./missing_targets.ts");
      await makeMissingTargets(paths, id, image, plan, driverOf(options));
      return await begin();
    });
    database.run(
      `UPDATE containers SET status = 'running', owner = ?, process = ?, started = ?, finished = NULL, exit_code = NULL,
       error = NULL, oom_killed = 0 WHERE id = ?`,
      JSON.stringify(child.monitor),
      JSON.stringify(child.process),
      Date.now(),
      id,
    );
  } catch (error) {
    await child?.abandon();
    held?.release();
    await giveUp(context, id, error);
    throw error;
  }
  // the monitor has its own
  held?.release();
  stepDone();
  try {
    audience?.running();
  } finally {
    child.begin();
  }
}

/** The kernel takes away a network namespace, with what is in it, some time after the last of its processes has ended. */
async function removeLinksOfBefore(endpoints: readonly Endpoint[]): Promise<void> {
  if (endpoints.length === 0) return;
  const links = hostLinks();
  for (const { link } of endpoints) if (links.includes(link)) await deleteLink(link);
}

/** Takes back what a start has made that failed, and writes down why; to be called by the container's owner. */
export async function giveUp(context: RunContext, id: string, error: unknown): Promise<void> {
  const { database } = context;
  try {
    const networks = networksOf(database, id);
    database.run(
      "UPDATE containers SET exit_code = ?, error = ? WHERE id = ?",
      error instanceof DhowError ? error.exitCode : null,
      messagesOf(error).join("; "),
      id,
    );
    await settle(context, id, { quick: true, mayRestart: false });
    leaveNetworksBehind(database, networks, context.recoverCommand);
  } catch (failure) {
    for (const message of messagesOf(failure)) log.warn(`${message}; the next dhow command tries again`);
  }
}

interface Registration {
  /** What finds the containers that it is to join, if there are some. */
  readonly joining: typeof import("./joins.ts") | undefined;
  readonly attaching: Attaching;
  readonly naming: Naming;
  readonly publishing: typeof import("./publish.ts") | undefined;
  /** What knows its limits, if it has some. */
  readonly limiting: typeof import("./limiting.ts") | undefined;
  /** Whether somebody waits for its output. */
  readonly isRead: boolean;
  readonly security: Security;
  /** Of one with ids of its own. */
  readonly idMethod: IdMethod | undefined;
}

function register(
  context: RunContext,
  id: string,
  image: ResolvedImage,
  { joining, attaching, naming, publishing, limiting, isRead, security, idMethod }: Registration,
): Registered {
  const { database, paths } = context;
  return database.transaction(() => {
    const record = getContainer(database, id);
    const { options, mounts = [] } = record.config;
    assertPresent(image, options.image);
    assertStartable(record);
    const partners = joining?.findPartners(database, paths, options);
    const owner = JSON.stringify(identify(Deno.pid));
    database.run("UPDATE containers SET owner = ? WHERE id = ?", owner, id);
    if (record.status !== "restarting") {
      database.run("UPDATE containers SET restarts = 0, restart_delay = 0, stopped = 0 WHERE id = ?", id);
    }
    if (probingIn(record) !== undefined) beginHealth(database, id);
    const endpoints = takePlaces(database, id, options, attaching);
    const held = publishing?.takePorts(database, id, options, image.config.exposedPorts, endpoints);
    const plan = prepare({
      id,
      options,
      image,
      endpoints,
      ports: held?.ports ?? [],
      ...(naming === undefined ? {} : { naming }),
      paths,
      security,
      monitor: monitorOf(context, record, isRead),
      mounts,
      partners,
      limiting,
      idMethod,
      ...(options.cgroupParent === undefined ? {} : { ownParents: ownParents(database) }),
    });
    const undo = [...claimVolumeMounts(database, paths, id, mounts), ...plan.undo];
    database.run("UPDATE containers SET undo = ? WHERE id = ?", JSON.stringify(undo), id);
    return { plan, held, endpoints };
  });
}

/** @throws {DhowError} when it runs, or somebody else starts it */
function assertStartable({ id, owner, status }: ContainerRecord): void {
  if (owner === null || (status === "restarting" && isSelf(owner))) return;
  throw new DhowError({
    what: `cannot start container ${id.slice(0, 12)}`,
    why: "it runs, or another command is at it",
    hint: "see: dhow ps",
  });
}

function monitorOf(
  { paths, ownCommand }: RunContext,
  record: ContainerRecord,
  isRead: boolean,
): MonitorSetup {
  const { id, config } = record;
  const { terminal, interactive, log: { driver, maxSize, maxFiles } } = config.options;
  const probing = probingIn(record);
  return {
    id,
    terminal,
    keepsInput: interactive,
    log: driver === "none"
      ? { path: logPath(paths, id), size: ATTACHED_LOG, files: 1 }
      : { path: logPath(paths, id), size: maxSize ?? null, files: maxFiles },
    awaitsReader: isRead && (driver === "none" || maxSize !== undefined),
    exitPath: exitPath(paths, id),
    command: [...ownCommand, "ended", id],
    environment: laterEnvironment(),
    ...(probing === undefined ? {} : { probe: probeSetup(probing, [...ownCommand, "probe", id]) }),
  };
}
