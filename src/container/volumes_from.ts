/** `--volumes-from`: what another container has mounted. */
import type { Database } from "../state/database.ts";
import type { ContainerMount } from "./mounts.ts";
import type { VolumesFrom } from "./options.ts";
import { findContainer } from "./records.ts";

/**
 * The mounts of other containers: their volumes, and paths of the host; of those in one place the last.
 * @throws {DhowError} in docker's words, when there is no such container
 */
export function inheritedMounts(database: Database, from: readonly VolumesFrom[]): ContainerMount[] {
  const mounts = new Map<string, ContainerMount>();
  for (const { container, mode } of from) {
    for (const mount of findContainer(database, container).config.mounts ?? []) {
      if (mount.type === "tmpfs") continue;
      const readOnly = mount.readOnly || mode.split(",").includes("ro");
      // what it has was filled for the other one
      const copied = mount.type === "volume" ? { ...mount, noCopy: true } : mount;
      mounts.delete(mount.target);
      mounts.set(mount.target, { ...copied, readOnly });
    }
  }
  return [...mounts.values()];
}
