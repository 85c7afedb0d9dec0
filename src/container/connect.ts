/** Containers that come to networks, and leave them, while they run. */
import { DhowError, messagesOf, UsageError } from "../errors.ts";
import { allocateEndpoints, MOST_NETWORKS, resolveAttachments } from "../network/attach.ts";
import { endpointsOf } from "../network/endpoints.ts";
import { forwardsInto, networksWithPorts } from "../network/forwards.ts";
import { portsOf } from "../network/published.ts";
import { makeNetwork, renewRules } from "../network/lifecycle.ts";
import { type Attachment, DEFAULT_NETWORK, type Endpoint, NAMED } from "../network/network.ts";
import { findNetwork, type NetworkRow, networksOf } from "../network/records.ts";
import { connectSteps, disconnectCommands } from "../network/steps.ts";
import { formatAddress } from "../network/subnet.ts";
import { isUserNetwork } from "../network/user_network.ts";
import { stepDone } from "../plan/fault.ts";
import { explainHostFailure } from "../plan/failure.ts";
import { linksOf, makeLinks, reflect } from "../plan/links.ts";
import { runIp } from "../plan/program.ts";
import type { HostStep } from "../plan/step.ts";
import { deleteLink } from "../plan/undo.ts";
import type { Database } from "../state/database.ts";
import { containerRun, type Paths } from "../state/paths.ts";
import { identify, isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { readIfThere } from "../state/read.ts";
import { log } from "../log.ts";
import { etcFiles } from "./host.ts";
import { recordUndo } from "./journal.ts";
import { leaveNetworksBehind } from "./keeper.ts";
import { forgetNames, hasNameServer, namedOptions, publishNames, withdrawNames } from "./naming.ts";
import { attachmentsOf, joinedContainer, type RunOptions } from "./options.ts";
import { type ContainerRecord, getContainer, isRunning, lookUpContainer } from "./records.ts";
import type { RunContext } from "./run.ts";

type Context = Pick<RunContext, "database" | "paths" | "recoverCommand">;

/**
 * Connects a container to one more network: at once if it runs, else from its next start on.
 * @throws {DhowError} in docker's words
 */
export async function connectContainer(context: Context, id: string, wanted: Attachment): Promise<void> {
  const { database } = context;
  const plan = database.transaction(() => {
    const record = getContainer(database, id);
    const { options } = record.config;
    refuseShared(options, findNetwork(database, wanted.network));
    const [attachment] = resolveAttachments(database, [wanted]);
    const { network } = attachment!;
    if (attachmentsOf(options).some((other) => other.network === network)) {
      throw new DhowError({
        what: `endpoint with name ${record.name} already exists in network ${network}`,
        why: "the container is in it",
      });
    }
    refuseTooMany(options);
    if (!mayChange(database, record)) {
      setAttachments(database, id, options, [...attachmentsOf(options), attachment!]);
      return undefined;
    }
    const owner = ownerOf(database, id, network);
    if (owner !== undefined) {
      throw owner === null ? cannotChange(network, "it is there already") : atWork(network);
    }
    const ports = portsOf(database, id);
    const before = endpointsOf(database, id);
    allocateEndpoints(database, id, [attachment!], (text) => log.info(text));
    const all = endpointsOf(database, id);
    const endpoint = all.find((place) => place.network.name === network);
    setOwner(database, id, network, JSON.stringify(identify(Deno.pid)));
    if (endpoint!.link !== "") recordUndo(database, id, { undo: "delete-link", link: endpoint!.link });
    const networks = networksWithPorts(ports, all);
    if (ports.length > 0) recordUndo(database, id, { undo: "unpublish-ports", networks });
    const changed = [...new Set([...networksWithPorts(ports, before), ...networks])];
    return { attachment: attachment!, endpoint: endpoint!, all, ports, changed, pid: record.process!.pid };
  });
  stepDone();
  if (plan === undefined) return;
  const { attachment, endpoint, all, ports, changed, pid } = plan;
  try {
    for (const step of connectSteps([endpoint], all, ports)) {
      await perform(context, step, pid);
      stepDone();
    }
    await renewRules(database, context.paths, changed);
    // which names it has there is read from there
    database.transaction(() => {
      const { options } = getContainer(database, id).config;
      setAttachments(database, id, options, [...attachmentsOf(options), attachment]);
    });
    stepDone();
    writeOwnAddress(context.paths, getContainer(database, id), endpoint, true);
    await joinNames(context, id, attachment.network);
    giveUpOwnership(database, id, attachment.network);
  } catch (error) {
    await leave(context, id, endpoint, pid);
    forgetAttachment(database, id, attachment.network);
    const record = lookUpContainer(database, id);
    if (record === undefined || !isRunning(record)) await forgetNames(database, context.paths, id, []);
    throw error;
  }
  stepDone();
}

/** The process on record that works on a place, null for none; undefined when there is no such place. */
function ownerOf(database: Database, id: string, network: string): string | null | undefined {
  const sql = "SELECT owner FROM endpoints WHERE container = ? AND network = ?";
  return database.get<{ owner: string | null }>(sql, id, network)?.owner;
}

function cannotChange(network: string, why: string): DhowError {
  return new DhowError({
    what: `cannot change the container's place in network ${network}`,
    why,
    hint: "try again",
  });
}

/** Another command connects or disconnects the same. */
const atWork = (network: string) => cannotChange(network, "another command is at it");

/** @throws {UsageError} when one more would be too many */
function refuseTooMany(options: RunOptions): void {
  if (attachmentsOf(options).length < MOST_NETWORKS) return;
  throw new UsageError({
    what: "cannot connect the container",
    why: `it is in ${MOST_NETWORKS} networks, and can be in no more`,
  });
}

/** It is not to be in a network any more. */
function forgetAttachment(database: Database, id: string, network: string): void {
  database.transaction(() => {
    const record = lookUpContainer(database, id);
    if (record === undefined) return;
    const { options } = record.config;
    const attachments = attachmentsOf(options);
    const rest = attachments.filter((other) => other.network !== network);
    if (rest.length < attachments.length) setAttachments(database, id, options, rest);
  });
}

/** Has the container found by its names in a network, and find others. */
async function joinNames(context: Context, id: string, network: string): Promise<void> {
  const { database, paths } = context;
  const { options } = getContainer(database, id).config;
  const hasServer = hasNameServer(paths, id);
  if (network !== DEFAULT_NETWORK) recordUndo(database, id, { undo: "forget-names", networks: [network] });
  else if (!hasServer) return;
  const endpoints = endpointsOf(database, id);
  // one that is there may also ask others now
  await publishNames(context, id, options, endpoints);
  if (network === DEFAULT_NETWORK) return;
  stepDone();
  // the one that it has had may have been killed while nobody had use for it
  await (await import("./name_server.ts")).startNameServer(context, id);
  if (hasServer) return;
  const path = "/etc/resolv.conf" as const;
  const text = etcFiles("", namedOptions(options), endpoints)[path];
  // in place: the container has this very file mounted
  Deno.writeTextFileSync(containerRun(paths, id) + path, text, { create: false });
}

/**
 * Takes a container out of a network: at once if it runs.
 * @param wanted the network, by name or id
 * @param isForced whether it is no error that the container is not in it
 */
export async function disconnectContainer(
  context: Context,
  id: string,
  wanted: string,
  isForced: boolean,
): Promise<void> {
  const { database } = context;
  const plan = database.transaction(() => {
    const record = getContainer(database, id);
    const { options } = record.config;
    const network = findNetwork(database, wanted);
    refuseShared(options, network);
    const attachments = attachmentsOf(options);
    const rest = attachments.filter((other) => other.network !== network.name);
    if (rest.length === attachments.length) {
      if (isForced) return undefined;
      throw new DhowError({
        what: "cannot disconnect the container",
        why: `container ${id} is not connected to network ${network.name}`,
      });
    }
    const isUp = mayChange(database, record);
    const endpoint = endpointsOf(database, id).find((other) => other.network.name === network.name);
    if (isUp && ownerOf(database, id, network.name)) throw atWork(network.name);
    setAttachments(database, id, options, rest);
    if (!isUp || endpoint === undefined) return undefined;
    setOwner(database, id, network.name, JSON.stringify(identify(Deno.pid)));
    return { endpoint, pid: record.process!.pid };
  });
  stepDone();
  if (plan === undefined) return;
  await leave(context, id, plan.endpoint, plan.pid);
}

/** Finishes what a command has left half done that was killed while it connected or disconnected a running container. */
export async function finishConnections(context: Context): Promise<void> {
  const { database } = context;
  const rows = database.all<{ container: string; network: string; owner: string }>(
    "SELECT container, network, owner FROM endpoints WHERE owner IS NOT NULL",
  );
  for (const { container, network, owner } of rows) {
    if (isAlive(JSON.parse(owner) as ProcessIdentity)) continue;
    if (!takeOver(database, container, network, owner)) continue; // another command has
    const endpoint = endpointsOf(database, container).find((one) => one.network.name === network);
    const pid = lookUpContainer(database, container)?.process?.pid;
    if (endpoint !== undefined) await leave(context, container, endpoint, pid);
    forgetAttachment(database, container, network);
  }
}

/** @returns whether this process is the one that finishes it now */
function takeOver(database: Database, container: string, network: string, from: string): boolean {
  return database.transaction(() => {
    if (ownerOf(database, container, network) !== from) return false;
    setOwner(database, container, network, JSON.stringify(identify(Deno.pid)));
    return true;
  });
}

/** It is done, unless somebody else has taken it over. */
function giveUpOwnership(database: Database, id: string, network: string): void {
  database.run(
    "UPDATE endpoints SET owner = NULL WHERE container = ? AND network = ? AND owner = ?",
    id,
    network,
    JSON.stringify(identify(Deno.pid)),
  );
}

/** Takes a place away, as far as it is there. */
async function leave(
  { database, paths, recoverCommand }: Context,
  id: string,
  endpoint: Endpoint,
  pid: number | undefined,
): Promise<void> {
  const { name } = endpoint.network;
  const all = endpointsOf(database, id);
  const rest = all.filter(({ network }) => network.name !== name);
  const isLinked = pid !== undefined && linksOf(pid).includes(endpoint.interface);
  const commands = disconnectCommands(endpoint, rest, isLinked);
  if (endpoint.link !== "") await deleteLink(endpoint.link);
  stepDone();
  const record = lookUpContainer(database, id);
  if (pid !== undefined && record !== undefined && isRunning(record) && commands.length > 0) {
    const what = `cannot take the container out of network ${name}`;
    await runIp(commands, what, pid).catch((error) => {
      // it has ended meanwhile, and its network with it
      if (isAlive(record.process)) log.warn(messagesOf(error).join("; "));
    });
  }
  stepDone();
  // nobody is to find it there any more, nor is it to find others, before its address is somebody else's
  const sql = "UPDATE endpoints SET named = ? WHERE container = ? AND network = ?";
  database.run(sql, NAMED.noMore, id, name);
  if (record !== undefined) {
    await withdrawNames({ database, paths }, id, record.config.options, name, rest);
    writeOwnAddress(paths, record, endpoint, false);
  }
  stepDone();
  const ports = portsOf(database, id);
  if (ports.length > 0) {
    recordUndo(database, id, { undo: "unpublish-ports", networks: networksWithPorts(ports, rest) });
  }
  const reflecting = rest.filter(({ network }) => networksWithPorts(ports, rest).includes(network.name));
  await reflect(reflecting.map(({ link }) => link), "cannot lead the container's ports to itself");
  const changed = [...new Set([...networksWithPorts(ports, all), ...networksWithPorts(ports, rest)])];
  await renewRules(database, paths, changed, forwardsInto(name, ports, all));
  stepDone();
  // last: if this is killed before, the next command does all of it
  database.run("DELETE FROM endpoints WHERE container = ? AND network = ?", id, name);
  stepDone();
  leaveNetworksBehind(database, [name], recoverCommand);
}

async function perform({ database, paths }: Context, step: HostStep, pid: number): Promise<void> {
  if (step.do === "make-network") return await makeNetwork(database, paths, step.setup);
  if (step.do !== "ip" && step.do !== "join-bridge" && step.do !== "reflect") {
    throw new Error(`a running container needs no ${step.do}`);
  }
  try {
    await makeLinks(step, pid);
  } catch (error) {
    throw explainHostFailure(step, error);
  }
}

/**
 * Whether it runs, so that its links are to be changed.
 * @throws {DhowError} while another command starts it or cleans up after it
 */
function mayChange(database: Database, record: ContainerRecord): boolean {
  if (isRunning(record)) return true;
  const isIdle = record.owner === null || record.status === "restarting";
  if (isIdle && networksOf(database, record.id).length === 0) return false;
  throw new DhowError({
    what: `cannot change the networks of container ${record.id.slice(0, 12)}`,
    why: "another command is at it",
    hint: "try again",
  });
}

/** @throws {DhowError} in docker's words (runconfig/errors.go) */
function refuseShared({ network: mode }: RunOptions, { name }: NetworkRow): void {
  const wrong = (why: string) => new DhowError({ what: "cannot change the container's networks", why });
  if (isUserNetwork(mode)) throw wrong(`an ordinary user's container has ${mode}, and no others`);
  if (joinedContainer(mode) !== undefined || mode === "host") {
    throw wrong(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  }
  if (name === "host") {
    throw wrong("container cannot be disconnected from host network or connected to host network");
  }
  if (name === "none") {
    throw wrong(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
}

/** One that is in no network has --network none. */
function setAttachments(
  database: Database,
  id: string,
  options: RunOptions,
  attachments: readonly Attachment[],
): void {
  const { networks: _, address: __, ...others } = options;
  const [first, ...more] = attachments;
  const isPlain = first?.network === DEFAULT_NETWORK && more.length === 0 &&
    Object.keys(first).every((key) => key === "network" || key === "address");
  const changed = {
    ...others,
    network: attachments.length === 0 ? "none" : "bridge",
    address: isPlain ? first?.address : undefined,
    ...(attachments.length === 0 || isPlain ? {} : { networks: attachments }),
  };
  database.run(
    "UPDATE containers SET config = json_set(config, '$.options', json(?)) WHERE id = ?",
    JSON.stringify(changed),
    id,
  );
}

function setOwner(database: Database, id: string, network: string, owner: string | null): void {
  database.run("UPDATE endpoints SET owner = ? WHERE container = ? AND network = ?", owner, id, network);
}

/** The line of its own /etc/hosts with the container's address in a network. */
function writeOwnAddress(
  paths: Paths,
  { id, config }: ContainerRecord,
  { address, address6 }: Endpoint,
  isThere: boolean,
): void {
  const path = `${containerRun(paths, id)}/etc/hosts`;
  const text = readIfThere(path);
  if (text === undefined) return; // it has ended
  const own = [formatAddress(address), ...(address6 === undefined ? [] : [address6])];
  const others = text.split("\n").filter((line) => !own.includes(line.split("\t")[0]!));
  const name = config.options.hostname ?? id.slice(0, 12);
  const lines = isThere ? [...others.slice(0, -1), ...own.map((one) => `${one}\t${name}`), ""] : others;
  // in place: the container has this very file mounted
  Deno.writeTextFileSync(path, lines.join("\n"), { create: false });
}
