import { SIGNALS } from "../../ffi/constants.ts";
import { type ContainerFile, hostsFile, resolvConf, RESOLVED_UPSTREAMS } from "../rootfs/etc_files.ts";
import { formatAddress } from "../network/subnet.ts";
import { ADDRESSES, isUserNetwork, NAME_SERVERS } from "../network/user_network.ts";
import type { Endpoint } from "../network/network.ts";
import { HostError } from "../errors.ts";
import { readConfiguration, readIfThere } from "../state/read.ts";
import type { RunOptions } from "./options.ts";

/** @throws {HostError} when this process is not root's */
export function requireRoot(verb: string): void {
  const uid = Deno.uid();
  if (uid === 0) return;
  throw new HostError({
    what: `cannot ${verb} as user ${uid}`,
    why: "making namespaces, mounts and networks needs root",
    hint: "use sudo, or become root",
  });
}

/** A soft and a hard limit (getrlimit(2)). */
interface Limit {
  readonly soft: number;
  readonly hard: number;
}

/** RLIMIT_NOFILE of a process; undefined when there is no such process, or the limit has no number. */
function openFilesOf(pid: number): Limit | undefined {
  const line = readIfThere(`/proc/${pid}/limits`)?.split("\n").find((line) =>
    line.startsWith("Max open files")
  );
  const [soft, hard] = line?.slice("Max open files".length).trim().split(/\s+/).map(Number) ?? [];
  return soft === undefined || hard === undefined || Number.isNaN(soft) || Number.isNaN(hard)
    ? undefined
    : { soft, hard };
}

/**
 * RLIMIT_NOFILE as the caller had it: Deno raises its own soft limit when it starts, the parent's is what was inherited.
 * @param parent the process to take it from
 */
export function openFilesLimit(parent: number = Deno.ppid): Limit {
  const own = openFilesOf(Deno.pid) ?? { soft: 1024, hard: 4096 };
  const inherited = openFilesOf(parent) ?? { soft: 1024, hard: own.hard };
  return { soft: Math.min(inherited.soft, own.hard), hard: own.hard };
}

/** Sets of signals of a process, together, bit by bit (proc(5)); empty when there is no such process. */
export function signalSet(pid: number | "self", ...names: ("SigIgn" | "SigCgt")[]): bigint {
  const status = readIfThere(`/proc/${pid}/status`) ?? "";
  return names.reduce((set, name) => {
    const mask = new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0";
    return set | BigInt(`0x${mask}`);
  }, 0n);
}

/**
 * The signals that do not have their default effect in this process: those it ignores (Deno's SIGPIPE, what nohup(1) adds),
 * which a program would inherit, and those it catches, whose handlers must not run in a child.
 */
export function changedSignals(): number[] {
  const changed = signalSet("self", "SigIgn", "SigCgt");
  return Array.from({ length: 64 }, (_, bit) => bit + 1).filter((signal) =>
    (changed >> BigInt(signal - 1)) & 1n
  );
}

/**
 * Has the kernel keep the exit statuses of this process's children: a caller may have ignored SIGCHLD, and then it reaps them by
 * itself (wait(2)). What this process starts, a monitor for one, does not ignore it either.
 */
export function keepExitStatus(): void {
  const { SIGCHLD } = SIGNALS;
  if ((signalSet("self", "SigIgn") >> BigInt(SIGCHLD - 1)) & 1n) Deno.addSignalListener("SIGCHLD", () => {});
}

/** @param text `NAME:ADDRESS`, as --add-host takes it */
function hostsLine(text: string, endpoint: Endpoint | undefined): string {
  const at = text.indexOf(":");
  const given = text.slice(at + 1);
  const isGateway = given === "host-gateway" && endpoint !== undefined;
  const address = isGateway ? formatAddress(endpoint.network.gateway) : given;
  return `${address}\t${text.slice(0, at)}\n`;
}

/** The files below /etc that this container gets, instead of its image's, by their paths in it. */
export function etcFiles(
  hostname: string,
  options: RunOptions,
  endpoints: readonly Endpoint[],
): Record<ContainerFile, string> {
  const isHost = options.network === "host";
  const user = isUserNetwork(options.network) ? options.network : undefined;
  const own = endpoints.flatMap((
    { address, address6 },
  ) => [formatAddress(address), ...(address6 === undefined ? [] : [address6])]);
  const users = user === undefined ? undefined : ADDRESSES[user];
  const addresses = users === undefined ? own : [users];
  const extra = options.extraHosts.map((text) => hostsLine(text, endpoints[0])).join("");
  const name = options.domainName === undefined ? hostname : `${hostname}.${options.domainName} ${hostname}`;
  return {
    "/etc/hosts": ((isHost ? readConfiguration("/etc/hosts") : undefined) ?? hostsFile(name, addresses)) +
      extra,
    "/etc/hostname": `${hostname}\n`,
    "/etc/resolv.conf": resolvConf({
      host: readConfiguration("/etc/resolv.conf") ?? "",
      upstreams: readConfiguration(RESOLVED_UPSTREAMS),
      dns: user !== undefined && options.dns.length === 0 ? [NAME_SERVERS[user]] : options.dns,
      search: options.dnsSearch,
      options: options.dnsOptions,
      sharesLoopback: isHost,
    }),
  };
}
