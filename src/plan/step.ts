/**
 * What a step of a container's start is. Steps are data: they are made without touching the system, run by the
 * executor (host steps) and by the child's call table (child steps), and printed as shell commands by explain.
 */
import type { Rlimit } from "./rlimits.ts";
import type { ProcessIdentity } from "../state/process_identity.ts";
import type { IdMapping, IdMappings } from "../state/user_namespace.ts";
import type { DeviceRule } from "./oci.ts";

export type { IdMapping, IdMappings };

/**
 * How the files of a container with ids of its own become its own: `mounts` that show each id as the container's (Linux 5.19); or a
 * `copy` of the image whose files belong to the container's ids on the host.
 */
export type IdMethod = "mounts" | "copy";

export type NamespaceKind = "mount" | "uts" | "ipc" | "pid" | "network" | "user" | "time";

/** A file of a cgroup, and what is written to it. */
export interface CgroupSetting {
  readonly file: string;
  readonly value: string;
  /** What is written where the kernel does not have the file. */
  readonly orElse?: { readonly file: string; readonly value: string };
  /** Whether it is no error if the kernel has neither; and what is to be said then. Absent for an error. */
  readonly mayLack?: true | string;
}

/** A cgroup that is made before the container's, if it is not there: one above it. */
export interface CgroupParent {
  readonly path: string;
  readonly settings: readonly CgroupSetting[];
}

/** A container's folder in one cgroup hierarchy. */
export interface CgroupFolder {
  readonly path: string;
  /** Its limits, and files that must have a value before a process can join (cpuset of cgroup v1), in the order of writing. */
  readonly settings: readonly CgroupSetting[];
  /**
   * The file that a process writes 0 to in order to join. `tasks` where there is one (cgroup v1): it moves one thread,
   * for which the kernel need not stop the forks of all others as it does for `cgroup.procs`, several milliseconds.
   */
  readonly joinFile: "tasks" | "cgroup.procs";
}

/** `{child}` in a command stands for the pid of the container's first process. */
export const CHILD = "{child}";
/** `{host}` stands for the pid of a process in the host's network namespace. */
export const HOST = "{host}";

/** A port of the host through which one of a container's is reached. */
export interface Forward {
  readonly protocol: "tcp" | "udp" | "sctp";
  /** The host's address, of the same family as the container's; empty for all that it has. IPv6's loopback cannot be forwarded. */
  readonly hostIp: string;
  readonly hostPort: number;
  /** The container's. */
  readonly address: string;
  readonly containerPort: number;
}

/** What a firewall has to know of a network; see src/network/firewall. All of it has been checked: it becomes text of rules. */
export interface FilteredNetwork {
  /** Begins with `dhow`: by that, other networks are known. */
  readonly bridge: string;
  /** In CIDR notation, of both families. */
  readonly subnets: readonly string[];
  /** Whether it ends at the host: nothing goes to elsewhere, nor comes from there. */
  readonly internal: boolean;
  /** Whether the others see the host's address. */
  readonly masquerade: boolean;
  /** The same for IPv6. Absent for as it is with IPv4. */
  readonly masquerade6?: boolean;
  readonly forwards: readonly Forward[];
}

/** What a network's bridge and rules are made of; see src/network. */
export interface NetworkSetup {
  readonly name: string;
  readonly bridge: string;
  readonly bridgeCommands: readonly string[];
  readonly filtered: FilteredNetwork;
  /** Files below /proc/sys to set when they do not hold the value yet. */
  readonly sysctls: readonly { readonly path: string; readonly value: string }[];
}

/** What keeps the output and the end of a container that nobody waits for; see monitor.ts. */
export interface MonitorSetup {
  readonly id: string;
  readonly terminal: boolean;
  /** Whether the container can be given input later. */
  readonly keepsInput: boolean;
  /** With a size in bytes, a log that has reached it becomes `path.1`, and so on; there are `files` at most. */
  readonly log: { readonly path: string; readonly size: number | null; readonly files: number };
  /** Whether somebody reads the log who must miss nothing: before it makes way, they are waited for to have opened it. */
  readonly awaitsReader: boolean;
  /** The file that says how the container ended. */
  readonly exitPath: string;
  /** What it becomes when the container has ended: a program by its path. */
  readonly command: readonly string[];
  readonly environment: readonly string[];
  /** Absent for a container whose health is not checked. */
  readonly probe?: ProbeSetup;
}

