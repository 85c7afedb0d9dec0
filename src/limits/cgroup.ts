import { HostError } from "../errors.ts";
import type { CgroupFolder } from "../plan/step.ts";

/** One mounted cgroup hierarchy (cgroups(7)). */
interface Hierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  readonly options: readonly string[];
}

/** The cgroup hierarchies that can be seen in a /proc/PID/mountinfo (proc(5)). */
export function hierarchies(mountinfo: string): Hierarchy[] {
  const mounts = mountinfo.split("\n").filter((line) => line.includes(" - ")).map(parseMount);
  const isBelow = (path: string, folder: string) => path.startsWith(folder === "/" ? "/" : `${folder}/`);
  const byId = new Map(mounts.map((mount) => [mount.id, mount]));
  /** Whether another one lies on a folder above it, in the same mount as it does or in one of those below that. */
  const isCovered = (mount: MountInfo): boolean => {
    const isAbove = ({ id, parent, mountPoint }: MountInfo) =>
      parent === mount.parent && id !== mount.id && isBelow(mount.mountPoint, mountPoint);
    const carrier = byId.get(mount.parent);
    return mounts.some(isAbove) || (carrier !== undefined && carrier !== mount && isCovered(carrier));
  };
  const isHidden = (mount: MountInfo) =>
    mounts.some(({ parent, mountPoint }) => parent === mount.id && mountPoint === mount.mountPoint) ||
    isCovered(mount);
  const found = new Map<string, Hierarchy>();
  for (const mount of mounts) {
    const { type, device, mountPoint, options } = mount;
    if ((type !== "cgroup" && type !== "cgroup2") || isHidden(mount)) continue;
    // the same hierarchy may be mounted in several places
    found.set(device, { mountPoint, version: type === "cgroup" ? 1 : 2, options });
  }
  return [...found.values()];
}

interface MountInfo {
  readonly id: string;
  readonly parent: string;
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly options: readonly string[];
}

function parseMount(line: string): MountInfo {
  const [before = "", after = ""] = line.split(" - ");
  const [id = "", parent = "", device = "", , path = ""] = before.split(" ");
  const [type = "", , superOptions = ""] = after.split(" ");
  // proc(5): space, tab, newline and backslash are written in octal
  const mountPoint = !path.includes("\\")
    ? path
    : path.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
  return { id, parent, device, mountPoint, type, options: superOptions.split(",") };
}

/**
 * A hierarchy of cgroup v1 that only says which CPUs may be used. A container without such a limit stays where its caller
 * is; a folder there takes as long to make as five others.
 */
function isOnlyCpuset({ version, options }: Hierarchy): boolean {
  const isController = (option: string) =>
    !["rw", "ro", "noprefix", "clone_children", "xattr"].includes(option) &&
    !option.startsWith("release_agent=");
  return version === 1 && options.filter(isController).every((option) => option === "cpuset");
}

/** A new cpuset of cgroup v1 is empty, and nothing can join it until it has what the topmost has (cpuset(7)). */
function cpusetSettings(mountPoint: string, read: (path: string) => string): CgroupFolder["settings"] {
  return ["cpuset.cpus", "cpuset.mems"].map((file) => ({
    file,
    value: read(`${mountPoint}/${file}`).trim(),
  }));
}

/** Which cgroups a container is put into, on this host. */
export interface CgroupLayout {
  readonly version: 1 | 2;
  readonly folders: readonly CgroupFolder[];
}

/** 2 when the unified hierarchy is the only one; a hybrid host counts as 1. */
export function cgroupVersion(mounted: readonly Hierarchy[]): 1 | 2 {
  return mounted.some(({ version }) => version === 1) ? 1 : 2;
}

/**
 * A folder for the container in every hierarchy that counts. It lies right below the mount point: a folder of dhow's own
 * above it would be made and removed with most containers, which in nine hierarchies of cgroup v1 takes a millisecond.
 * @param mountinfo the text of /proc/self/mountinfo
 * @param read reads a file of the cgroup file system
 * @throws {HostError} when no hierarchy is mounted
 */
export function cgroupLayout(mountinfo: string, id: string, read: (path: string) => string): CgroupLayout {
  const mounted = hierarchies(mountinfo);
  if (mounted.length === 0) {
    throw new HostError({
      what: "cannot make the container's cgroup",
      why: "no cgroup file system is mounted on this host",
      hint: "mount it with: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
    });
  }
  const version = cgroupVersion(mounted);
  // on a hybrid host the unified hierarchy has no controllers, and nothing of dhow's to do
  const used = mounted.filter((hierarchy) => hierarchy.version === version && !isOnlyCpuset(hierarchy));
  const folders = used.map(({ mountPoint, options }): CgroupFolder => {
    const settings = options.includes("cpuset") ? cpusetSettings(mountPoint, read) : [];
    return { path: `${mountPoint}/dhow-${id}`, settings, joinFile: version === 1 ? "tasks" : "cgroup.procs" };
  });
  return { version, folders };
}
