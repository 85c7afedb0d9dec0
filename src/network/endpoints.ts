import { HostError, TakenError, UsageError } from "../errors.ts";
import { hostLinks } from "../plan/links.ts";
import { readConfiguration } from "../state/read.ts";
import type { Database } from "../state/database.ts";
import { serversOf } from "./name_servers.ts";
import { type Endpoint, linkName, type Network } from "./steps.ts";
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
  type Subnet,
} from "./subnet.ts";

/** The network that containers join unless told otherwise, under docker's name for it. */
export const DEFAULT_NETWORK = "bridge";

interface NetworkRow {
  readonly name: string;
  readonly bridge: string;
  readonly subnet: string;
  readonly last_address: number;
  readonly made: string | null;
}

export function networkOf(row: NetworkRow): Network {
  return { name: row.name, bridge: row.bridge, subnet: parseSubnet(row.subnet) };
}

export function networkRow(database: Database, name: string): NetworkRow | undefined {
  return database.get<NetworkRow>("SELECT * FROM networks WHERE name = ?", name);
}

/** How many containers use a network, or are about to. */
export function countEndpoints(database: Database, network: string): number {
  return database.get<{ n: number }>("SELECT count(*) AS n FROM endpoints WHERE network = ?", network)?.n ??
    0;
}

/** The host's name servers, each as a range of its own: those of clouds and VPNs lie in 100.64.0.0/10, without a route. */
function nameServers(): Subnet[] {
  const servers = serversOf(readConfiguration("/etc/resolv.conf") ?? "");
  return servers.flatMap((server) => {
    const first = parseAddress(server);
    return first === undefined ? [] : [{ first, prefix: 32 }];
  });
}

/**
 * A bridge name and a range that this host does not use yet.
 * @throws {HostError} when it routes all that dhow could choose
 */
function unusedNetwork(): { bridge: string; subnet: Subnet; instead: Subnet | undefined } {
  const routed = [...routedSubnets(Deno.readTextFileSync("/proc/thread-self/net/route")), ...nameServers()];
  const subnet = freeSubnet(routed);
  if (subnet === undefined) {
    throw new HostError({
      what: "cannot choose addresses for containers",
      why: "this host routes every range that dhow could take: in 100.100.0.0/16 and in 10.100.0.0/16",
      hint: "run with --network none or --network host",
    });
  }
  const links = hostLinks();
  let number = 0;
  while (links.includes(`dhow${number}`)) number++;
  const usual = freeSubnet([]) as Subnet;
  const instead = subnet.first === usual.first ? undefined : routed.find((route) => overlaps(route, usual));
  return { bridge: `dhow${number}`, subnet, instead };
}

/**
 * Settles the default network: a bridge name and a range that this host does not use. While the network is in use or still made, both stay.
 * @param notice called with a sentence when the usual range is taken
 */
function settleNetwork(database: Database, notice: (text: string) => void): NetworkRow {
  const existing = networkRow(database, DEFAULT_NETWORK);
  if (existing !== undefined && (existing.made !== null || countEndpoints(database, DEFAULT_NETWORK) > 0)) {
    return existing;
  }
  const { bridge, subnet, instead } = unusedNetwork();
  if (instead !== undefined) {
    notice(
      `the host routes ${formatSubnet(instead)} already: containers get addresses of ${formatSubnet(subnet)}`,
    );
  }
  database.run(
    `INSERT INTO networks (name, bridge, subnet, last_address) VALUES (?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET bridge = excluded.bridge, subnet = excluded.subnet`,
    DEFAULT_NETWORK,
    bridge,
    formatSubnet(subnet),
    existing?.last_address ?? gatewayOf(subnet),
  );
  return networkRow(database, DEFAULT_NETWORK) as NetworkRow;
}

/**
 * Gives a container an address that no other has. Must run inside the transaction that makes the container's row.
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
  const row = settleNetwork(database, notice);
  const network = networkOf(row);
  const taken = new Set(
    database.all<{ address: number }>("SELECT address FROM endpoints WHERE network = ?", row.name)
      .map(({ address }) => address),
  );
  const last = contains(network.subnet, row.last_address) ? row.last_address : gatewayOf(network.subnet);
  const address = wanted === undefined
    ? nextAddress(network.subnet, last, taken)
    : checkWanted(network.subnet, wanted, taken);
  if (address === undefined) {
    throw new HostError({
      what: "cannot give the container an address",
      why: `all ${taken.size} of ${row.subnet} are taken`,
      hint: "end a container, or run with --network none or --network host",
    });
  }
  database.run(
    "INSERT INTO endpoints (container, network, address) VALUES (?, ?, ?)",
    containerId,
    row.name,
    address,
  );
  database.run("UPDATE networks SET last_address = ? WHERE name = ?", address, row.name);
  return { network, address, link: linkName(containerId) };
}

/** An endpoint on a bridge that does not exist yet, for explain: nothing is taken. */
export function imagineEndpoint(containerId: string, wanted: string | undefined): Endpoint {
  const { bridge, subnet } = unusedNetwork();
  const address = wanted === undefined ? gatewayOf(subnet) + 1 : checkWanted(subnet, wanted, new Set());
  return { network: { name: DEFAULT_NETWORK, bridge, subnet }, address, link: linkName(containerId) };
}

function checkWanted(subnet: Subnet, wanted: string, taken: ReadonlySet<number>): number {
  const address = parseAddress(wanted);
  const usable = address !== undefined && contains(subnet, address) && address > gatewayOf(subnet) &&
    address < lastOf(subnet);
  if (!usable) {
    throw new UsageError({
      what: `cannot use the address ${JSON.stringify(wanted)}`,
      why: `the network has ${formatAddress(gatewayOf(subnet) + 1)} to ${formatAddress(lastOf(subnet) - 1)}`,
    });
  }
  if (taken.has(address)) {
    throw new TakenError({
      what: `cannot use the address ${wanted}`,
      why: "another container has it",
      hint: "leave out --ip to get a free one",
    });
  }
  return address;
}
