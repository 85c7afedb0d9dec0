import { HostError, TakenError, UsageError } from "../errors.ts";
import { hostLinks } from "../plan/links.ts";
import { readConfiguration, readIfThere } from "../state/read.ts";
import type { Database } from "../state/database.ts";
import { serversOf } from "./name_servers.ts";
import { BRIDGE_PREFIX, DEFAULT_NETWORK, type Endpoint, linkName, NAMED, type Network } from "./network.ts";
import { networkOf, type NetworkRow, networkRow } from "./records.ts";
import { hardwareAddress } from "./steps.ts";
import {
  contains,
  formatAddress,
  formatSubnet,
  freeSubnet,
  gatewayOf,
  lastOf,
  nextAddress,
  overlaps,
  parseAddress,
  parseSubnet,
  routedSubnets,
  SHARED_RANGE,
  type Subnet,
  triedSubnets,
} from "./subnet.ts";

/** The host's name servers, each as a range of its own: those of clouds and VPNs lie in 100.64.0.0/10, without a route. */
function nameServers(): Subnet[] {
  const servers = serversOf(readConfiguration("/etc/resolv.conf") ?? "");
  return servers.flatMap((server) => {
    const first = parseAddress(server);
    return first === undefined ? [] : [{ first, prefix: 32 }];
  });
}

/** What containers can get no addresses of: what the host routes, its name servers, and other networks. */
export function usedSubnets(database: Database, exceptFor: string): Subnet[] {
  // other networks leave the usual range to the default one
  const usual = exceptFor === DEFAULT_NETWORK ? [] : [freeSubnet([])!];
  const rows = database.all<{ subnet: string }>(
    "SELECT subnet FROM networks WHERE name <> ? AND subnet <> ''",
    exceptFor,
  );
  return [...usedByHost(), ...usual, ...rows.map(({ subnet }) => parseSubnet(subnet))];
}

/** What dhow does not choose of itself. A user may: there are reasons for a route of some table that is within another one's. */
export function usedByHost(): Subnet[] {
  const tables = triedSubnets(readIfThere("/proc/thread-self/net/fib_trie") ?? "");
  return [...hostSubnets(), ...tables, ...(isInSharedRange() ? [SHARED_RANGE] : [])];
}

/**
 * Whether somebody else gives this host addresses of the shared range. Tailscale drops what comes from there by other links than its own:
 * the host would not have answers of its containers.
 */
function isInSharedRange(): boolean {
  return Deno.networkInterfaces().some(({ name, family, address }) =>
    family === "IPv4" && !name.startsWith(BRIDGE_PREFIX) && contains(SHARED_RANGE, parseAddress(address)!)
  );
}

export function hostSubnets(): Subnet[] {
  return [...routedSubnets(Deno.readTextFileSync("/proc/thread-self/net/route")), ...nameServers()];
}

/** @throws {HostError} when all that dhow could choose is used */
export function unusedSubnet(used: readonly Subnet[]): Subnet {
  const subnet = freeSubnet(used);
  if (subnet !== undefined) return subnet;
  throw new HostError({
    what: "cannot choose addresses for containers",
    why:
      "this host routes every range that dhow could take: in 100.100.0.0/16, 10.100.0.0/16 and 172.30.0.0/16",
    hint: "make a network with a --subnet of your choice, or run with --network none or --network host",
  });
}

/**
 * A bridge name and a range that this host does not use yet.
 * @throws {HostError} when it routes all that dhow could choose
 */
function unusedNetwork(
  used: readonly Subnet[],
): { bridge: string; subnet: Subnet; instead: Subnet | undefined } {
  const subnet = unusedSubnet(used);
  const links = hostLinks();
  let number = 0;
  while (links.includes(`dhow${number}`)) number++;
  const usual = freeSubnet([]) as Subnet;
  const instead = subnet.first === usual.first ? undefined : used.find((route) => overlaps(route, usual));
  return { bridge: `dhow${number}`, subnet, instead };
}

/** Whether a network is there, or about to be: then its range stays what it is. */
export function isInUse(database: Database, row: NetworkRow): boolean {
  return row.made !== null ||
    database.get("SELECT 1 FROM endpoints WHERE network = ? LIMIT 1", row.name) !== undefined;
}

/**
 * Settles the default network: a bridge name and a range that this host does not use. While the network is in use or still made, both stay.
 * @param notice called with a sentence when the usual range is taken
 */
export function settleDefault(database: Database, notice: (text: string) => void): NetworkRow {
  const existing = networkRow(database, DEFAULT_NETWORK)!;
  if (isInUse(database, existing)) return existing;
  const { bridge, subnet, instead } = unusedNetwork(usedSubnets(database, DEFAULT_NETWORK));
  if (instead !== undefined) {
    notice(
      `the host routes ${formatSubnet(instead)} already: containers get addresses of ${formatSubnet(subnet)}`,
    );
  }
  const text = formatSubnet(subnet);
  if (existing.bridge !== bridge || existing.subnet !== text) {
    database.run("UPDATE networks SET bridge = ?, subnet = ? WHERE name = ?", bridge, text, DEFAULT_NETWORK);
  }
  return { ...existing, bridge, subnet: text };
}

/**
 * Gives a container an address of the default network that no other has. Must run inside the transaction that makes the container's row.
 *
 * @param wanted the address given with --ip
 * @throws {TakenError} when another container has it
 * @throws {UsageError} when it is not an address of the network
 * @throws {HostError} when there is none left
 */
