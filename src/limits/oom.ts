/** Whether the kernel has killed something of a container because it was out of memory. */
import { readSmallFiles } from "../../ffi/files.ts";

/** `memory.events` (cgroup-v2.rst), `memory.oom_control` (cgroup-v1/memory.rst; it counts since Linux 4.13). */
const FILES = ["memory.events", "memory.oom_control"];
const LONGEST_FILE = 512;

/**
 * How many processes of a cgroup the OOM killer has ended since it was made: on cgroup v2 also those in cgroups below it.
 * @param folders a container's cgroups, with their full paths
 */
export function oomKills(folders: readonly string[]): number {
  const texts = readSmallFiles(
    folders.flatMap((folder) => FILES.map((file) => `${folder}/${file}`)),
    LONGEST_FILE,
  );
  return texts.reduce((sum, text) => sum + Number(/^oom_kill (\d+)/m.exec(text ?? "")?.[1] ?? 0), 0);
}
