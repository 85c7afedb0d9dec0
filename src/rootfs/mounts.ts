import type { Mount } from "../plan/oci.ts";
import type { ChildStep, MountAttribute } from "../plan/step.ts";
import { deviceSteps } from "./devices.ts";

/**
 * What is mounted in every container (OCI runtime spec, "Default Filesystems"), as docker does it.
 * @param files host files that take the place of the image's, by their path in the container
 */
export function defaultMounts(
  { files, hasOwnNetwork, inUserNamespace, cgroupVersion, sharesIpc }: {
    files: Readonly<Record<string, string>>;
    hasOwnNetwork: boolean;
    inUserNamespace: boolean;
    cgroupVersion: 1 | 2;
    /** Whether it is in the host's IPC namespace: then it has the host's shared memory. */
    sharesIpc: boolean;
  },
): Mount[] {
  // sysfs shows a network namespace, and may be mounted by whoever owns that namespace
  const mayMountSysfs = hasOwnNetwork || !inUserNamespace;
  const protectedOptions = ["nosuid", "noexec", "nodev"];
  const mounts: Mount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: protectedOptions },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=0755", "size=65536k"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      // group 5 is tty; a user namespace need not map it
      options: ["nosuid", "noexec", "ptmxmode=0666", "mode=0620", ...(inUserNamespace ? [] : ["gid=5"])],
    },
    sharesIpc
      ? { destination: "/dev/shm", type: "none", source: "/dev/shm", options: ["rbind", ...protectedOptions] }
      : {
        destination: "/dev/shm",
        type: "tmpfs",
        source: "shm",
        options: [...protectedOptions, "mode=1777", "size=65536k"],
      },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: protectedOptions },
    mayMountSysfs
      ? { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro", ...protectedOptions] }
      : { destination: "/sys", type: "none", source: "/sys", options: ["rbind", "ro", ...protectedOptions] },
  ];
  if (cgroupVersion === 2 && mayMountSysfs) {
    const options = ["ro", ...protectedOptions];
    mounts.push({ destination: "/sys/fs/cgroup", type: "cgroup2", source: "cgroup", options });
  }
  for (const [destination, source] of Object.entries(files)) {
    mounts.push({ destination, type: "none", source, options: ["bind"] });
  }
  return mounts;
}

const ATTRIBUTES: readonly string[] = ["ro", "nosuid", "nodev", "noexec"] satisfies MountAttribute[];
const isAttribute = (option: string): option is MountAttribute => ATTRIBUTES.includes(option);

const REASONS: Readonly<Record<string, string>> = {
  proc: "show it its own processes",
  tmpfs: "give it memory as a file system",
  devpts: "give it terminals of its own",
  mqueue: "give it POSIX message queues of its own",
  sysfs: "show it devices and its network, read-only",
  cgroup2: "show it its own cgroup, read-only",
};

/** The steps that make one mount of the specification. */
function mountStep(
  { destination, type, source, options }: Mount,
  linksToReplace: readonly string[],
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
  };
}

/**
 * The steps for all mounts, with the devices right after /dev.
 * @param linksToReplace paths where the image has a symlink
 */
export function mountSteps(
  mounts: readonly Mount[],
  inUserNamespace: boolean,
  linksToReplace: readonly string[],
): ChildStep[] {
  return mounts.flatMap((mount) => {
    const step = mountStep(mount, linksToReplace);
    return mount.destination === "/dev" ? [step, ...deviceSteps(inUserNamespace)] : [step];
  });
}
