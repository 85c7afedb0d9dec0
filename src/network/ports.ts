/** Ports of containers that are reached through ports of the host: docker's --publish (github.com/docker/go-connections, nat). */

export const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
export type Protocol = typeof PROTOCOLS[number];

export interface PublishedPort {
  /** The host's address; empty for all that it has. */
  readonly ip: string;
  /** 0 for any that is free. */
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: Protocol;
}

const LAST_PORT = 65535;

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
  const address = ip.replace(/^\[(.*)\]$/s, "$1");
  if (address !== "" && !isAddress(address)) throw wrong(`Invalid ip address: ${address}`);
  const inside = rangeOf(container);
  if (inside === undefined) throw wrong(`Invalid containerPort: ${container}`);
  const outside = host === "" || host === "0" ? undefined : rangeOf(host);
  if (host !== "" && host !== "0" && outside === undefined) throw wrong(`Invalid hostPort: ${host}`);
  const count = inside.last - inside.first + 1;
  // docker also takes a range of the host's for one port, and chooses; here the first is as good as any
  if (outside !== undefined && outside.last - outside.first + 1 !== count && count !== 1) {
    throw wrong(`Invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  return Array.from({ length: count }, (_, index) => ({
    ip: address,
    hostPort: outside === undefined ? 0 : outside.first + index,
    containerPort: inside.first + index,
    protocol,
  }));
}

function rangeOf(text: string): { first: number; last: number } | undefined {
  const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  return first >= 1 && first <= last && last <= LAST_PORT ? { first, last } : undefined;
}

function isAddress(text: string): boolean {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text)) return text.split(".").every((part) => Number(part) <= 255);
  return URL.canParse(`http://[${text}]/`);
}

/** The host's address as docker tells it. */
const shownAddress = (ip: string) => ip === "" ? "0.0.0.0" : ip.includes(":") ? `[${ip}]` : ip;

/** `0.0.0.0:8080->80/tcp` */
export const describePort = ({ ip, hostPort, containerPort, protocol }: PublishedPort): string =>
  `${shownAddress(ip)}:${hostPort}->${containerPort}/${protocol}`;

/** `0.0.0.0:8080` */
export const hostSide = ({ ip, hostPort }: PublishedPort): string => `${shownAddress(ip)}:${hostPort}`;

/** `80/tcp` */
export const containerSide = ({ containerPort, protocol }: PublishedPort): string =>
  `${containerPort}/${protocol}`;
