/** How the hierarchies of cgroup v1 come into a container that sees them. */
import { hierarchies, hierarchyOptions } from "./cgroup.ts";

/** A hierarchy, to be mounted once more. */
export interface CgroupMount {
  /** Of its folder, as the host has it: `cpu,cpuacct`. */
  readonly name: string;
  /** What tells it from the others: its controllers, or `name=...`. */
  readonly options: readonly string[];
}

/** @param mountinfo the text of /proc/self/mountinfo */
export function cgroupMountsV1(mountinfo: string): CgroupMount[] {
  return hierarchies(mountinfo).filter(({ version }) => version === 1).map((hierarchy) => ({
    name: hierarchy.mountPoint.slice(hierarchy.mountPoint.lastIndexOf("/") + 1),
    options: hierarchyOptions(hierarchy),
  }));
}
