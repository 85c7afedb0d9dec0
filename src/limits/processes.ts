import { eachCgroup, killAllIn, pidsIn } from "../plan/cgroup_tree.ts";
import { ControllerFolders } from "./controllers.ts";

/** Controllers whose hierarchy has every container's processes; a host may have but one of them. */
const ANY = ["pids", "memory", "freezer", "cpuacct", "devices", "blkio"];

/** A cgroup of a container's that has all of its processes, itself or below it. */
function folderOf(cgroup: string): string | undefined {
  const folders = new ControllerFolders();
  return ANY.map((name) => folders.find(name, cgroup)).find((found) => found !== undefined)?.path;
}

/**
 * The pids of a container's processes, also of those in cgroups that it has made itself.
 * @param cgroup its own, as cgroupName gives it
 */
export function processesOf(cgroup: string): number[] {
  const folder = folderOf(cgroup);
  return folder === undefined ? [] : [...processesIn(folder)].sort((a, b) => a - b);
}

/**
 * The pids in a cgroup and below it.
 * @param folder its path
 */
export function processesIn(folder: string): Set<number> {
  const pids = new Set<number>();
  eachCgroup(folder, (path) => pidsIn(path).forEach((pid) => pids.add(pid)));
  return pids;
}

/** Kills all processes of a container. */
export function killProcessesOf(cgroup: string): void {
  const folder = folderOf(cgroup);
  if (folder !== undefined) killAllIn(folder);
}
