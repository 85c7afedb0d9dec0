/** What the database knows of volumes: all that a container's start needs of them. */
import type { Database } from "../state/database.ts";
import { type Paths, volumesFolder } from "../state/paths.ts";
import { entriesIn } from "../state/read.ts";
import { newId } from "./names.ts";
import { type ContainerMount, type MountRequest, settleMounts } from "./mounts.ts";

/**
 * Puts the volumes on record that a new container is to have. To be called in the transaction that makes the container.
 * @param imageVolumes what the image says
 */
export function registerVolumes(
  database: Database,
  requests: readonly MountRequest[],
  imageVolumes: readonly string[] = [],
): { mounts: ContainerMount[] } {
  if (requests.length === 0 && imageVolumes.length === 0) return { mounts: [] };
  const { mounts, anonymous } = settleMounts(requests, imageVolumes, newId);
  for (const mount of mounts) {
    if (mount.type === "volume") {
      addVolume(database, mount.name, { isAnonymous: anonymous.includes(mount.name) });
    }
  }
  return { mounts };
}

/** Puts a volume on record, if there is none of that name. @returns whether there was none */
export function addVolume(
  database: Database,
  name: string,
  { isAnonymous = false, labels = {} as Readonly<Record<string, string>> } = {},
): boolean {
  if (database.get("SELECT 1 FROM volumes WHERE name = ?", name) !== undefined) return false;
  database.run(
    "INSERT INTO volumes (name, created, anonymous, labels) VALUES (?, ?, ?, ?)",
    name,
    Date.now(),
    isAnonymous ? 1 : 0,
    JSON.stringify(labels),
  );
  return true;
}

/** Says which volumes a container has: none of them can be removed then. */
export function claimVolumes(database: Database, container: string, mounts: readonly ContainerMount[]): void {
  for (const mount of mounts) {
    if (mount.type !== "volume") continue;
    database.run(
      "INSERT INTO container_volumes (container, volume, target, fill) VALUES (?, ?, ?, ?)",
      container,
      mount.name,
      mount.target,
      mount.noCopy ? 0 : 1,
    );
  }
}

export function hasVolumes(database: Database, container: string): boolean {
  return database.get("SELECT 1 FROM container_volumes WHERE container = ?", container) !== undefined;
}

/**
 * Deletes a container's record. To be called in a transaction.
 * @param withVolumes whether volumes are deleted too that only it had, and that nobody has named
 * @returns the names of those: their folders remain to be removed
 */
export function forgetContainer(
  database: Database,
  id: string,
  { withVolumes }: { withVolumes: boolean },
): string[] {
  const own = withVolumes
    ? database.all<{ name: string }>(
      `SELECT DISTINCT name FROM volumes JOIN container_volumes ON volume = name WHERE container = ? AND anonymous = 1
       AND NOT EXISTS (SELECT 1 FROM container_volumes AS other WHERE other.volume = name AND other.container <> ?)`,
      id,
      id,
    ).map(({ name }) => name)
    : [];
  database.run("DELETE FROM containers WHERE id = ?", id);
  for (const name of own) database.run("DELETE FROM volumes WHERE name = ?", name);
  return own;
}

/** Whether there are folders that are no volume's: what is left of one that was removed. */
export function mayHaveOrphans(database: Database, paths: Paths): boolean {
  return entriesIn(volumesFolder(paths)).some(({ name }) =>
    database.get("SELECT 1 FROM volumes WHERE name = ?", name) === undefined
  );
}