/** What a monitor executes again and again while its container runs. Times in nanoseconds. */
export interface ProbeSetup {
  /** Between the end of one and the start of the next, and before the first. */
  readonly interval: number;
  /** How long one may take before it is killed. */
  readonly limit: number;
  /** A program by its path. */
  readonly command: readonly string[];
}

/** Namespaces of a container that another one can join. */
export const JOINABLE = ["network", "ipc", "pid"] as const;
export type JoinableKind = typeof JOINABLE[number];

/** A namespace that a container's first process joins: that of another container. */
export interface Join {
  readonly kind: JoinableKind;
  /** The other's id. */
  readonly container: string;
  /** The other's first process. */
  readonly process: ProcessIdentity;
}

/** A user and a group, by their ids on the host. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A mount that is nowhere yet, and that only this process and the child have. */
export type HeldTree =
  & {
    /** By which steps of the child name it. */
    readonly name: string;
    /** Whether map-ids has its files' owners be those of the container with the same ids (mount_setattr(2), Linux 5.12). */
    readonly isMapped: boolean;
  }
  & (
    | { readonly kind: "folder"; readonly source: string; readonly recursive: boolean }
    | ({ readonly kind: "index" } & ImageIndex)
    /** Memory with folders to mount on: the host's are closed to the child. */
    | { readonly kind: "stage"; readonly folders: readonly string[] }
  );

/** An EROFS index and the tars that it points into, relative to `folder`: fsconfig(2) takes 255 bytes of a path. */
export interface ImageIndex {
  readonly index: string;
  readonly devices: readonly string[];
  readonly folder: string;
}

/** What lets programs serve file systems (fuse(4)). */
export const FUSE_DEVICE = "/dev/fuse";

/** What fuse-overlayfs(1) is to lay over each other. */
export interface FuseOverlay {
  /** Of the program. */
  readonly path: string;
  /** Folders, top to bottom. */
  readonly lower: readonly string[];
  /** undefined for a mount that cannot be written to */
  readonly upper: string | undefined;
  readonly work: string;
  /** Whether nothing has to reach the disk. */
  readonly isVolatile: boolean;
  /** For what the program says. */
  readonly folder: string;
}

