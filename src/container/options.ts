import type { MountRequest } from "./mounts.ts";
import type { Healthcheck } from "../image/healthcheck.ts";
import type { Rlimit } from "../plan/rlimits.ts";
import type { Platform } from "../image/platform.ts";
import { type Attachment, DEFAULT_NETWORK } from "../network/network.ts";
import type { PublishedPort } from "../network/ports.ts";
import type { UserNetwork } from "../network/user_network.ts";
import type { Limits } from "../limits/limits.ts";
import type { IdMapping, IdMappings } from "../plan/step.ts";

/** What a user can choose for a container: the options of `run`. */
export interface RunOptions {
  /** What the user calls the image: a name in the store or the path of an archive. */
  readonly image: string;
  readonly pull: PullPolicy;
  /** What the image has to be for; undefined for this machine. */
  readonly platform: Platform | undefined;
  /** Whether a registry without encryption may be pulled from. */
  readonly insecure: boolean;
  /** Whether to say nothing about a pull. */
  readonly quiet: boolean;
  /** What follows IMAGE; replaces the image's Cmd when it is not empty. */
  readonly command: readonly string[];
  readonly interactive: boolean;
  readonly terminal: boolean;
  readonly name: string | undefined;
  readonly hostname: string | undefined;
  /** `bridge` for networks of dhow's. */
  readonly network: NetworkMode;
  /** Which ones. Absent for the default network alone. */
  readonly networks?: readonly Attachment[];
  readonly address: string | undefined;
  /** Ports of the host that lead into it. Absent for none. */
  readonly ports?: readonly PublishedPort[];
  /** Whether a free one leads to each port that is exposed. */
  readonly publishAll?: true;
  readonly dns: readonly string[];
  /** Replaces the image's Entrypoint and Cmd; an empty string removes the Entrypoint. */
  readonly entrypoint: string | undefined;
  /** `NAME=value`; these win over the image's. `NAME` alone takes the variable away. */
  readonly env: readonly string[];
  readonly workingDir: string | undefined;
  readonly user: string | undefined;
  readonly userNamespace: boolean;
  /** What lays its writable layer over its image; chosen when it is made, and kept. Absent for the kernel's overlay. */
  readonly driver?: "fuse-overlayfs";
  /** With a user namespace: which ids of the host its ids are. Absent: its root is the caller, and nobody else is there. */
  readonly ids?: IdMappings;
  /** What decides that when the container is made. */
  readonly autoIds?: AutoIds;
  /** Whether to hash the layers of an archive that is used where it lies. */
  readonly verify: boolean;
  /** Whether nobody waits for its end. */
  readonly detach: boolean;
  /** Which of its streams the command that runs it is connected with: none, if nobody waits. */
  readonly attach: readonly StreamName[];
  /** Whether it is removed when it has ended. */
  readonly remove: boolean;
  /** A name of signal(7): what asks it to end; undefined for the image's. */
  readonly stopSignal: string | undefined;
  /** Seconds that it is given then; undefined for the usual ones. */
  readonly stopTimeout: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly log: LogOptions;
  readonly restart: RestartPolicy;
  /** The file that gets the container's id. */
  readonly cidFile: string | undefined;
  /** Whether an init of dhow's is its process 1. */
  readonly init: boolean;
  /** Whose processes it sees, whose System V and POSIX queues and shared memory, whose host name. */
  readonly pid: "private" | "host" | Joined;
  readonly ipc: "private" | "shareable" | "none" | "host" | Joined;
  readonly uts: "private" | "host";
  readonly mounts: readonly MountRequest[];
  /** How its health is checked, as far as that is not left to the image. */
  readonly healthcheck?: Healthcheck;
  readonly volumesFrom: readonly VolumesFrom[];
  /** `NAME:ADDRESS`, for /etc/hosts; `host-gateway` stands for the host's address in the bridge's network. */
  readonly extraHosts: readonly string[];
  /** For /etc/resolv.conf; they replace the host's. */
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** The NIS domain name (setdomainname(2)), which /etc/hosts has, too. */
  readonly domainName: string | undefined;
  /** Whether its root cannot be written to. */
  readonly readOnly?: boolean;
  /** Of /dev/shm, in bytes; absent for the usual size. */
  readonly sharedMemorySize?: number;
  readonly rlimits?: readonly Rlimit[];
  /** How readily the kernel kills it (proc_pid_oom_score_adj(5)); absent for the caller's. */
  readonly oomScoreAdjustment?: number;
  /** Parameters of its own namespaces (sysctl(8)), by their names with dots. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Absent for a cgroup namespace of its own. */
  readonly cgroupNamespace?: "host";
  /** Of its own clocks to the host's, in seconds. Absent for the host's clocks. */
  readonly timeOffsets?: { readonly monotonic: number; readonly boottime: number };
  /** Groups that its user is in besides, by name or number. */
  readonly groups: readonly string[];
  /** `80/tcp`: ports that are told of in inspect. */
  readonly exposed: readonly string[];
  /** What its programs may do; absent for the default. */
  readonly security?: SecurityOptions;
  /** What bounds what it uses. Absent for nothing. */
  readonly limits?: Limits;
  /** The cgroup, below those that the host has mounted, in which its own is made. Absent for the topmost. */
  readonly cgroupParent?: string;
  /** The part of it that is an ordinary user's (limits/delegated.ts). Absent where none is, and for root. */
  readonly cgroupBase?: string;
  /** Devices of the host that it gets besides those that all have. Absent for none. */
  readonly devices?: readonly DeviceRequest[];
  /** What it may do with other devices, `c 1:3 rwm`, should it make them itself. Absent for nothing. */
  readonly deviceRules?: readonly string[];
}

