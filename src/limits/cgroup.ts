import { normalize } from "@std/path";
import { EOPNOTSUPP, errnoOf } from "../../ffi/errno.ts";
import { HostError } from "../errors.ts";
import type { CgroupFolder, CgroupParent, CgroupSetting } from "../plan/step.ts";

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

/** What tells a hierarchy of cgroup v1 from the others: its controllers, or its name. */
export function hierarchyOptions({ options }: Pick<Hierarchy, "options">): string[] {
  return options.filter((option) =>
    !["rw", "ro", "noprefix", "clone_children", "xattr"].includes(option) &&
    !option.startsWith("release_agent=")
  );
}

/**
 * A hierarchy of cgroup v1 that only says which CPUs may be used. A container without such a limit stays where its caller
 * is; a folder there takes as long to make as five others.
 */
function isOnlyCpuset(hierarchy: Hierarchy): boolean {
  return hierarchy.version === 1 && hierarchyOptions(hierarchy).every((option) => option === "cpuset");
}

/** What cpusets lack. */
interface CpusetGaps {
  /** Of each of those that were asked about. */
  readonly lacks: readonly (readonly CgroupSetting[])[];
  /** Of one that is made in the last of them. */
  readonly below: readonly CgroupSetting[];
}

/**
 * A new cpuset of cgroup v1 is empty, and nothing can join it until it has CPUs and memory nodes: those of the one above it, since
 * it cannot have others (cpuset(7)).
 * @param paths of one cgroup in the hierarchy, and of another in that, and so on; they need not be there
 */
export function cpusetGaps(
  mountPoint: string,
  paths: readonly string[],
  read: (path: string) => string,
): CpusetGaps {
  const lacks = paths.map((): CgroupSetting[] => []);
  const below = ["cpuset.cpus", "cpuset.mems"].map((file): CgroupSetting => {
    let value = read(`${mountPoint}/${file}`).trim();
    paths.forEach((path, index) => {
      const own = readOr(read, `${mountPoint}${path}/${file}`)?.trim() ?? "";
      if (own === "") lacks[index]!.push({ file, value });
      else value = own;
    });
    return { file, value };
  });
  return { lacks, below };
}

/** Which cgroups a container is put into, on this host. */
export interface CgroupLayout {
  readonly version: 1 | 2;
  /** Those above the container's that have to be made, or must hand something down, from the topmost on. */
  readonly parents: readonly CgroupParent[];
  readonly folders: readonly CgroupFolder[];
  /** The one of folders that decides which devices may be used; undefined when none does. */
  readonly devices: string | undefined;
}

/** What is wanted of a container's cgroups beyond being there. */
export interface CgroupWishes {
  /** As --cgroup-parent has it. Absent for the topmost. */
  readonly parent?: string;
  /** The one, `parent` or above it, that is an ordinary user's: nothing is made or written above. Absent for root. */
  readonly base?: string;
  /** Files to write, on cgroup v1 by controllers, else under the name `unified`. Absent for none. */
  readonly settings?: (version: 1 | 2) => Readonly<Record<string, readonly CgroupSetting[]>>;
  /** Those of cgroup v2 that the files belong to. */
  readonly controllers?: readonly string[];
}

/**
 * The place of a container's cgroup in each hierarchy. It lies right below the mount point: a folder of dhow's own above it would be made
 * and removed with most containers, which in nine hierarchies of cgroup v1 takes a millisecond.
 * @param parent as --cgroup-parent has it: absolute or not, it begins at the mount point
 */
export function cgroupName(id: string, parent = ""): string {
  return `${normalize(`/${parent}`).replace(/\/+$/, "")}/dhow-${id}`;
}

/** The start of the id of the container that has a cgroup. */
export function shortIdOf(cgroup: string): string {
  return cgroup.slice(cgroup.lastIndexOf("/dhow-") + "/dhow-".length).slice(0, 12);
}

/** 2 when the unified hierarchy is the only one; a hybrid host counts as 1. */
export function cgroupVersion(mounted: readonly Hierarchy[]): 1 | 2 {
  return mounted.some(({ version }) => version === 1) ? 1 : 2;
}

/**
 * A folder for the container in every hierarchy that counts.
 * @param mountinfo the text of /proc/self/mountinfo
 * @param read reads a file of the cgroup file system
 * @throws {HostError} when no hierarchy is mounted
 */