/** A step on the host, outside of the container. */
export type HostStep =
  & { readonly why: string }
  & (
    | {
      readonly do: "make-directory";
      readonly path: string;
      readonly mode: number;
      /** Whose it becomes, on the host. Absent for this process's. */
      readonly owner?: Owner;
    }
    | {
      readonly do: "write-file";
      readonly path: string;
      readonly text: string;
      readonly mode: number;
      readonly owner?: Owner;
    }
    | {
      readonly do: "make-cgroups";
      /** From the topmost on. Absent for none. */
      readonly parents?: readonly CgroupParent[];
      readonly folders: readonly CgroupFolder[];
    }
    | DeviceFilter
    /** Files that the child's mount-index then finds as block devices. */
    | { readonly do: "attach-loops"; readonly files: readonly string[] }
    /** What the child is to mount, and could not reach or mount as a user with ids of its own. */
    | {
      readonly do: "hold-trees";
      readonly trees: readonly HeldTree[];
      /** The container's root. */
      readonly owner: Owner;
    }
    /** A mount that the child then finds under that name; its program goes with it. */
    | { readonly do: "mount-fuse-overlay"; readonly name: string; readonly overlay: FuseOverlay }
    | {
      readonly do: "start-child";
      readonly namespaces: readonly NamespaceKind[];
      /** Absent for none. The pid namespace is joined by who starts the child, the others by a step of the child's. */
      readonly joins?: readonly Join[];
      readonly steps: readonly ChildStep[];
      /** Absent when dhow itself waits for its end. */
      readonly monitor?: MonitorSetup;
      /** Whose program it becomes, on the host. Absent for this process's user. */
      readonly user?: Owner;
    }
    | {
      readonly do: "map-ids";
      readonly uids: readonly IdMapping[];
      readonly gids: readonly IdMapping[];
      /** For a script: dhow copies the image before the start. Layers, top to bottom, and the folder where they become one. */
      readonly copies?: { readonly layers: readonly string[]; readonly target: string };
    }
    | { readonly do: "make-network"; readonly setup: NetworkSetup }
    | {
      readonly do: "ip";
      readonly namespace: "host" | "container";
      readonly commands: readonly string[];
      /** What is set in the container's network namespace then, where the kernel has such a setting. */
      readonly sysctls?: readonly { readonly path: string; readonly value: string }[];
    }
    | { readonly do: "join-bridge"; readonly bridge: string; readonly link: string }
    | { readonly do: "reflect"; readonly links: readonly string[] }
    /** For an ordinary user: a program that carries the container's packets, and ends with it. */
    | {
      readonly do: "connect-user";
      readonly program: "pasta" | "slirp4netns";
      readonly path: string;
      /** Without those that name the container's network namespace. */
      readonly args: readonly string[];
      /** Of the container, for a socket and what the program says. */
      readonly folder: string;
      /** Requests of slirp4netns' for ports of the host. */
      readonly forwards: readonly {
        readonly execute: string;
        readonly arguments: Readonly<Record<string, string | number>>;
      }[];
    }
    /** What answers the container's questions for names, and ends with it (names/server.ts). */
    | {
      readonly do: "serve-names";
      /** The folder of all that name servers may see, and the container's in it (names/layout.ts). */
      readonly root: string;
      readonly folder: string;
      /** The network namespace in which servers are asked for other names. */
      readonly asksFrom: "host" | "container";
      /** Whom the server becomes, on the host. Absent to stay this process's user. */
      readonly user?: Owner;
      /** For a script, which has no such server: the container's files, and what is known when it is made. */
      readonly instead: {
        readonly hosts: string;
        readonly names: readonly { readonly address: string; readonly names: readonly string[] }[];
        readonly resolvConf: string;
        readonly servers: readonly string[];
      };
    }
    | {
      readonly do: "release-child";
      /** As in await-release. */
      readonly reports: boolean;
      /** What those in its cgroup of devices may use from then on; it reports before. Absent if that was settled before its start. */
      readonly restricts?:
        | { readonly path: string; readonly settings: readonly CgroupSetting[] }
        | DeviceFilter;
    }
  );

/** A program for seccomp(2): struct sock_filter after struct sock_filter, in base64; and SECCOMP_FILTER_FLAG_... */
export interface SeccompFilter {
  readonly flags: number;
  readonly program: string;
}

/** A step that takes powers away, for good. Capabilities are those of capabilities(7). */
export type ConfiningStep =
  & { readonly why: string }
  & (
    | {
      readonly op: "drop-bounding-set";
      /** By their numbers; the others by their names, for who wants to read it. */
      readonly drops: readonly number[];
      readonly keeps: readonly string[];
    }
    /** What it has, as a mask. Nothing is inheritable after it, nor ambient. */
    | { readonly op: "set-capabilities"; readonly permitted: number; readonly effective: number }
    | { readonly op: "forbid-new-privileges" }
    | { readonly op: "load-filter"; readonly filter: SeccompFilter }
  );

/** Those in a cgroup of cgroup v2 can use no other devices from now on. */
export interface DeviceFilter {
  readonly do: "filter-devices";
  readonly path: string;
  readonly rules: readonly DeviceRule[];
}

/** Attributes of a mount (mount_setattr(2)). */
export type MountAttribute = "ro" | "nosuid" | "nodev" | "noexec";

/**
 * A step of the container's first process. Paths named `inRoot` lie below the container's root and are resolved there,
 * never on the host, and through symbolic links of the image only where a step says so.
 */
