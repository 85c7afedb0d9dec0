/** Ports of containers that are reached through ports of the host: docker's --publish (github.com/docker/go-connections, nat). */

import { formatAddress, parseAddress } from "./subnet.ts";

export const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
export type Protocol = typeof PROTOCOLS[number];

export interface PublishedPort {
  /** The host's address; empty for all that it has. */
  readonly ip: string;
  /** 0 for any that is free. */
  readonly hostPort: number;
  /** Any that is free from hostPort to this one. Absent for just that one. */
  readonly lastHostPort?: number;
  readonly containerPort: number;
  readonly protocol: Protocol;
}

export const LAST_PORT = 65535;

/**
 * `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, where HOST and CONTAINER may be ranges of the same length.
 * @param wrong makes an error of docker's words for what is wrong
 * @returns one for each port, in their order
 */
export function parsePublished(text: string, wrong: (why: string) => Error): PublishedPort[] {
  const [, ports = "", protocolText = "tcp"] = /^(.*?)(?:\/([^/]*))?$/s.exec(text) ?? [];
  const [, ip = "", host = "", container = ""] =
    /^(?:(?:(\[[^\]]*\]|[^:]*):)?([^:]*):)?([^:]*)$/s.exec(ports) ?? [];
  if (container === "") throw wrong(`No port specified: ${text}<empty>`);
  const protocol = PROTOCOLS.find((name) => name === protocolText.toLowerCase());
  if (protocol === undefined) throw wrong(`Invalid proto: ${protocolText}`);
  const given = ip.replace(/^\[(.*)\]$/s, "$1");
  const address = given === "" ? "" : canonicalAddress(given);
  if (address === undefined) throw wrong(`Invalid ip address: ${given}`);
  const inside = rangeOf(container);
  if (inside === undefined) throw wrong(`Invalid containerPort: ${container}`);
  const outside = host === "" || host === "0" ? undefined : rangeOf(host);
  if (host !== "" && host !== "0" && outside === undefined) throw wrong(`Invalid hostPort: ${host}`);
  const count = inside.last - inside.first + 1;
  if (outside !== undefined && outside.last - outside.first + 1 !== count && count !== 1) {
    throw wrong(`Invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  return Array.from({ length: count }, (_, index) => ({
    ip: address,
    hostPort: outside === undefined ? 0 : outside.first + index,
    ...(outside !== undefined && count === 1 && outside.last > outside.first
      ? { lastHostPort: outside.last }
      : {}),
    containerPort: inside.first + index,
    protocol,
  }));
}

/** An address in its usual form, without what it takes to calculate with addresses: each start reads this module. */
function canonicalAddress(text: string): string | undefined {
  if (!text.includes(":")) {
    const address = parseAddress(text);
    return address === undefined ? undefined : formatAddress(address);
  }
  // a URL may have more in it, as a newline, which it drops
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !URL.canParse(`http://[${text}]/`)) return undefined;
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

function rangeOf(text: string): { first: number; last: number } | undefined {
  const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  return first >= 1 && first <= last && last <= LAST_PORT ? { first, last } : undefined;
}

/** Whether two ports of the host are the same for some of its addresses. */
export function overlapOnHost(one: PublishedPort, other: PublishedPort): boolean {
  if (one.protocol !== other.protocol || one.hostPort !== other.hostPort) return false;
  const [a, b] = [one.ip, other.ip];
  const isAll = (ip: string, of: string) =>
    ip === "" || (ip === "0.0.0.0" && !of.includes(":")) || (ip === "::" && of.includes(":"));
  return a === b || isAll(a, b) || isAll(b, a);
}

/** The host's address as docker tells it. */
export const shownAddress = (ip: string) => ip === "" ? "0.0.0.0" : ip.includes(":") ? `[${ip}]` : ip;

/** `0.0.0.0:8080->80/tcp, 0.0.0.0:9000-9002->9000-9002/tcp`: those that follow each other on both sides are one, as in docker's lists. */
export function portsText(ports: readonly PublishedPort[]): string {
  const groups: { first: PublishedPort; count: number }[] = [];
  const kind = ({ ip, protocol }: PublishedPort) => `${protocol} ${ip}`;
  const sorted = ports.toSorted((one, other) =>
    kind(one) < kind(other) ? -1 : kind(one) > kind(other) ? 1 : one.containerPort - other.containerPort
  );
  for (const port of sorted) {
    const { first, count = 0 } = groups.at(-1) ?? {};
    const follows = first !== undefined && kind(first) === kind(port) &&
      port.hostPort === first.hostPort + count && port.containerPort === first.containerPort + count;
    if (follows) groups.at(-1)!.count++;
    else groups.push({ first: port, count: 1 });
  }
  return groups.map(({ first: { ip, hostPort, containerPort, protocol }, count }) => {
    const range = (from: number) => count === 1 ? `${from}` : `${from}-${from + count - 1}`;
    return `${shownAddress(ip)}:${range(hostPort)}->${range(containerPort)}/${protocol}`;
  }).join(", ");
}

/** `0.0.0.0:8080` */
export const hostSide = ({ ip, hostPort }: PublishedPort): string => `${shownAddress(ip)}:${hostPort}`;

/** `80/tcp` */
export const containerSide = ({ containerPort, protocol }: PublishedPort): string =>
  `${containerPort}/${protocol}`;