export function cgroupLayout(
  mountinfo: string,
  id: string,
  read: (path: string) => string,
  { parent = "", base = "", settings, controllers = [] }: CgroupWishes = {},
): CgroupLayout {
  const mounted = hierarchies(mountinfo);
  if (mounted.length === 0) {
    throw new HostError({
      what: "cannot make the container's cgroup",
      why: "no cgroup file system is mounted on this host",
      hint: "mount it with: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
    });
  }
  const version = cgroupVersion(mounted);
  const wanted = settings?.(version) ?? {};
  const ofCpuset = wanted["cpuset"] ?? [];
  // on a hybrid host the unified hierarchy has no controllers, and nothing of dhow's to do
  const used = mounted.filter((hierarchy) =>
    hierarchy.version === version && (ofCpuset.length > 0 || !isOnlyCpuset(hierarchy))
  );
  const name = cgroupName(id, parent);
  const above = name.slice(base.length).split("/").slice(1, -1).map((_, index, names) =>
    `/${names.slice(0, index + 1).join("/")}`
  );
  const folders = used.map(({ mountPoint, options }): CgroupFolder => {
    const inherited = options.includes("cpuset") ? cpusetGaps(mountPoint, above, read).below : [];
    const own = version === 2 ? wanted["unified"] ?? [] : options.flatMap((option) => wanted[option] ?? []);
    return {
      path: mountPoint + name,
      // what is limited need not be inherited first
      settings: [...inherited.filter(({ file }) => own.every((each) => each.file !== file)), ...own],
      joinFile: version === 1 ? "tasks" : "cgroup.procs",
    };
  });
  const parents = version === 2
    ? handingDown(used[0]!.mountPoint + base, above, controllers, read)
    : used.flatMap(({ mountPoint, options }) => {
      const { lacks = [] } = options.includes("cpuset") ? cpusetGaps(mountPoint, above, read) : {};
      return above.map((path, index): CgroupParent => ({
        path: mountPoint + path,
        settings: lacks[index] ?? [],
      }));
    });
  const ofDevices = version === 2 ? used[0] : used.find(({ options }) => options.includes("devices"));
  return { version, parents, folders, devices: ofDevices && ofDevices.mountPoint + name };
}

/** @returns undefined when there is no such file */
function readOr(read: (path: string) => string, path: string): string | undefined {
  try {
    return read(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * On cgroup v2 a controller is there in a cgroup only if the one above hands it down, from the topmost on ("Top-down Constraint",
 * cgroup-v2.rst). What is handed down already is left alone. One that is made, or in which no process is, hands down all that the
 * topmost does, so that what is in it can be counted; one with processes of its own cannot ("No Internal Process Constraint"), and
 * is only asked for what is needed.
 */
function handingDown(
  mountPoint: string,
  above: readonly string[],
  controllers: readonly string[],
  read: (path: string) => string,
): CgroupParent[] {
  if (controllers.length === 0 && above.length === 0) return [];
  const handedBy = (path: string) =>
    (readOr(read, `${path}/cgroup.subtree_control`) ?? "").trim().split(" ").filter((name) => name !== "");
  const active = handedBy(mountPoint);
  const handing = (path: string, wanted: readonly string[], handed: readonly string[]): CgroupParent => {
    const value = wanted.filter((name) => !handed.includes(name)).map((name) => `+${name}`).join(" ");
    return { path, settings: value === "" ? [] : [{ file: "cgroup.subtree_control", value }] };
  };
  const top = handing(mountPoint, controllers, active);
  const all = [...new Set([...active, ...controllers])];
  return [
    ...(top.settings.length === 0 ? [] : [top]),
    ...above.map((each) => {
      const path = mountPoint + each;
      return handing(path, hasProcesses(path, read) ? controllers : all, handedBy(path));
    }),
  ];
}

/** Whether processes are in a cgroup itself. Of a threaded one the kernel does not tell (cgroup-v2.rst, "Threads"): it may have some. */
function hasProcesses(path: string, read: (path: string) => string): boolean {
  try {
    return (readOr(read, `${path}/cgroup.procs`) ?? "") !== "";
  } catch (error) {
    if (errnoOf(error) === EOPNOTSUPP) return true;
    throw error;
  }
}
