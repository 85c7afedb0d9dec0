/**
 * By which names containers find each other: each that is in a network that a user made has a name server of its own
 * (src/plan/names/server.ts), which reads the zones of its networks. Who comes to a network, leaves it, or gets another name, writes its
 * zone anew.
 */
import {
  containerFolder,
  forgetContainerNames,
  forgetZone,
  namesFolder,
  publishContainer,
  publishZone,
  removeIfEmpty,
  zoneFolder,
} from "../network/names/publish.ts";
import { serversOf } from "../network/name_servers.ts";
import { askedServers } from "../network/names/servers.ts";
import { type NamedEndpoint, zoneFiles } from "../network/names/zone.ts";
import { withNetworkLock } from "../network/lock.ts";
import { DEFAULT_NETWORK, type Endpoint, NAMED } from "../network/network.ts";
import { networkRow } from "../network/records.ts";
import { formatAddress } from "../network/subnet.ts";
import type { HostStep } from "../plan/step.ts";
import { NAME_SERVER_ADDRESS, SERVER_USER } from "../plan/names/layout.ts";
import type { Database } from "../state/database.ts";
import { containerRun, type Paths } from "../state/paths.ts";
import { readConfiguration, readIfThere } from "../state/read.ts";
import type { RunOptions } from "./options.ts";

type Step = Extract<HostStep, { do: "serve-names" }>;

/** Whether containers are found by names in a network: in docker's default one they are not. */
const hasNames = (network: string) => network !== DEFAULT_NETWORK;

/** Whether a container with these places has a name server. */
export function isNamed(endpoints: readonly Endpoint[]): boolean {
  return endpoints.some(({ network }) => hasNames(network.name));
}

/** What a container asks, and in which order its own server asks others: none for one that is to reach nobody outside. */
function serversFor(options: RunOptions, endpoints: readonly Endpoint[]) {
  const asked = askedServers(readConfiguration("/etc/resolv.conf") ?? "", options.dns);
  return endpoints.every(({ network }) => network.internal) ? { ...asked, servers: [] } : asked;
}

/** Options for the container's resolv.conf(5): a name without dots is looked for as it is, first. */
export function namedOptions(options: RunOptions): RunOptions {
  const own = options.dnsOptions.some((option) => option.startsWith("ndots:")) ? [] : ["ndots:0"];
  return { ...options, dns: [NAME_SERVER_ADDRESS.join(".")], dnsOptions: [...options.dnsOptions, ...own] };
}

/** Those that a container reaches by itself. */
function reachableServers(dns: readonly string[]): readonly string[] {
  if (dns.length > 0) return dns;
  return serversOf(readConfiguration("/etc/resolv.conf") ?? "").filter((server) => !/^127\.|:/.test(server));
}

/**
 * The step that starts a container's name server.
 * @param known others in its networks, for a script, which has no server
 */
export function nameStep(
  paths: Paths,
  id: string,
  options: RunOptions,
  endpoints: readonly Endpoint[],
  runFolder: string,
  known: Step["instead"]["names"] = [],
): Step {
  return {
    do: "serve-names",
    why: "answer its questions for names of containers",
    root: namesFolder(paths.run),
    folder: containerFolder(id),
    asksFrom: serversFor(options, endpoints).asksFrom,
    user: SERVER_USER,
    instead: {
      hosts: `${runFolder}/etc/hosts`,
      names: known,
      resolvConf: `${runFolder}/etc/resolv.conf`,
      servers: reachableServers(options.dns),
    },
  };
}

/** Writes what a container's name server reads, and has others find the container. To be called when its places are on record. */
export async function publishNames(
  { database, paths }: { readonly database: Database; readonly paths: Paths },
  id: string,
  options: RunOptions,
  endpoints: readonly Endpoint[],
): Promise<void> {
  const folder = namesFolder(paths.run);
  await withNetworkLock(paths, () => {
    const networks = endpoints.map(({ network }) => network.name).filter(hasNames);
    for (const network of networks) publishZoneOf(database, folder, network);
    const ids = networks.flatMap((network) => networkRow(database, network)?.id ?? []);
    publishContainer(folder, id, ids, serversFor(options, endpoints).servers);
  });
}

