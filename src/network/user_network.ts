/**
 * A container's network without root: a program that carries its packets to the host's own sockets, pasta(1) or slirp4netns(1). Both
 * run with dhow's rights in the user namespace, and join the container's network namespace.
 */
import type { HostStep } from "../plan/step.ts";
import type { HostNetwork } from "./host_routes.ts";
import type { PublishedPort } from "./ports.ts";

/** The better first: pasta is faster, and shows a container where connections come from. */
export const USER_NETWORKS = ["pasta", "slirp4netns"] as const;
export type UserNetwork = typeof USER_NETWORKS[number];

export const isUserNetwork = (mode: string): mode is UserNetwork =>
  USER_NETWORKS.some((program) => program === mode);

/** What answers a container's DNS requests with the help of the host's resolvers, wherever these listen. */
export const NAME_SERVERS: Readonly<Record<UserNetwork, string>> = {
  // a link-local address that nobody has, as podman's
  pasta: "169.254.1.1",
  slirp4netns: "10.0.2.3",
};

/** The container's own address, as far as it is known before: pasta gives it the host's. */
export const ADDRESSES: Readonly<Record<UserNetwork, string | undefined>> = {
  pasta: undefined,
  slirp4netns: "10.0.2.100",
};

/**
 * @param path of the program
 * @param folder a folder of the container's own that goes with it
 * @param host how it is connected
 */
export function userNetworkStep(
  program: UserNetwork,
  path: string,
  folder: string,
  ports: readonly PublishedPort[],
  host: HostNetwork,
): HostStep {
  return {
    do: "connect-user",
    why: `connect the container by ${program}`,
    program,
    path,
    folder,
    args: program === "pasta" ? pastaArguments(ports, host) : SLIRP_ARGUMENTS,
    forwards: program === "pasta" ? [] : ports.map(slirpForward),
  };
}

/**
 * Nothing of the host's loopback, nor its ports, is to be seen in the container, and none of the container's ports on the host but
 * those that are published.
 */
function pastaArguments(ports: readonly PublishedPort[], host: HostNetwork): string[] {
  const specs = (protocol: string, flag: string) => {
    const own = ports.filter((port) => port.protocol === protocol);
    if (own.length === 0) return [flag, "none"];
    return own.flatMap(({ ip, hostPort, containerPort }) => [
      flag,
      `${ip === "" ? "" : `${ip}/`}${hostPort}:${containerPort}`,
    ]);
  };
  return [
    "--config-net",
    "--no-map-gw",
    "--dns-forward",
    NAME_SERVERS.pasta,
    ...specs("tcp", "-t"),
    ...specs("udp", "-u"),
    "-T",
    "none",
    "-U",
    "none",
    "--ns-ifname",
    "eth0",
    "--netns-only",
    "--no-netns-quit",
    ...(host.kind === "unrouted" ? ["-i", host.link, ...WITHOUT_ROUTE] : []),
  ];
}

/**
 * Without a default route pasta finds no addresses to give to the container: these are slirp4netns', and like there the host's own routes
 * say what the container reaches.
 */
const WITHOUT_ROUTE = ["-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2"];

const SLIRP_ARGUMENTS = [
  "--configure",
  "--mtu=65520",
  "--disable-host-loopback",
  "--enable-sandbox",
  "--enable-seccomp",
  "--netns-type=path",
];

/** A request of slirp4netns' API. */
const slirpForward = ({ ip, hostPort, containerPort, protocol }: PublishedPort) => ({
  execute: "add_hostfwd",
  arguments: {
    proto: protocol,
    host_addr: ip === "" ? "0.0.0.0" : ip,
    host_port: hostPort,
    guest_addr: "10.0.2.100",
    guest_port: containerPort,
  },
});
