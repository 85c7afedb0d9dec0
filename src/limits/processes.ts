import { entriesIn, readIfThere } from "../state/read.ts";
import { ControllerFolders } from "./controllers.ts";

/** Controllers whose hierarchy has every container's processes; a host may have but one of them. */
const ANY = ["pids", "memory", "freezer", "cpuacct", "devices", "blkio"];

/** The pids of a container's processes, also of those in cgroups that it has made itself. */
export function processesOf(id: string): number[] {
  const folders = new ControllerFolders();
  const folder = ANY.map((name) => folders.find(name, id)).find((found) => found !== undefined);
  return folder === undefined ? [] : [...new Set(pidsBelow(folder.path))].sort((a, b) => a - b);
}

function pidsBelow(path: string): number[] {
  const own = readIfThere(`${path}/cgroup.procs`)?.trim().split("\n").filter((line) => line !== "") ?? [];
  const inner = entriesIn(path).filter(({ isDirectory }) => isDirectory);
  return [...own.map(Number), ...inner.flatMap(({ name }) => pidsBelow(`${path}/${name}`))];
}