export type ChildStep =
  | ConfiningStep
  | { readonly why: string }
    & (
      | { readonly op: "await-id-mapping" }
      /** Until then it has the ids of who has started it. */
      | { readonly op: "become-root" }
      /** Mounts what dhow holds: the stage over the root directory, where only who knows it sees it, and trees in it. */
      | { readonly op: "set-stage"; readonly stage: string; readonly trees: readonly string[] }
      /** What dhow holds, as the source of the bind of `inRoot`. */
      | { readonly op: "take-held"; readonly name: string; readonly inRoot: string }
      | {
        readonly op: "join-namespaces";
        readonly kinds: readonly JoinableKind[];
        readonly container: string;
      }
      /** The other container's /dev/shm, which dhow has opened, as the source of the bind of `inRoot`. */
      | { readonly op: "take-shared-memory"; readonly container: string; readonly inRoot: string }
      /** With offsets to the host's clocks, in seconds. */
      | { readonly op: "make-time-namespace"; readonly monotonic: number; readonly boottime: number }
      | { readonly op: "make-mounts-private" }
      | {
        readonly op: "mount-overlay";
        /** Top to bottom, relative to `layersFolder`, because the kernel takes one page of options. */
        readonly lower: readonly string[];
        readonly layersFolder: string;
        /** undefined for one that cannot be written to */
        readonly upper: string | undefined;
        readonly work: string;
        readonly target: string;
        readonly options: readonly string[];
      }
      /** Mounts what dhow holds. */
      | { readonly op: "mount-held"; readonly name: string; readonly target: string }
      | ({ readonly op: "mount-index"; readonly target: string } & ImageIndex)
      | { readonly op: "open-root"; readonly path: string }
      | {
        readonly op: "mount";
        readonly type: string;
        readonly inRoot: string;
        readonly attributes: readonly MountAttribute[];
        readonly options: readonly (readonly [key: string, value: string])[];
        /** As in bind. */
        readonly followsLinks?: boolean;
      }
      /** Covers a path of the kernel's file systems with nothing; one that is not there needs none. */
      | {
        readonly op: "mask";
        readonly inRoot: string;
        /** An empty folder; or the null device, the one that make-device has made before, or the host's. */
        readonly cover: "folder" | "own-null" | "hosts-null";
      }
      /** The same for what may be read. */
      | {
        readonly op: "make-read-only";
        readonly inRoot: string;
        /** Whether something of dhow's is mounted there, and no more is needed. Absent for no. */
        readonly isMounted?: true;
      }
      | { readonly op: "make-directory"; readonly inRoot: string; readonly mode: number }
      /** If something lies there already, it must be that very device. */
      | {
        readonly op: "make-device";
        readonly inRoot: string;
        readonly type: "b" | "c";
        readonly major: number;
        readonly minor: number;
        readonly mode: number;
        /** Absent for root. */
        readonly owner?: { readonly uid: number; readonly gid: number };
        /** As in bind; folders on the way are made. Absent for one right in /dev. */
        readonly followsLinks?: boolean;
      }
      | { readonly op: "make-symlink"; readonly inRoot: string; readonly target: string }
      | {
        readonly op: "bind";
        readonly source: string;
        readonly inRoot: string;
        readonly kind: "file" | "directory";
        /** Whether the image has a symlink there, which gives way to a file: /etc/resolv.conf is one in many images. */
        readonly replacesLink: boolean;
        readonly recursive: boolean;
        readonly attributes: readonly MountAttribute[];
        /** Whether symlinks may be on the way to `inRoot`: they lead to other places in the root only, whatever they say. */
        readonly followsLinks?: boolean;
        /** Absent for a mount that is private, as all are that are made here. Else open-source has come before. */
        readonly propagation?: "shared" | "slave";
      }
      /** Holds what will be bound while it still belongs to the host's mounts, with which it is to share what is mounted later. */
      | {
        readonly op: "open-source";
        readonly source: string;
        /** Of the bind. */
        readonly inRoot: string;
        readonly recursive: boolean;
      }
      /** For a script: dhow does it before the start. Gives an empty volume what the image has in its place. */
      | { readonly op: "fill-volume"; readonly source: string; readonly inRoot: string }
      | { readonly op: "set-sysctl"; readonly key: string; readonly value: string }
      | { readonly op: "loopback-up" }
      | { readonly op: "set-hostname"; readonly hostname: string }
      | { readonly op: "open-terminal"; readonly uid: number }
      /** `reports`: whether dhow first waits until the child is here; else it may go on at once */
      | { readonly op: "await-release"; readonly reports: boolean }
      | { readonly op: "join-cgroups"; readonly folders: readonly CgroupFolder[] }
      | { readonly op: "unshare-cgroup" }
      | { readonly op: "adjust-oom-score"; readonly score: number }
      /** After change-directory, which may make a folder. */
      | { readonly op: "protect-root" }
      | { readonly op: "set-limits"; readonly limits: readonly Rlimit[] }
      | { readonly op: "pivot-root" }
      | { readonly op: "new-session" }
      | { readonly op: "take-terminal" }
      | { readonly op: "close-input" }
      /** From the monitor's pipes. */
      | { readonly op: "take-input" }
      | { readonly op: "take-output" }
      | {
        readonly op: "reset-process";
        /** Numbers of the signals that dhow itself ignores or catches. */
        readonly changedSignals: readonly number[];
        readonly openFiles: { readonly soft: number; readonly hard: number };
      }
      | {
        readonly op: "set-user";
        readonly uid: number;
        readonly gid: number;
        /** undefined where the kernel lets nobody set them. */
        readonly groups: readonly number[] | undefined;
      }
      | { readonly op: "change-directory"; readonly path: string }
      | {
        readonly op: "execute";
        readonly args: readonly string[];
        readonly env: readonly string[];
        /** Whether an init of dhow's is process 1, and the program its child. */
        readonly init: boolean;
      }
    );

