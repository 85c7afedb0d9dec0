/** What there is to know of a host before it can be judged (judge.ts). Plain data, so that any host can be made up. */
import type { Trial } from "../plan/trial.ts";

export type { Trial };

/** The namespaces of containers, under the names of /proc/sys/user/max_*_namespaces. */
export const NAMESPACES = ["mnt", "uts", "ipc", "pid", "net", "user", "cgroup", "time"] as const;
export type Namespace = (typeof NAMESPACES)[number];

/** System calls that are newer than others. */
export const NEWER_CALLS = [
  "openat2",
  "open_tree",
  "fsopen",
  "pidfd_open",
  "pidfd_getfd",
  "close_range",
  "clone3",
  "mount_setattr",
] as const;
export type NewerCall = (typeof NEWER_CALLS)[number];

/** Programs that dhow uses, or that stand in where the kernel does not do it. */
export const PROGRAMS = [
  "ip",
  "iptables",
  "iptables-restore",
  "iptables-save",
  "nft",
  "newuidmap",
  "newgidmap",
  "pasta",
  "slirp4netns",
  "fuse-overlayfs",
  "apt-get",
  "dnf",
  "zypper",
  "pacman",
] as const;
export type Program = (typeof PROGRAMS)[number];

export interface User {
  readonly uid: number;
  /** From /etc/passwd; undefined when it is not there. */
  readonly name: string | undefined;
  /** Effective capabilities (capabilities(7)); undefined when they cannot be seen. */
  readonly capabilities: bigint | undefined;
  /** Whether its root is one of a user namespace only. Absent for no. */
  readonly isInNamespace?: boolean;
}

export interface Cgroups {
  readonly version: 1 | 2 | undefined;
  readonly mountPoint: string | undefined;
  /** Of all hierarchies. */
  readonly controllers: readonly string[];
  /** Of version 2: what the topmost group gives to those below it. */
  readonly delegated: readonly string[];
  /** Whether this user can make groups where dhow makes them. */
  readonly isWritable: boolean;
  /** Of version 2: the group of this process, and whether this user can make groups in it. */
  readonly own: { readonly path: string; readonly isWritable: boolean } | undefined;
}

export interface StateFolder {
  readonly path: string;
  /** The folder itself, or the nearest above it that is there. */
  readonly nearest: string;
  /** As mountinfo calls it: `ext4`; undefined when its mount cannot be seen. */
  readonly type: string | undefined;
  /** Where that is mounted. */
  readonly mountPoint: string;
  /** Options of the mount: `ro`, `noexec`, ... */
  readonly options: readonly string[];
  /** Bytes, and files, that can still be made there; undefined when the file system does not tell. */
  readonly free: number | undefined;
  readonly freeFiles: number | undefined;
  readonly isWritable: boolean;
}

export interface Facts {
  readonly user: User;
  /** `6.1.0-18-amd64` */
  readonly release: string;
  /** `x86_64`, as Deno says it. */
  readonly architecture: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly calls: Readonly<Record<NewerCall, Trial>>;
  readonly namespaces: Readonly<Record<Namespace, Trial>>;
  /** /proc/sys/user/max_*_namespaces */
  readonly limits: Readonly<Record<Namespace, number | undefined>>;
  /** An ordinary user: makes a user namespace, and mounts in it. */
  readonly unprivileged: Trial;
  /** /proc/sys of that name; undefined when there is none, or it cannot be read. */
  readonly sysctls: Readonly<Record<string, string | undefined>>;
  readonly overlay: Trial;
  readonly userOverlay: Trial;
  readonly erofs: Trial;
  readonly loop: Trial;
  readonly idmapped: Trial;
  readonly bridge: Trial;
  readonly nat: Trial;
  /** Whether an ordinary user can open /dev/net/tun, which pasta and slirp4netns need. */
  readonly tun: Trial;
  /** The same for /dev/fuse, which fuse-overlayfs needs. */
  readonly fuse: Trial;
  readonly programs: Readonly<Record<Program, string | undefined>>;
  /** Which of newuidmap and newgidmap have the right to do their work: the set-user-ID bit, or file capabilities. */
  readonly privilegedPrograms: readonly Program[];
  /** Whether firewalld runs; or why that cannot be seen. */
  readonly firewalld: boolean | { readonly why: string };
  /** What `iptables --version` prints. */
  readonly iptablesVersion: string | undefined;
  readonly cgroups: Cgroups;
  /** The actions that seccomp(2) knows; undefined when the kernel has none, or /proc/sys cannot be seen. */
  readonly seccompActions: readonly string[] | undefined;
  readonly selinux: "enforcing" | "permissive" | undefined;
  readonly hasAppArmor: boolean;
  readonly state: StateFolder;
  readonly resolvConf: string | undefined;
  /** The servers that systemd-resolved itself asks. */
  readonly resolvedUpstreams: string | undefined;
  /** The texts of /etc/subuid and /etc/subgid. */
  readonly subuid: string | undefined;
  readonly subgid: string | undefined;
}

/** The sysctls that are looked at. */
export const SYSCTLS = [
  "kernel/unprivileged_userns_clone",
  "kernel/apparmor_restrict_unprivileged_userns",
  "net/ipv4/ip_forward",
  "net/ipv4/conf/all/rp_filter",
  "net/ipv4/conf/default/rp_filter",
  "net/bridge/bridge-nf-call-iptables",
] as const;
