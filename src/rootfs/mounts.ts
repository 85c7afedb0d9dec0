import type { CgroupMount } from "../limits/cgroup_mounts.ts";
import type { Device, Mount } from "../plan/oci.ts";
import type { ChildStep, MountAttribute } from "../plan/step.ts";
import { deviceSteps, requestedDeviceSteps } from "./devices.ts";

/** What the file system is called that holds the hierarchies of cgroup v1. */
const CGROUPS = "cgroup";

/** The group that terminals belong to, on all Linux systems. */
export const TTY_GROUP = 5;

/**
 * What is mounted in every container (OCI runtime spec, "Default Filesystems"), as docker does it.
 * @param files host files that take the place of the image's, by their path in the container
 */
export function defaultMounts(
  {
    files,
    hasOwnNetwork,
    hasOwnProcesses = true,
    hasOwnCgroups = true,
    hasOwnQueues = true,
    inUserNamespace,
    hasTtyGroup = !inUserNamespace,
    cgroupVersion,
    sharedMemory,
    privileged = false,
    hierarchies = [],
    sharedMemorySize = 64 << 20,
  }: {
    files: Readonly<Record<string, string>>;
    hasOwnNetwork: boolean;
    /** Absent for yes. */
    hasOwnProcesses?: boolean;
    hasOwnCgroups?: boolean;
    hasOwnQueues?: boolean;
    inUserNamespace: boolean;
    /** Whether the group of terminals is one of the container's: a user namespace need not map it. */
    hasTtyGroup?: boolean;
    cgroupVersion: 1 | 2;
    /** In another IPC namespace it has the shared memory that lies there on the host. */
    sharedMemory: "own" | "none" | { readonly source: string };
    /** Whether it may change what lies in /sys. */
    privileged?: boolean;
    /** Of cgroup v1, those that it sees; absent for none. */
    hierarchies?: readonly CgroupMount[];
    /** Of its own /dev/shm, in bytes. */
    sharedMemorySize?: number;
  },
): Mount[] {
  // sysfs shows a network namespace, and may be mounted by whoever owns that namespace
  const mayMountSysfs = hasOwnNetwork || !inUserNamespace;
  const protectedOptions = ["nosuid", "noexec", "nodev"];
  const kernelsOptions = [...(privileged ? [] : ["ro"]), ...protectedOptions];
  const mounts: Mount[] = [
    // proc shows a pid namespace, in the same way
    hasOwnProcesses || !inUserNamespace
      ? { destination: "/proc", type: "proc", source: "proc", options: protectedOptions }
      : { destination: "/proc", type: "none", source: "/proc", options: ["rbind", ...protectedOptions] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=0755", "size=65536k"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: [
        ...["nosuid", "noexec", "ptmxmode=0666", "mode=0620"],
        ...(hasTtyGroup ? [`gid=${TTY_GROUP}`] : []),
      ],
    },
    ...sharedMemoryMounts(sharedMemory, protectedOptions, sharedMemorySize),
    // those of another IPC namespace only its owner can mount
    ...(hasOwnQueues || !inUserNamespace
      ? [{ destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: protectedOptions }]
      : []),
    mayMountSysfs
      ? { destination: "/sys", type: "sysfs", source: "sysfs", options: kernelsOptions }
      : { destination: "/sys", type: "none", source: "/sys", options: ["rbind", ...kernelsOptions] },
  ];
  if (cgroupVersion === 2 && mayMountSysfs && !hasOwnCgroups && inUserNamespace) {
    const [destination, options] = ["/sys/fs/cgroup", ["rbind", ...kernelsOptions]];
    mounts.push({ destination, type: "none", source: destination, options });
  } else if (cgroupVersion === 2 && mayMountSysfs) {
    mounts.push({
      destination: "/sys/fs/cgroup",
      type: "cgroup2",
      source: "cgroup",
      options: kernelsOptions,
    });
  }
  if (hierarchies.length > 0 && !inUserNamespace) {
    const destination = "/sys/fs/cgroup";
    mounts.push({ destination, type: "tmpfs", source: CGROUPS, options: [...kernelsOptions, "mode=755"] });
    for (const { name, options } of hierarchies) {
      mounts.push({
        destination: `${destination}/${name}`,
        type: "cgroup",
        source: "cgroup",
        options: [...kernelsOptions, ...options],
      });
    }
  }
  for (const [destination, source] of Object.entries(files)) {
    mounts.push({ destination, type: "none", source, options: ["bind"] });
  }
  return mounts;
}

function sharedMemoryMounts(
  memory: "own" | "none" | { readonly source: string },
  protectedOptions: readonly string[],
  size: number,
): Mount[] {
  if (memory === "none") return [];
  const destination = "/dev/shm";
  return memory === "own"
    ? [{
      destination,
      type: "tmpfs",
      source: "shm",
      options: [...protectedOptions, "mode=1777", `size=${size}`],
    }]
    : [{ destination, type: "none", source: memory.source, options: ["rbind", ...protectedOptions] }];
}

const ATTRIBUTES: readonly string[] = ["ro", "nosuid", "nodev", "noexec"] satisfies MountAttribute[];
const isAttribute = (option: string): option is MountAttribute => ATTRIBUTES.includes(option);

const REASONS: Readonly<Record<string, string>> = {
  proc: "show it its own processes",
  tmpfs: "give it memory as a file system",
  devpts: "give it terminals of its own",
  mqueue: "give it POSIX message queues of its own",
  sysfs: "show it devices and its network",
  cgroup: "show it its own cgroup",
  cgroup2: "show it its own cgroup",
};