export function allocateEndpoint(
  database: Database,
  containerId: string,
  wanted: string | undefined,
  notice: (text: string) => void,
): Endpoint {
  const row = settleDefault(database, notice);
  const network = networkOf(row);
  const address = takeAddress(database, row, network, wanted);
  const endpoint = {
    network,
    address,
    hardwareAddress: hardwareAddress(address),
    interface: "eth0",
    link: linkName(containerId),
  };
  return recordEndpoint(database, containerId, endpoint, wanted !== undefined);
}

/**
 * Writes down that a container has a place in a network.
 * @param isChosen whether the user has chosen its address: then the next one is not the one after it
 */
export function recordEndpoint(
  database: Database,
  containerId: string,
  endpoint: Endpoint,
  isChosen: boolean,
): Endpoint {
  const { network, address, address6 = null, hardwareAddress: hardware, interface: name } = endpoint;
  database.run(
    "INSERT INTO endpoints (container, network, address, address6, hardware, number) VALUES (?, ?, ?, ?, ?, ?)",
    containerId,
    network.name,
    address,
    address6,
    hardware,
    Number(name.slice("eth".length)),
  );
  if (!isChosen) {
    database.run("UPDATE networks SET last_address = ? WHERE name = ?", address, network.name);
  }
  return endpoint;
}

interface EndpointRow {
  readonly container: string;
  readonly network: string;
  readonly address: number;
  readonly address6: string | null;
  readonly hardware: string;
  readonly number: number;
}

/** A container's places in networks, in the order of its links. */
export function endpointsOf(database: Database, containerId: string): Endpoint[] {
  const rows = database.all<EndpointRow>(
    "SELECT * FROM endpoints WHERE container = ? ORDER BY number",
    containerId,
  );
  return rows.map((row) => endpointOf(row, networkOf(networkRow(database, row.network)!)));
}

/** The same, without networks that it is about to leave: nothing is to lead to it there. */
export function reachableEndpointsOf(database: Database, containerId: string): Endpoint[] {
  const leaving = database.all<{ network: string }>(
    "SELECT network FROM endpoints WHERE container = ? AND named = ?",
    containerId,
    NAMED.noMore,
  );
  return endpointsOf(database, containerId)
    .filter(({ network: { name } }) => !leaving.some(({ network }) => network === name));
}

function endpointOf(
  { container, address, address6, hardware, number }: EndpointRow,
  network: Network,
): Endpoint {
  return {
    network,
    address,
    ...(address6 === null ? {} : { address6 }),
    hardwareAddress: hardware,
    interface: `eth${number}`,
    link: network.driver === "bridge" ? linkName(container, number) : "",
  };
}

/** Who is in a network, by their containers. */
export function membersOf(database: Database, network: Network): { container: string; endpoint: Endpoint }[] {
  const rows = database.all<EndpointRow>("SELECT * FROM endpoints WHERE network = ?", network.name);
  return rows.map((row) => ({ container: row.container, endpoint: endpointOf(row, network) }));
}

/**
 * An address of a network that no container has.
 * @param wanted undefined for any
 * @param reserved those that are not for containers
 */
export function takeAddress(
  database: Database,
  { name, last_address }: NetworkRow,
  { subnet, gateway }: Network,
  wanted: string | undefined,
  { range, reserved = [] }: { readonly range?: Subnet | undefined; readonly reserved?: readonly number[] } =
    {},
): number {
  const taken = new Set(
    database.all<{ address: number }>("SELECT address FROM endpoints WHERE network = ?", name)
      .map(({ address }) => address),
  );
  if (wanted !== undefined) return checkWanted(subnet, gateway, wanted, new Set([...taken, ...reserved]));
  const address = nextAddress(subnet, last_address, new Set([...taken, gateway, ...reserved]), range);
  if (address !== undefined) return address;
  throw new HostError({
    what: "cannot give the container an address",
    why: `all ${taken.size} of ${formatSubnet(range ?? subnet)} are taken`,
    hint: "end a container, or run with --network none or --network host",
  });
}

/** An endpoint on a bridge that does not exist yet, for explain: nothing is taken. */
export function imagineEndpoint(containerId: string, wanted: string | undefined): Endpoint {
  const { bridge, subnet } = unusedNetwork(usedByHost());
  const gateway = gatewayOf(subnet);
  const address = wanted === undefined ? gateway + 1 : checkWanted(subnet, gateway, wanted, new Set());
  return {
    network: {
      name: DEFAULT_NETWORK,
      driver: "bridge",
      bridge,
      subnet,
      gateway,
      internal: false,
      masquerade: true,
      masquerade6: true,
    },
    address,
    hardwareAddress: hardwareAddress(address),
    interface: "eth0",
    link: linkName(containerId),
  };
}

function checkWanted(subnet: Subnet, gateway: number, wanted: string, taken: ReadonlySet<number>): number {
  const address = parseAddress(wanted);
  const [lowest, highest] = [subnet.first + 1, lastOf(subnet) - 1];
  const usable = address !== undefined && address >= lowest && address <= highest && address !== gateway;
  if (!usable) {
    const first = gateway === lowest ? lowest + 1 : lowest;
    throw new UsageError({
      what: `cannot use the address ${JSON.stringify(wanted)}`,
      why: `the network has ${formatAddress(first)} to ${formatAddress(highest)}` +
        (address === gateway && gateway !== lowest ? `, without its gateway ${formatAddress(gateway)}` : ""),
    });
  }
  if (taken.has(address)) {
    throw new TakenError({
      what: `cannot use the address ${wanted}`,
      why: "another container has it, or it is kept from them all",
      hint: "leave out --ip to get a free one",
    });
  }
  return address;
}
