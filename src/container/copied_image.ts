/** The copy of its image that a container with ids of its own has where files cannot be shown with other owners. */
import type { IdMappings } from "../plan/step.ts";
import type { Lower } from "../rootfs/overlay.ts";
import { containerState, type Paths } from "../state/paths.ts";
import type { ContainerRecord } from "./records.ts";

/** The tree in the folder of a copy, which is the container root's alone: setuid programs are none of the host users' business. */
export const COPIED_TREE = "image";

/** A link to the folder of the copy (src/image/store/copies.ts), in the container's own. It is there once the copy is. */
export const copyLink = (paths: Paths, id: string) => `${containerState(paths, id)}/copy`;

/** Whether a container has a copy, even one that somebody has taken away. */
export function hasCopy(paths: Paths, id: string): boolean {
  try {
    return Deno.lstatSync(copyLink(paths, id)).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export function copiedImage(paths: Paths, id: string): Lower {
  return { kind: "folders", layers: [`${copyLink(paths, id)}/${COPIED_TREE}`] };
}

/** The copy that a script makes, which has it in the container's own folder. */
export function copyOfScript(paths: Paths, id: string): Lower {
  return { kind: "folders", layers: [`${containerState(paths, id)}/${COPIED_TREE}`] };
}

/** The ids of a container whose files have, on the disk, the owners that they have on the host. */
export function idsOnDisk(paths: Paths, { id, config }: ContainerRecord): IdMappings | undefined {
  const { ids } = config.options;
  return ids !== undefined && hasCopy(paths, id) ? ids : undefined;
}

/** What a container's writable layer lies over: its copy, or else its image. */
export async function lowerOnDisk(
  paths: Paths,
  container: ContainerRecord,
  image: () => Promise<Lower>,
): Promise<Lower> {
  return idsOnDisk(paths, container) === undefined ? await image() : copiedImage(paths, container.id);
}
