/** Places in networks that a user chose: several, with addresses and names. The default network alone has endpoints.ts. */
import { DhowError, HostError, TakenError, UsageError } from "../errors.ts";
import type { Database } from "../state/database.ts";
import {
  endpointsOf,
  hostSubnets,
  isInUse,
  recordEndpoint,
  settleDefault,
  takeAddress,
  unusedSubnet,
  usedByHost,
  usedSubnets,
} from "./endpoints.ts";
import { type Attachment, DEFAULT_NETWORK, type Endpoint, linkName, type Network } from "./network.ts";
import {
  configOf,
  findNetwork,
  isPredefined,
  networkOf,
  type NetworkRow,
  networkRow,
  noSuchNetwork,
} from "./records.ts";
import { hardwareAddress } from "./steps.ts";
import { formatSubnet, overlaps, parseAddress, parseSubnet } from "./subnet.ts";
import { canonicalAddress, contains6, formatAddress6, parseAddress6, parseSubnet6 } from "./subnet6.ts";

/** A name server looks into so many zones (src/plan/names/layout.ts). */
export const MOST_NETWORKS = 64;

/** The highest number that linkName has room for. */
const LAST_NUMBER = 99;

/**
 * Attachments as they are kept: networks by their names.
 * @throws {DhowError} when there is no such network, or it cannot have what was asked for
 */
export function resolveAttachments(database: Database, wanted: readonly Attachment[]): Attachment[] {
  const resolved = wanted.map((attachment) => ({
    ...attachment,
    network: findNetwork(database, attachment.network).name,
  }));
  if (resolved.length > MOST_NETWORKS) {
    throw new UsageError({
      what: "cannot connect the container",
      why: `it would be in ${resolved.length} networks, and can be in ${MOST_NETWORKS}`,
    });
  }
  const twice = resolved.find(({ network }, index) =>
    resolved.findIndex((other) => other.network === network) !== index
  );
  if (twice !== undefined) {
    throw new UsageError({
      what: "cannot connect the container",
      why: `network ${JSON.stringify(twice.network)} is given twice`,
    });
  }
  for (const attachment of resolved) check(database, attachment);
  return resolved;
}

function check(database: Database, { network, aliases = [], address6 }: Attachment): void {
  const wrong = (why: string) => new DhowError({ what: `cannot use network ${network}`, why });
  if (isPredefined(network) && network !== DEFAULT_NETWORK) {
    throw wrong(`it is not one of several: give --network ${network} alone`);
  }
  if (network === DEFAULT_NETWORK && aliases.length > 0) {
    throw wrong("network-scoped aliases are only supported for user-defined networks");
  }
  const { subnet6 } = configOf(networkRow(database, network)!);
  if (address6 !== undefined && subnet6 === undefined) {
    throw wrong(`it has no IPv6 for the address ${address6}: make one with network create --ipv6`);
  }
}

/**
 * Gives a container its places. Must run inside the transaction that makes the container's row, or starts it.
 * @param notice called with a sentence when a range had to be changed
 * @throws {DhowError} as allocateEndpoint does, and when a network has gone
 */
export function allocateEndpoints(
  database: Database,
  containerId: string,
  attachments: readonly Attachment[],
  notice: (text: string) => void,
): Endpoint[] {
  return attachments.map((attachment) => allocate(database, containerId, attachment, notice));
}

function allocate(
  database: Database,
  containerId: string,
  attachment: Attachment,
  notice: (text: string) => void,
): Endpoint {
  const number = nextNumber(endpointsOf(database, containerId).map((place) => place.interface));
  const row = attachment.network === DEFAULT_NETWORK
    ? settleDefault(database, notice)
    : networkRow(database, attachment.network);
  if (row === undefined) throw noSuchNetwork(attachment.network);
  const network = networkOf(row.name === DEFAULT_NETWORK ? row : settle(database, row, notice));
  const { range, reserved = {} } = configOf(row);
  const address = takeAddress(database, row, network, attachment.address, {
    range: range === undefined ? undefined : parseSubnet(range),
    reserved: Object.values(reserved).flatMap((text) => parseAddress(text) ?? []),
  });
  return record(database, containerId, attachment, network, address, number);
}

/** Who comes later has a higher number, as in docker, for their order says which network is the way out; as long as names have room for it. */
function nextNumber(used: readonly string[]): number {
  const last = Math.max(-1, ...used.map((name) => Number(name.slice("eth".length))));
  if (last < LAST_NUMBER) return last + 1;
  let number = 0;
  while (used.includes(`eth${number}`)) number++;
  return number;
}

