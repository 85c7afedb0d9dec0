/** The copy of its image that a container with ids of its own has where files cannot be shown with other owners. */
import { pathExists } from "../../ffi/files.ts";
import type { IdMappings } from "../plan/step.ts";
import type { Lower } from "../rootfs/overlay.ts";
import { containerState, type Paths } from "../state/paths.ts";
import type { ContainerRecord } from "./records.ts";

/** The folder of the copy. It is there once it is complete. */
export const copyFolder = (paths: Paths, id: string) => `${containerState(paths, id)}/image`;

export function copiedImage(paths: Paths, id: string): Lower {
  return { kind: "folders", layers: [copyFolder(paths, id)] };
}

/** The ids of a container whose files have, on the disk, the owners that they have on the host. */
export function idsOnDisk(paths: Paths, { id, config }: ContainerRecord): IdMappings | undefined {
  const { ids } = config.options;
  return ids !== undefined && pathExists(copyFolder(paths, id)) ? ids : undefined;
}

/** What a container's writable layer lies over: its copy, or else its image. */
export async function lowerOnDisk(
  paths: Paths,
  container: ContainerRecord,
  image: () => Promise<Lower>,
): Promise<Lower> {
  return idsOnDisk(paths, container) === undefined ? await image() : copiedImage(paths, container.id);
}
