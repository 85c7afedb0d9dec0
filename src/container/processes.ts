/** Which processes a container has. */
import { processesOf } from "../limits/processes.ts";
import { readIfThere } from "../state/read.ts";
import { livingProcesses } from "./process_tree.ts";
import { cgroupOf, type ContainerRecord } from "./records.ts";

/** By its cgroup; where an ordinary user's container has none, by its pid namespace, and by who has started whom. */
export function processesOfContainer(container: ContainerRecord): number[] {
  const counted = processesOf(cgroupOf(container));
  return counted.length > 0 || container.process === null ? counted : processesWith(container.process.pid);
}

/** The first process of a container, those in its pid namespace, and those that they have started. */
export function processesWith(first: number): number[] {
  const namespace = namespaceOf(first);
  const isOwn = namespace !== undefined && namespace !== namespaceOf("self");
  const found = new Set<number>([first]);
  const all = livingProcesses();
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const { pid, parent } of all) {
      if (found.has(parent) || (isOwn && namespaceOf(pid) === namespace)) found.add(pid);
    }
  }
  return [...found].sort((a, b) => a - b);
}

/** @returns undefined for a process that has ended, or is not the user's */
function namespaceOf(pid: number | "self"): string | undefined {
  try {
    return readIfThere(`/proc/${pid}/stat`) === undefined
      ? undefined
      : Deno.readLinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}
