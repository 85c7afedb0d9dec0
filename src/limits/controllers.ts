import { cgroupVersion, hierarchies } from "./cgroup.ts";

/** A container's cgroup in the hierarchy of one controller. */
export interface ControllerFolder {
  readonly version: 1 | 2;
  /** A container that is not up has none there. */
  readonly path: string;
}

/** Finds the cgroups of containers on this host, by the controllers that count or hold their processes. */
export class ControllerFolders {
  readonly #mounted = hierarchies(Deno.readTextFileSync("/proc/self/mountinfo"));
  readonly #version = cgroupVersion(this.#mounted);

  /**
   * @param cgroup a container's, as cgroupName gives it
   * @returns undefined when this host does not have the controller
   */
  find(controller: string, cgroup: string): ControllerFolder | undefined {
    const version = this.#version;
    const found = this.#mounted.find((hierarchy) =>
      hierarchy.version === version && (version === 2 || hierarchy.options.includes(controller))
    );
    return found && { version, path: found.mountPoint + cgroup };
  }
}
