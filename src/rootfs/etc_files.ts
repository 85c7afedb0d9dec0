import { serversOf } from "../network/name_servers.ts";

/** The files below /etc that a container gets from its surroundings rather than from its image. */

export const CONTAINER_FILES = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] as const;
export type ContainerFile = (typeof CONTAINER_FILES)[number];

/** hosts(5), as docker writes it. */
export function hostsFile(hostname: string, addresses: readonly string[]): string {
  const lines = [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "ff00::\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
  ];
  for (const address of addresses) lines.push(`${address}\t${hostname}`);
  return lines.join("\n") + "\n";
}

/** Where systemd-resolved lists the servers that it asks itself (systemd-resolved.service(8)). */
export const RESOLVED_UPSTREAMS = "/run/systemd/resolve/resolv.conf";
const RESOLVED_STUB = "127.0.0.53";
/** What docker falls back to when the host has only servers that a container cannot reach. */
const PUBLIC_SERVERS = ["8.8.8.8", "8.8.4.4"];

export interface ResolvConfSources {
  /** The host's /etc/resolv.conf; empty when there is none. */
  readonly host: string;
  /** The content of RESOLVED_UPSTREAMS; undefined when there is none. */
  readonly upstreams: string | undefined;
  /** Servers given with --dns: they replace the host's. */
  readonly dns: readonly string[];
  /** Domains given with --dns-search, and options with --dns-option: they replace the host's as well. A domain `.` stands for none. */
  readonly search?: readonly string[];
  readonly options?: readonly string[];
  /** Whether the container sees the host's loopback, where local resolvers listen. */
  readonly sharesLoopback: boolean;
}

/**
 * resolv.conf(5) of a container: the host's, with servers that it can reach. A server on the host's loopback is left
 * out; systemd-resolved's stub is replaced by its upstreams.
 */
export function resolvConf(
  { host, upstreams, dns, search = [], options = [], sharesLoopback }: ResolvConfSources,
): string {
  const lines = (text: string) => text.split("\n").map((line) => line.trim());
  // nor has the bridge's network IPv6
  const isOutOfReach = (server: string) => server.startsWith("127.") || server.includes(":");
  const base = !sharesLoopback && serversOf(host).includes(RESOLVED_STUB) && upstreams !== undefined
    ? upstreams
    : host;
  const servers = sharesLoopback
    ? serversOf(base)
    : serversOf(base).filter((server) => !isOutOfReach(server));
  const chosen = dns.length > 0 ? dns : servers.length > 0 || sharesLoopback ? servers : PUBLIC_SERVERS;
  const others = lines(base).filter((line) =>
    /^sortlist\s/.test(line) || (search.length === 0 && /^(search|domain)\s/.test(line)) ||
    (options.length === 0 && /^options\s/.test(line))
  );
  const domains = search.filter((domain) => domain !== ".");
  const own = [
    ...(domains.length === 0 ? [] : [`search ${domains.join(" ")}`]),
    ...(options.length === 0 ? [] : [`options ${options.join(" ")}`]),
  ];
  return [...chosen.map((server) => `nameserver ${server}`), ...others, ...own].join("\n") + "\n";
}
