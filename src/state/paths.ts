import { join } from "@std/path";

/** Where dhow keeps things on a host. */
export interface Paths {
  /** Images, layers, containers, the database: survives a reboot. */
  readonly state: string;
  /** What dies with the boot: mount points and files of running containers, locks. */
  readonly run: string;
}

/**
 * @param root the folder given with `--root`, which then holds both; without it they are where the file system
 *   hierarchy standard puts them
 */
export function pathsUnder(root?: string): Paths {
  return root === undefined
    ? { state: "/var/lib/dhow", run: "/run/dhow" }
    : { state: root, run: join(root, "run") };
}

export function databasePath(paths: Paths): string {
  return join(paths.state, "dhow.db");
}

/** Layers lie below this folder under short numbers, because overlay's options must fit one page. */
export function layersFolder(paths: Paths): string {
  return join(paths.state, "layers");
}

/** Where commands keep what they need while they run. */
export function spoolFolder(paths: Paths): string {
  return join(paths.state, "spool");
}

/** EROFS indexes of images. */
export function indexesFolder(paths: Paths): string {
  return join(paths.state, "indexes");
}

/** Copies of images for containers with ids of their own. */
export function copiesFolder(paths: Paths): string {
  return join(paths.state, "copies");
}

/** Each volume has a folder there, with its files in `_data`. */
export function volumesFolder(paths: Paths): string {
  return join(paths.state, "volumes");
}

export function volumeData(paths: Paths, name: string): string {
  return join(volumesFolder(paths), name, "_data");
}

export function containersFolder(paths: Paths): string {
  return join(paths.state, "containers");
}

export function containerState(paths: Paths, id: string): string {
  return join(containersFolder(paths), id);
}

export function containerRun(paths: Paths, id: string): string {
  return join(paths.run, "containers", id);
}
