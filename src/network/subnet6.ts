/** IPv6 addresses and ranges of them, as numbers of 128 bits. What they look like as text is ipaddr.js's matter (RFC 4291, RFC 5952). */
import ipaddr from "ipaddr.js";
import { formatAddress, parseAddress } from "./subnet.ts";

export interface Subnet6 {
  /** The first address, the network's own. */
  readonly first: bigint;
  /** How many bits of an address name the network. */
  readonly prefix: number;
}

/** @returns undefined when the text is not an IPv6 address; one with a zone (`%eth0`) is none here */
export function parseAddress6(text: string): bigint | undefined {
  if (!text.includes(":") || text.includes("%") || !ipaddr.IPv6.isValid(text)) return undefined;
  return ipaddr.IPv6.parse(text).toByteArray().reduce((address, byte) => address << 8n | BigInt(byte), 0n);
}

export function formatAddress6(address: bigint): string {
  const bytes = Array.from({ length: 16 }, (_, index) => Number(address >> BigInt(8 * (15 - index)) & 0xffn));
  return new ipaddr.IPv6(bytes).toString();
}

/** `fd00::/64`; bits after the prefix are cleared. @returns undefined when it is not that */
export function parseSubnet6(text: string): Subnet6 | undefined {
  const [, address = "", digits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const [given, prefix] = [parseAddress6(address), Number(digits)];
  if (given === undefined || prefix < 1 || prefix > 128) return undefined;
  const rest = BigInt(128 - prefix);
  return { first: given >> rest << rest, prefix };
}

export function formatSubnet6({ first, prefix }: Subnet6): string {
  return `${formatAddress6(first)}/${prefix}`;
}

export function contains6({ first, prefix }: Subnet6, address: bigint): boolean {
  const rest = BigInt(128 - prefix);
  return address >> rest === first >> rest;
}

export function overlaps6(one: Subnet6, other: Subnet6): boolean {
  const wider = one.prefix < other.prefix ? one : other;
  return contains6(wider, (wider === one ? other : one).first);
}

/** An address of either family as it is usually written; undefined when the text is none. */
export function canonicalAddress(text: string): string | undefined {
  const four = parseAddress(text);
  if (four !== undefined) return formatAddress(four);
  const six = parseAddress6(text);
  return six === undefined ? undefined : formatAddress6(six);
}

/**
 * The ranges that a host routes somewhere, from /proc/net/ipv6_route (addresses are hexadecimal). The default route, and those
 * that each host has of its own (link-local, multicast, single addresses) are left out.
 */
export function routedSubnets6(procNetIpv6Route: string): Subnet6[] {
  return procNetIpv6Route.trim().split("\n").flatMap((line) => {
    const [address = "", prefix = ""] = line.split(/\s+/);
    if (!/^[0-9a-f]{32}$/.test(address)) return [];
    const bits = parseInt(prefix, 16);
    if (bits === 0 || bits === 128 || /^(fe8|fe9|fea|feb|ff)/.test(address)) return [];
    return [{ first: BigInt(`0x${address}`), prefix: bits }];
  });
}

/**
 * A /64 of the unique local addresses (RFC 4193) that are nobody else's by chance.
 * @param random five bytes, the "Global ID"
 * @param number of the subnet, 16 bits
 */
export function localSubnet6(random: Uint8Array, number: number): Subnet6 {
  const global = random.subarray(0, 5).reduce((bits, byte) => bits << 8n | BigInt(byte), 0xfdn);
  return { first: (global << 16n | BigInt(number)) << 64n, prefix: 64 };
}