/** The reverse of a step, as the journal keeps it. Undoing what was not done, or twice, must be harmless. */
export type Undo =
  | { readonly undo: "remove-tree"; readonly path: string }
  | { readonly undo: "remove-cgroups"; readonly folders: readonly string[] }
  /** The innermost first; those that have others in them stay. */
  | { readonly undo: "remove-empty-cgroups"; readonly folders: readonly string[] }
  | { readonly undo: "delete-link"; readonly link: string }
  /** Nobody finds it by a name any more in these networks. */
  | { readonly undo: "forget-names"; readonly networks: readonly string[] }
  /** Ports of the host lead to the container no more; these networks have rules for them. */
  | { readonly undo: "unpublish-ports"; readonly networks: readonly string[] }
  /** What is mounted on these folders of volumes goes with the last container that has it. */
  | { readonly undo: "release-volumes"; readonly folders: readonly string[] }
  | ({
    readonly undo: "kill";
    /** Whether it is the container's first process. */
    readonly isContainer?: true;
    /** Whether it is what answers the container's questions for names. */
    readonly isNameServer?: true;
  } & ProcessIdentity)
  /** The program of a mount that goes with the container. */
  | ({ readonly undo: "end-fuse-overlay" } & ProcessIdentity);

/** A container's start, and how to take back all that it leaves on the host. */
export interface Plan {
  readonly steps: readonly HostStep[];
  /** In the order of the steps; carried out from the last to the first. */
  readonly undo: readonly Undo[];
}

/** The options of an overlay mount. Colons and commas in paths are escaped, as overlayfs wants them. */
export function overlayOptions(step: Extract<ChildStep, { op: "mount-overlay" }>): string {
  const escape = (path: string) => path.replace(/[\\:,]/g, "\\$&");
  return [
    `lowerdir=${step.lower.map(escape).join(":")}`,
    ...(step.upper === undefined ? [] : [`upperdir=${escape(step.upper)}`, `workdir=${escape(step.work)}`]),
    ...step.options,
  ].join(",");
}