/** Ids that a container gets for itself. */
export interface AutoIds {
  /** How many. Absent for the usual number. */
  readonly size?: number;
  /** What is mapped in any case. */
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** Whether a container's ids are others than the host's. */
export function hasOwnIds({ ids, autoIds }: Pick<RunOptions, "ids" | "autoIds">): boolean {
  return ids !== undefined || autoIds !== undefined;
}

export interface SecurityOptions {
  /** As the user has named them. */
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly privileged: boolean;
  readonly noNewPrivileges: boolean;
  /** Whether it sees, and may change, what is usually hidden of /proc and /sys, as far as its mounts let it. Absent for no. */
  readonly systemPaths?: "unconfined";
  /** A profile is kept as it was when the container was made; `file` is its name, for messages. */
  readonly seccomp: "default" | "unconfined" | { readonly file: string; readonly profile: string };
  /** What --security-opt was given; without systempaths, as docker has it. */
  readonly given: readonly string[];
}

/** What decides which devices of the host a container has. */
export type DeviceOptions = Pick<RunOptions, "devices" | "deviceRules" | "security" | "userNamespace">;

/** A device of the host for a container; or all those in a folder. */
export interface DeviceRequest {
  readonly hostPath: string;
  readonly path: string;
  /** What it may do with it: some of `rwm`, read, write and mknod(2). */
  readonly access: string;
}

/** The networks of dhow's that a container is to be in. */
export function attachmentsOf(
  { network, networks, address }: Pick<RunOptions, "network" | "networks" | "address">,
): readonly Attachment[] {
  if (network !== "bridge") return [];
  return networks ?? [{ network: DEFAULT_NETWORK, ...(address === undefined ? {} : { address }) }];
}

/** The networks that a container is in, also those that are not dhow's, by docker's names for them; none if they are another's. */
export function networkNames(options: Pick<RunOptions, "network" | "networks" | "address">): string[] {
  if (options.network === "bridge") return attachmentsOf(options).map(({ network }) => network);
  return joinedContainer(options.network) === undefined ? [options.network] : [];
}

/** A container whose volumes another one has as well. */
export interface VolumesFrom {
  /** As the user calls it. */
  readonly container: string;
  /** `ro`, `rw`, or empty. */
  readonly mode: string;
}

/** The streams of a program, as docker names them. */
export const STREAM_NAMES = ["stdin", "stdout", "stderr"] as const;
export type StreamName = typeof STREAM_NAMES[number];

/** When a container that has ended is started again. */
export interface RestartPolicy {
  readonly name: "no" | "on-failure" | "always" | "unless-stopped";
  /** How often at most, on failure; 0 for no bound. */
  readonly retries: number;
}

/** That a container joins a namespace of another: its name as the user gives it, its id on record. */
export type Joined = `container:${string}`;

/** The container whose namespace is joined; undefined when none is. */
export function joinedContainer(mode: string): string | undefined {
  return mode.startsWith("container:") ? mode.slice("container:".length) : undefined;
}

/** Whether a container joins a namespace of another. */
export function joinsOthers({ network, pid, ipc }: Pick<RunOptions, "network" | "pid" | "ipc">): boolean {
  return [network, pid, ipc].some((mode) => joinedContainer(mode) !== undefined);
}

/** Whether a container has limits or devices of its own. */
export function isLimited(
  { limits, devices, deviceRules, security }:
    & Pick<RunOptions, "limits">
    & Omit<DeviceOptions, "userNamespace">,
): boolean {
  return limits !== undefined || devices !== undefined || deviceRules !== undefined ||
    security?.privileged === true;
}

/** Whether a container has ports of a network of dhow's to publish. */
export function publishes(
  { network, ports, publishAll }: Pick<RunOptions, "network" | "ports" | "publishAll">,
): boolean {
  return network === "bridge" && (ports !== undefined || publishAll === true);
}

/** How a container's log is kept. */
export interface LogOptions {
  /** `none`: what is kept is only what `attach` reads. */
  readonly driver: "json-file" | "local" | "none";
  /** In bytes; a log that has reached it makes way for a new one. undefined for no bound. */
  readonly maxSize: number | undefined;
  /** How many of them are kept. */
  readonly maxFiles: number;
}

export type NetworkMode = "bridge" | "host" | "none" | UserNetwork | Joined;

/** When an image is downloaded: if the store lacks it, each time, or not at all. */
export const PULL_POLICIES = ["missing", "always", "never"] as const;
export type PullPolicy = typeof PULL_POLICIES[number];