/** The steps that make one mount of the specification. */
function mountStep(
  { destination, type, source, options }: Mount,
  linksToReplace: readonly string[],
  linksToFollow: readonly string[],
): ChildStep {
  const attributes = options.filter(isAttribute);
  if (options.includes("bind") || options.includes("rbind")) {
    const recursive = options.includes("rbind");
    return {
      op: "bind",
      why: `put ${destination} of this container in place`,
      source,
      inRoot: destination,
      kind: recursive ? "directory" : "file",
      replacesLink: linksToReplace.includes(destination),
      recursive,
      attributes,
      ...(isUsers({ destination, type }) || linksToFollow.includes(destination)
        ? { followsLinks: true }
        : {}),
      ...propagationOf(options),
    };
  }
  const values = options.filter((option) => !isAttribute(option)).map((option) => {
    const [key = "", value = ""] = option.split("=");
    return [key, value] as const;
  });
  return {
    op: "mount",
    why: REASONS[type] ?? `mount ${type}`,
    type,
    inRoot: destination,
    attributes,
    options: values,
    ...(isUsers({ destination, type }) ? { followsLinks: true } : {}),
  };
}

/** A user's mount has symlinks of the image followed in the root; what dhow itself has mounted before holds none to follow. */
function isUsers({ destination, type }: Pick<Mount, "destination" | "type">): boolean {
  return (type === "bind" || type === "tmpfs") && !isIn(destination, ["/dev", "/sys"]);
}

function propagationOf(options: readonly string[]): { propagation?: "shared" | "slave" } {
  if (options.includes("shared") || options.includes("rshared")) return { propagation: "shared" };
  if (options.includes("slave") || options.includes("rslave")) return { propagation: "slave" };
  return {};
}

const isIn = (path: string, folders: readonly string[]) =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`));

/**
 * All mounts in the order in which they are made. A user's mounts take the place of the usual ones. They come first, a folder before
 * what is in it, so that a link of the image cannot lead one into /proc or /sys: those are mounted over it then. What the user
 * mounts in /dev and /sys comes after these.
 */
export function arrangeMounts(usual: readonly Mount[], users: readonly Mount[]): Mount[] {
  const depth = ({ destination }: Mount) => destination.split("/").length;
  const sorted = users.toSorted((a, b) => depth(a) - depth(b));
  const late = (mount: Mount) => isIn(mount.destination, ["/dev", "/sys"]);
  const isReplaced = ({ destination }: Mount) =>
    users.some((mount) =>
      mount.destination === destination || (mount.destination === "/dev" && isIn(destination, ["/dev"]))
    );
  return [
    ...sorted.filter((mount) => !late(mount)),
    ...usual.filter((mount) => !isReplaced(mount)),
    ...sorted.filter(late),
  ];
}

/** What with a root that is read-only can still be written to, besides what the user has mounted: docker's list. */
const WRITABLE = ["/proc", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"];

/** The usual mounts of a container whose root is read-only. @param privileged whether it may still write to /sys */
export function withoutWriting(usual: readonly Mount[], privileged: boolean): Mount[] {
  return usual.map((mount) =>
    WRITABLE.includes(mount.destination) || mount.options.includes("ro") ||
      (privileged && isIn(mount.destination, ["/sys"]))
      ? mount
      : { ...mount, options: [...mount.options, "ro"] }
  );
}

/** Holds the sources of mounts that share theirs with the host, before nothing is shared any more. */
export function sourceSteps(mounts: readonly Mount[]): ChildStep[] {
  return mounts.filter(({ options }) => propagationOf(options).propagation !== undefined).map((
    { source, destination, options },
  ) => ({
    op: "open-source",
    why: `hold ${source} while its mounts are shared`,
    source,
    inRoot: destination,
    recursive: options.includes("rbind"),
  }));
}

/**
 * The steps for all mounts, with the usual devices right after /dev, and others after all. What the user has mounted as /dev
 * stays as it is.
 * @param linksToReplace paths where the image has a symlink
 * @param devices besides those that all have
 */
export function mountSteps(
  mounts: readonly Mount[],
  inUserNamespace: boolean,
  linksToReplace: readonly string[],
  devices: readonly Device[] = [],
): ChildStep[] {
  // in a folder that is the user's, a link is the user's too
  const ofUser = linksToReplace.filter((path) =>
    mounts.some((mount) => isUsers(mount) && path.startsWith(`${mount.destination}/`))
  );
  const ofImage = linksToReplace.filter((path) => !ofUser.includes(path));
  const inUsers = mounts.flatMap(({ destination }) =>
    mounts.some((mount) => isUsers(mount) && destination.startsWith(`${mount.destination}/`))
      ? [destination]
      : []
  );
  const isOwnDev = (mount: Mount) =>
    mount.destination === "/dev" && mount.type === "tmpfs" && mount.source === "tmpfs";
  const hasOwnDev = mounts.some(isOwnDev);
  // folders are made in it first
  const isLate = ({ type, source, options }: Mount) =>
    type === "tmpfs" && source === CGROUPS && options.includes("ro");
  const writable = (mount: Mount) => ({
    ...mount,
    options: mount.options.filter((option) => option !== "ro"),
  });
  return [
    ...mounts.flatMap((mount) => {
      const step = mountStep(isLate(mount) ? writable(mount) : mount, ofImage, inUsers);
      return isOwnDev(mount) ? [step, ...deviceSteps(inUserNamespace, devices)] : [step];
    }),
    ...mounts.filter(isLate).map(({ destination }): ChildStep => ({
      op: "make-read-only",
      why: `keep it from changing ${destination}`,
      inRoot: destination,
      isMounted: true,
    })),
    ...requestedDeviceSteps(devices.filter(({ path }) => hasOwnDev || !isIn(path, ["/dev"]))),
  ];
}