function record(
  database: Database,
  containerId: string,
  attachment: Attachment,
  network: Network,
  address: number,
  number: number,
): Endpoint {
  const address6 = network.six === undefined
    ? undefined
    : takeAddress6(database, network, address, attachment.address6);
  const endpoint: Endpoint = {
    network,
    address,
    ...(address6 === undefined ? {} : { address6 }),
    hardwareAddress: attachment.hardwareAddress ?? hardwareAddress(address),
    interface: `eth${number}`,
    link: network.driver === "bridge" ? linkName(containerId, number) : "",
  };
  return recordEndpoint(database, containerId, endpoint, attachment.address !== undefined);
}

/**
 * The same place as in the IPv4 subnet; if somebody has asked for that one, the next that is free.
 * @param wanted undefined for any
 */
function takeAddress6(
  database: Database,
  { name, six, subnet }: Network,
  address: number,
  wanted: string | undefined,
): string {
  const whole = parseSubnet6(six!.subnet)!;
  const { range6, reserved = {} } = configOf(networkRow(database, name)!);
  const range = range6 === undefined ? whole : parseSubnet6(range6)!;
  const taken = new Set([
    ...database.all<{ address6: string | null }>("SELECT address6 FROM endpoints WHERE network = ?", name)
      .map(({ address6 }) => address6),
    six!.gateway,
    formatAddress6(whole.first),
  ]);
  if (wanted !== undefined) {
    const given = parseAddress6(wanted);
    if (given === undefined || !contains6(whole, given) || formatAddress6(given) === six!.gateway) {
      throw new UsageError({
        what: `cannot use the address ${JSON.stringify(wanted)}`,
        why: `the network has ${six!.subnet}, and its gateway is ${six!.gateway}`,
      });
    }
    const text = formatAddress6(given);
    if (!taken.has(text)) return text;
    throw new TakenError({
      what: `cannot use the address ${text}`,
      why: "another container has it",
      hint: "leave out --ip6 to get a free one",
    });
  }
  for (const text of Object.values(reserved)) taken.add(canonicalAddress(text) ?? text);
  const size = 1n << BigInt(128 - range.prefix);
  const place = BigInt(address - subnet.first);
  for (let step = 0n; step < size && step <= BigInt(taken.size); step++) {
    const text = formatAddress6(range.first + (place + step) % size);
    if (!taken.has(text)) return text;
  }
  throw new HostError({
    what: "cannot give the container an IPv6 address",
    why: `all of ${range6 ?? six!.subnet} are taken`,
    hint: "make the network with a larger subnet",
  });
}

/**
 * A network's row, with a range that the host has no other use for.
 * @throws {HostError} when the user has chosen its range, and the host routes it elsewhere meanwhile
 */
function settle(database: Database, row: NetworkRow, notice: (text: string) => void): NetworkRow {
  const { driver, subnet: chosen } = configOf(row);
  // the others are in a network that the host is in, too
  if (driver !== "bridge" || isInUse(database, row)) return row;
  const subnet = parseSubnet(row.subnet);
  const used = chosen === undefined ? usedByHost() : hostSubnets();
  const other = used.find((route) => overlaps(route, subnet));
  if (other === undefined) return row;
  if (chosen !== undefined) {
    throw new HostError({
      what: `cannot use network ${row.name}`,
      why: `its subnet is ${chosen}, and the host routes ${formatSubnet(other)} elsewhere by now`,
      hint: "remove the network, and create it with another --subnet",
    });
  }
  const text = formatSubnet(unusedSubnet(usedSubnets(database, row.name)));
  notice(
    `the host routes ${formatSubnet(other)} by now: network ${row.name} has ${text} instead of ${row.subnet}`,
  );
  database.run("UPDATE networks SET subnet = ? WHERE name = ?", text, row.name);
  return { ...row, subnet: text };
}

/** Places that nobody has yet, for explain: as if the container were the only one. */
export function imagineEndpoints(
  database: Database,
  containerId: string,
  attachments: readonly Attachment[],
): Endpoint[] {
  // what is written down here is forgotten at once
  let endpoints: Endpoint[] = [];
  const forgotten = new Error("rolled back");
  try {
    database.transaction(() => {
      const sql = "INSERT INTO containers (id, name, owner, undo) VALUES (?, ?, 'null', '[]')";
      database.run(sql, containerId, containerId);
      endpoints = allocateEndpoints(database, containerId, attachments, () => {});
      throw forgotten;
    });
  } catch (error) {
    if (error !== forgotten) throw error;
  }
  return endpoints;
}