/** Whether a running container has a name server: what it asks is written down last. */
export function hasNameServer(paths: Paths, id: string): boolean {
  const text = readIfThere(`${containerRun(paths, id)}/etc/resolv.conf`) ?? "";
  return serversOf(text).includes(NAME_SERVER_ADDRESS.join("."));
}

/**
 * Has nobody find a running container in a network that it leaves, nor find others there.
 * @param rest its places in other networks
 */
export async function withdrawNames(
  { database, paths }: { readonly database: Database; readonly paths: Paths },
  id: string,
  options: RunOptions,
  network: string,
  rest: readonly Endpoint[],
): Promise<void> {
  if (hasNameServer(paths, id)) await publishNames({ database, paths }, id, options, rest);
  if (!hasNames(network)) return;
  await withNetworkLock(paths, () => publishZoneOf(database, namesFolder(paths.run), network));
}

/**
 * Writes down that the zones of a container's networks do not know its name yet. To be called in the transaction that changes it: whoever
 * comes after a command that was killed then writes them.
 */
export function markRenamed(database: Database, id: string): void {
  const sql = "UPDATE endpoints SET named = ? WHERE container = ? AND named = ? AND network <> ?";
  database.run(sql, NAMED.anew, id, NAMED.yes, DEFAULT_NETWORK);
}

/** Writes such zones, if there are some. */
export async function publishRenamed(database: Database, paths: Paths): Promise<void> {
  if (database.get("SELECT 1 FROM endpoints WHERE named = ? LIMIT 1", NAMED.anew) === undefined) return;
  await withNetworkLock(paths, () =>
    // nobody gets yet another name in between
    database.transaction(() => {
      const networks = database.all<{ network: string }>(
        "SELECT DISTINCT network FROM endpoints WHERE named = ?",
        NAMED.anew,
      );
      for (const { network } of networks) publishZoneOf(database, namesFolder(paths.run), network);
      database.run("UPDATE endpoints SET named = ? WHERE named = ?", NAMED.yes, NAMED.anew);
    }));
}

/**
 * Has nobody find a container any more.
 * @param networks that it was in
 */
export async function forgetNames(
  database: Database,
  paths: Paths,
  id: string,
  networks: readonly string[],
): Promise<void> {
  const folder = namesFolder(paths.run);
  await withNetworkLock(paths, () => {
    // on record, as others may leave at the same time, and write the same zones
    database.run("UPDATE endpoints SET named = ? WHERE container = ?", NAMED.noMore, id);
    for (const network of networks.filter(hasNames)) publishZoneOf(database, folder, network);
    forgetContainerNames(folder, id);
    removeIfEmpty(folder);
  });
}

function publishZoneOf(database: Database, folder: string, network: string): void {
  const row = networkRow(database, network);
  if (row === undefined) return; // it was removed by force
  const members = namedMembers(database, network);
  if (members.length === 0) {
    forgetZone(folder, row.id);
    return;
  }
  publishZone(zoneFolder(folder, row.id), () => zoneFiles(network, members));
}

/** All that are to be found in a network, with their names: the first is the container's own. */
export function namedMembers(database: Database, network: string): (NamedEndpoint & { container: string })[] {
  const rows = database.all<{
    container: string;
    name: string;
    address: number;
    address6: string | null;
    aliases: string | null;
  }>(
    `SELECT container, name, address, address6, (
       SELECT json_extract(value, '$.aliases') FROM json_each(config, '$.options.networks')
         WHERE json_extract(value, '$.network') = network) AS aliases
     FROM endpoints JOIN containers ON id = container WHERE network = ? AND named <> ? ORDER BY container`,
    network,
    NAMED.noMore,
  );
  return rows.map(({ container, name, address, address6, aliases }) => ({
    container,
    names: [name, container.slice(0, 12), ...JSON.parse(aliases ?? "[]") as string[]],
    address: formatAddress(address),
    ...(address6 === null ? {} : { address6 }),
  }));
}
