/** The servers that a container's name server asks for names that are not in its networks. */
import { AF_INET, AF_INET6 } from "../../../ffi/constants.ts";
import { DNS_PORT, SERVER_SIZE } from "../../plan/names/layout.ts";
import { readIfThere } from "../../state/read.ts";
import { serversOf } from "../name_servers.ts";
import { encodeAddress4, encodeAddress6 } from "./wire.ts";

/** resolv.conf(5) knows three, MAXNS. */
const MOST_SERVERS = 3;

export interface NameServerAddress {
  /** IPv4 or IPv6. */
  readonly address: Uint8Array;
  readonly port: number;
  /** The number of the interface by which an IPv6 address of a link is reached (ipv6(7)); else 0. */
  readonly scope: number;
}

/** Which servers are asked, and from where. */
export interface AskedServers {
  readonly servers: readonly NameServerAddress[];
  /** The host's own are reached from the host, where they may be on its loopback; those of --dns from the container, as it would itself. */
  readonly asksFrom: "host" | "container";
}

/**
 * @param hostResolvConf the host's /etc/resolv.conf; empty when there is none
 * @param dns what --dns says, which replaces the host's
 */
export function askedServers(hostResolvConf: string, dns: readonly string[]): AskedServers {
  const texts = dns.length > 0 ? dns : serversOf(hostResolvConf);
  const servers = texts.flatMap((text) => parseServer(text) ?? []).slice(0, MOST_SERVERS);
  return { servers, asksFrom: dns.length > 0 ? "container" : "host" };
}

/** An address as resolv.conf(5) has it. @returns undefined for what is none, or of an interface that there is not */
export function parseServer(text: string): NameServerAddress | undefined {
  const [address = "", zone] = text.split("%") as [string, string?];
  const four = zone === undefined ? encodeAddress4(address) : undefined;
  if (four !== undefined) return { address: four, port: DNS_PORT, scope: 0 };
  const six = encodeAddress6(address);
  const scope = zone === undefined ? 0 : scopeOf(zone);
  return six === undefined || scope === undefined ? undefined : { address: six, port: DNS_PORT, scope };
}

/** The number of an interface, by that or its name (RFC 4007, 11). */
function scopeOf(zone: string): number | undefined {
  const number = /^\d+$/.test(zone)
    ? zone
    : /^[^/]+$/.test(zone) && !zone.startsWith(".")
    ? readIfThere(`/sys/class/net/${zone}/ifindex`)
    : undefined;
  return number === undefined ? undefined : Number(number);
}

/** struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)), and zeros. */
export function sockaddrOf({ address, port, scope }: NameServerAddress): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SERVER_SIZE);
  const view = new DataView(bytes.buffer);
  const isShort = address.length === 4;
  view.setUint16(0, isShort ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(address, isShort ? 4 : 8);
  if (!isShort) view.setUint32(24, scope, true);
  return bytes;
}
