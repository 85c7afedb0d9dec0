/** Volumes: folders that outlive containers. */
import { join } from "@std/path";
import { MNT_DETACH, UMOUNT_NOFOLLOW } from "../../ffi/constants.ts";
import { EINVAL, ENOENT, ENOTDIR } from "../../ffi/errno.ts";
import { tryLibcCall } from "../../ffi/table.ts";
import { DhowError } from "../errors.ts";
import { stepDone } from "../plan/fault.ts";
import { removeTree } from "../plan/undo.ts";
import type { Database } from "../state/database.ts";
import { type Paths, volumeData, volumesFolder } from "../state/paths.ts";
import { entriesIn } from "../state/read.ts";
import type { VolumeOptions } from "./mounts.ts";
import { newId } from "./names.ts";

/** A volume on record. */
export interface Volume {
  readonly name: string;
  /** In milliseconds since 1970. */
  readonly created: number;
  /** Whether it was made for one container, and nobody has named it. */
  readonly isAnonymous: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty for a folder of its own. */
  readonly options: VolumeOptions;
  /** How many containers have it. */
  readonly containers: number;
}

interface Row {
  readonly name: string;
  readonly created: number;
  readonly anonymous: number;
  readonly labels: string;
  readonly options: string;
  readonly containers: number;
}

const COLUMNS = `name, created, anonymous, labels, options,
  (SELECT count(DISTINCT container) FROM container_volumes WHERE volume = name) AS containers`;

const toVolume = ({ anonymous, labels, options, ...rest }: Row): Volume => ({
  ...rest,
  isAnonymous: anonymous === 1,
  labels: JSON.parse(labels),
  options: JSON.parse(options),
});

/** All volumes, by their names. */
export function allVolumes(database: Database): Volume[] {
  return database.all<Row>(`SELECT ${COLUMNS} FROM volumes ORDER BY name`).map(toVolume);
}

/** @throws {DhowError} in docker's words, when there is none of that name */
export function getVolume(database: Database, name: string): Volume {
  const volume = seekVolume(database, name);
  if (volume === undefined) throw new DhowError({ what: "No such volume", why: name });
  return volume;
}

/** The same; undefined when there is none. */
export function seekVolume(database: Database, name: string): Volume | undefined {
  const row = database.get<Row>(`SELECT ${COLUMNS} FROM volumes WHERE name = ?`, name);
  return row && toVolume(row);
}

/** Makes a volume's folder, unless it is there. */
export function makeVolumeFolder(paths: Paths, name: string): void {
  // what programs with setuid do in a volume is none of the host users' business
  Deno.mkdirSync(volumesFolder(paths), { recursive: true, mode: 0o700 });
  const data = volumeData(paths, name);
  Deno.mkdirSync(data, { recursive: true, mode: 0o755 });
}

/**
 * Removes a volume.
 * @param mayBeGone whether it is no error when there is none of that name
 * @param mayBeUsed whether it is no error when a container has it: it stays then
 * @returns whether there was one that could be removed
 * @throws {DhowError} in docker's words
 */
export function removeVolume(
  database: Database,
  paths: Paths,
  name: string,
  mayBeGone: boolean,
  mayBeUsed = false,
): boolean {
  const isRemoved = database.transaction(() => {
    if (mayBeGone && database.get("SELECT 1 FROM volumes WHERE name = ?", name) === undefined) return false;
    getVolume(database, name);
    const users = database.all<{ container: string }>(
      "SELECT DISTINCT container FROM container_volumes WHERE volume = ?",
      name,
    );
    if (users.length > 0 && mayBeUsed) return false;
    if (users.length > 0) {
      throw new DhowError({
        what: `remove ${name}`,
        why: `volume is in use - [${users.map(({ container }) => container).join(", ")}]`,
      });
    }
    database.run("DELETE FROM volumes WHERE name = ?", name);
    return true;
  });
  stepDone();
  if (isRemoved) removeOrphans(database, paths);
  return isRemoved;
}

/** Unmounts what is mounted on a volume's folder, if something is. */
export function detach(folder: string): void {
  // EINVAL: it is no mount point (any more)
  while (tryLibcCall([EINVAL, ENOENT, ENOTDIR], "umount2", folder, MNT_DETACH | UMOUNT_NOFOLLOW) === 0);
}

/** Folders that are being removed have names that no volume has. */
const REMOVED = ".removed-";

/**
 * Removes folders that are no volume's any more. They are renamed first, while nobody can make a volume of that name: else a new one
 * might lose what it holds.
 */
export function removeOrphans(database: Database, paths: Paths): void {
  const folder = volumesFolder(paths);
  for (const { name } of entriesIn(folder)) {
    if (name.startsWith(REMOVED)) {
      removeTree(join(folder, name));
      continue;
    }
    const removed = database.transaction(() => {
      if (database.get("SELECT 1 FROM volumes WHERE name = ?", name) !== undefined) return undefined;
      // what is mounted there must not be removed with it
      detach(volumeData(paths, name));
      const path = join(folder, `${REMOVED}${newId()}`);
      try {
        Deno.renameSync(join(folder, name), path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined; // another dhow was faster
        throw error;
      }
      return path;
    });
    stepDone();
    if (removed !== undefined) removeTree(removed);
  }
}
