/** Networks that users make and remove. */
import { HostError, TakenError, UsageError } from "../errors.ts";
import { hostLinks } from "../plan/links.ts";
import { readIfThere } from "../state/read.ts";
import type { Database } from "../state/database.ts";
import { hostSubnets, unusedSubnet, usedSubnets } from "./endpoints.ts";
import type { NetworkConfig } from "./network.ts";
import { readDriverOptions } from "./options.ts";
import { configOf, networkRow, networkRows } from "./records.ts";
import {
  contains,
  formatAddress,
  formatSubnet,
  gatewayOf,
  lastOf,
  overlaps,
  parseAddress,
  parseSubnet,
  readSubnet,
  type Subnet,
} from "./subnet.ts";
import {
  contains6,
  formatAddress6,
  formatSubnet6,
  localSubnet6,
  overlaps6,
  parseAddress6,
  parseSubnet6,
  routedSubnets6,
  type Subnet6,
} from "./subnet6.ts";

/** What a user says of a network that is to be. */
export interface NetworkRequest
  extends Omit<NetworkConfig, "subnet" | "gateway" | "range" | "subnet6" | "gateway6" | "range6"> {
  readonly name: string;
  readonly ipv6: boolean;
  /** As given, of both families. */
  readonly subnets: readonly string[];
  readonly gateways: readonly string[];
  readonly ranges: readonly string[];
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** RFC 8200, 5: the kernel has no IPv6 on a link that carries less. */
const LEAST_MTU6 = 1280;

/** Words that --network takes for something else. */
const RESERVED = ["default", "container", "pasta", "slirp4netns", "private"];

const wrong = (why: string, hint?: string) =>
  new UsageError({ what: "cannot create the network", why, ...(hint === undefined ? {} : { hint }) });

/**
 * Puts a network on record. Nothing is made on the host before a container comes.
 * @returns its id
 * @throws {DhowError} when there is one of that name, or its range is taken
 */
export function createNetwork(database: Database, request: NetworkRequest): string {
  const { name, driver, internal, options, labels } = request;
  if (!NAME.test(name)) {
    throw wrong(
      `${JSON.stringify(name)} is no name for a network`,
      "it has a-z A-Z 0-9 _ . - and begins with a letter or digit",
    );
  }
  if (RESERVED.includes(name)) throw wrong(`${JSON.stringify(name)} has another meaning for --network`);
  const { parent, mtu } = readDriverOptions(driver, options, wrong);
  if (request.ipv6 && mtu !== undefined && mtu < LEAST_MTU6) {
    throw wrong(`IPv6 needs an MTU of ${LEAST_MTU6} or more`, "raise --opt mtu, or leave out --ipv6");
  }
  if (driver !== "bridge") requireParent(driver, parent);
  const four = readRange(request);
  const six = readRange6(request);
  unused(request, four, six);
  return database.transaction(() => {
    if (networkRow(database, name) !== undefined) {
      throw new TakenError({
        what: `network with name ${name} already exists`,
        why: "names are unique",
        hint: "see: dhow network ls",
      });
    }
    const others = otherNetworks(database);
    const used = driver === "bridge" ? [...hostSubnets(), ...others] : others;
    if (four.subnet !== undefined) refuseOverlap(four.subnet, used);
    const chosen = four.subnet ?? unusedSubnet(usedSubnets(database, name));
    const subnet6 = six.subnet ??
      (request.ipv6 ? localSubnet6(crypto.getRandomValues(new Uint8Array(5)), 0) : undefined);
    if (subnet6 !== undefined) refuseOverlap6(database, driver, subnet6);
    const config: NetworkConfig = {
      driver,
      internal,
      options,
      labels,
      ...(four.subnet === undefined ? {} : { subnet: formatSubnet(four.subnet) }),
      ...(four.gateway === undefined ? {} : { gateway: formatAddress(four.gateway) }),
      ...(four.range === undefined ? {} : { range: formatSubnet(four.range) }),
      ...(subnet6 === undefined ? {} : {
        subnet6: formatSubnet6(subnet6),
        gateway6: formatAddress6(six.gateway ?? subnet6.first + 1n),
      }),
      ...(six.range === undefined ? {} : { range6: formatSubnet6(six.range) }),
      ...(request.reserved === undefined ? {} : { reserved: request.reserved }),
      ...(request.attachable === undefined ? {} : { attachable: request.attachable }),
    };
    const [{ id } = { id: "" }] = database.all<{ id: string }>("SELECT lower(hex(randomblob(32))) AS id");
    database.run(
      `INSERT INTO networks (name, bridge, subnet, last_address, id, config, created) VALUES (?, ?, ?, 0, ?, ?, ?)`,
      name,
      // no other dhow on this host chooses the same one
      `dhow-${id.slice(0, 10)}`,
      formatSubnet(chosen),
      id,
      JSON.stringify(config),
      Date.now(),
    );
    return id;
  });
}

function requireParent(driver: string, parent: string | undefined): void {
  if (parent === undefined) {
    throw wrong(
      `a ${driver} network needs a link of the host`,
      `write: --opt parent=LINK, one of ${hostLinks().filter((link) => link !== "lo").join(", ")}`,
    );
  }
  if (!hostLinks().includes(parent)) {
    throw new HostError({
      what: "cannot create the network",
      why: `this host has no link ${JSON.stringify(parent)}`,
      hint: `it has ${
        hostLinks().join(", ")
      }; one of a VLAN is made by: ip link add link LINK name LINK.ID type vlan id ID`,
    });
  }
}

/** Refuses what no subnet was given for. */
function unused(
  { gateways, ranges, subnets, reserved = {} }: NetworkRequest,
  four: Range,
  six: Range6Request,
): void {
  for (const text of subnets) {
    if (readSubnet(text) === undefined && parseSubnet6(text) === undefined) {
      throw wrong(
        `${JSON.stringify(text)} is no subnet`,
        "write: --subnet 10.1.2.0/24, with 30 bits at most, or fd00:1::/64",
      );
    }
  }
  const isFour = (address: number | undefined) =>
    address !== undefined && four.subnet !== undefined && contains(four.subnet, address);
  const isSix = (address: bigint | undefined) =>
    address !== undefined && six.subnet !== undefined && contains6(six.subnet, address);
  for (const text of gateways) {
    if (!isFour(parseAddress(text)) && !isSix(parseAddress6(text))) {
      throw wrong(`no matching subnet for gateway ${text}`, "give its --subnet");
    }
  }
  for (const text of ranges) {
    const [range, range6] = [readRangeText(text), parseSubnet6(text)];
    if (!isFour(range?.first) && !isSix(range6?.first)) {
      throw wrong(`no matching subnet for range ${text}`, "give its --subnet");
    }
  }
  for (const [name, text] of Object.entries(reserved)) {
    if (!isFour(parseAddress(text)) && !isSix(parseAddress6(text))) {
      throw wrong(`no matching subnet for aux-address ${name}=${text}`, "give its --subnet");
    }
  }
}

interface Range {
  readonly subnet?: Subnet | undefined;
  readonly gateway?: number | undefined;
  readonly range?: Subnet | undefined;
}

interface Range6Request {
  readonly subnet?: Subnet6 | undefined;
  readonly gateway?: bigint | undefined;
  readonly range?: Subnet6 | undefined;
}

/** A range may be one address, which a subnet may not. */
function readRangeText(text: string): Subnet | undefined {
  const single = /^([0-9.]+)\/(31|32)$/.exec(text);
  if (single === null) return readSubnet(text);
  const first = parseAddress(single[1]!);
  const prefix = Number(single[2]);
  return first === undefined ? undefined : { first: prefix === 31 ? first - first % 2 : first, prefix };
}

/** The only one, if there is one. */
function onlyOne<T>(found: readonly T[], what: string): T | undefined {
  if (found.length > 1) throw wrong(`${what} is given more than once`, "a network has one of each family");
  return found[0];
}

const defined = <T>(value: T | undefined): value is T => value !== undefined;

/** Addresses that the kernel has another use for, or sends nowhere (RFC 6890): the host itself would lose them. */
const SPECIAL: readonly SpecialRange[] = [
  ["0.0.0.0/8", "for hosts without an address"],
  ["127.0.0.0/8", "the host's own"],
  ["224.0.0.0/4", "for multicast"],
  ["255.255.255.255/32", "for broadcasts"],
];
const SPECIAL6: readonly SpecialRange[] = [
  // with ::1, and those that stand for IPv4 addresses (RFC 4291)
  ["::/16", "the host's own, or stand for those of IPv4"],
  ["fe80::/10", "a single link's"],
  ["ff00::/8", "for multicast"],
];
type SpecialRange = readonly [range: string, use: string];

function refuseSpecial(subnet: string, special: SpecialRange | undefined): void {
  if (special === undefined) return;
  const [range, use] = special;
  throw wrong(`${subnet} has addresses of ${range}, which are ${use}`);
}

function readRange({ subnets, gateways, ranges }: NetworkRequest): Range {
  const subnet = onlyOne(subnets.map(readSubnet).filter(defined), "an IPv4 --subnet");
  const gateway = onlyOne(gateways.map(parseAddress).filter(defined), "an IPv4 --gateway");
  const range = onlyOne(ranges.map(readRangeText).filter(defined), "an IPv4 --ip-range");
  if (subnet === undefined) return {};
  refuseSpecial(formatSubnet(subnet), SPECIAL.find(([range]) => overlaps(parseSubnet(range), subnet)));
  if (gateway !== undefined && (gateway === subnet.first || gateway === lastOf(subnet))) {
    throw wrong(
      `${formatAddress(gateway)} is an address of the subnet as a whole, and cannot be its gateway`,
    );
  }
  if (range !== undefined && (range.prefix < subnet.prefix || !contains(subnet, range.first))) {
    throw wrong(`${formatSubnet(range)} is not within ${formatSubnet(subnet)}`);
  }
  return { subnet, gateway: gateway === gatewayOf(subnet) ? undefined : gateway, range };
}

function readRange6({ subnets, gateways, ranges, ipv6 }: NetworkRequest): Range6Request {
  const subnet = onlyOne(subnets.map(parseSubnet6).filter(defined), "an IPv6 --subnet");
  const gateway = onlyOne(gateways.map(parseAddress6).filter(defined), "an IPv6 --gateway");
  const range = onlyOne(ranges.map(parseSubnet6).filter(defined), "an IPv6 --ip-range");
  if (subnet === undefined) return {};
  if (!ipv6) throw wrong(`${formatSubnet6(subnet)} is of IPv6`, "add --ipv6");
  refuseSpecial(formatSubnet6(subnet), SPECIAL6.find(([range]) => overlaps6(parseSubnet6(range)!, subnet)));
  if (gateway === subnet.first) {
    throw wrong(
      `${formatAddress6(gateway)} is an address of the subnet as a whole, and cannot be its gateway`,
    );
  }
  if (subnet.prefix > 126) throw wrong(`${formatSubnet6(subnet)} has no addresses for containers`);
  if (range !== undefined && (range.prefix < subnet.prefix || !contains6(subnet, range.first))) {
    throw wrong(`${formatSubnet6(range)} is not within ${formatSubnet6(subnet)}`);
  }
  return { subnet, gateway, range };
}

function refuseOverlap(subnet: Subnet, used: readonly Subnet[]): void {
  const other = used.find((one) => overlaps(one, subnet));
  if (other === undefined) return;
  throw new TakenError({
    what: "Pool overlaps with other one on this address space",
    why: `${formatSubnet(other)} is another network's, or the host routes it, or has its name server there`,
    hint: "choose another --subnet, or leave it out",
  });
}

function refuseOverlap6(database: Database, driver: string, subnet: Subnet6): void {
  const networks = networkRows(database).flatMap((row) => parseSubnet6(configOf(row).subnet6 ?? "") ?? []);
  const routes = driver === "bridge"
    ? routedSubnets6(readIfThere("/proc/thread-self/net/ipv6_route") ?? "")
    : [];
  const other = [...networks, ...routes].find((one) => overlaps6(one, subnet));
  if (other === undefined) return;
  throw new TakenError({
    what: "Pool overlaps with other one on this address space",
    why: `${formatSubnet6(other)} is another network's, or the host routes it`,
    hint: "choose another --subnet, or leave it out",
  });
}

function otherNetworks(database: Database): Subnet[] {
  return networkRows(database).flatMap(({ subnet }) => subnet === "" ? [] : [parseSubnet(subnet)]);
}
