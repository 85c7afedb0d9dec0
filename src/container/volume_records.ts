/** What the database knows of volumes: all that a container's start needs of them. */
import type { Database } from "../state/database.ts";
import type { Undo } from "../plan/step.ts";
import { type Paths, volumeData, volumesFolder } from "../state/paths.ts";
import { entriesIn } from "../state/read.ts";
import { newId } from "./names.ts";
import {
  type ContainerMount,
  isMounted,
  type MountRequest,
  settleMounts,
  type VolumeOptions,
} from "./mounts.ts";

/**
 * Puts the volumes on record that a new container is to have. To be called in the transaction that makes the container.
 * @param imageVolumes what the image says
 * @param inherited what comes from other containers
 */
export function registerVolumes(
  database: Database,
  requests: readonly MountRequest[],
  imageVolumes: readonly string[] = [],
  inherited: readonly ContainerMount[] = [],
): { mounts: ContainerMount[] } {
  if (requests.length === 0 && imageVolumes.length === 0 && inherited.length === 0) return { mounts: [] };
  const { mounts, anonymous } = settleMounts(requests, imageVolumes, newId, inherited);
  return {
    mounts: mounts.map((mount) => {
      if (mount.type !== "volume") return mount;
      addVolume(database, mount.name, { isAnonymous: anonymous.includes(mount.name) });
      const row = database.get<{ options: string }>("SELECT options FROM volumes WHERE name = ?", mount.name);
      const options = JSON.parse(row?.options ?? "{}") as VolumeOptions;
      // what is mounted there is not ours to be filled
      return Object.keys(options).length === 0 ? mount : { ...mount, options, noCopy: true };
    }),
  };
}

/** Puts a volume on record, if there is none of that name. @returns whether there was none */
export function addVolume(
  database: Database,
  name: string,
  { isAnonymous = false, labels = {}, options = {} }: {
    isAnonymous?: boolean;
    labels?: Readonly<Record<string, string>>;
    options?: VolumeOptions;
  } = {},
): boolean {
  if (database.get("SELECT 1 FROM volumes WHERE name = ?", name) !== undefined) return false;
  database.run(
    "INSERT INTO volumes (name, created, anonymous, labels, options) VALUES (?, ?, ?, ?, ?)",
    name,
    Date.now(),
    isAnonymous ? 1 : 0,
    JSON.stringify(labels),
    JSON.stringify(options),
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

/**
 * Puts on record that a container has its volumes mounted from now on. To be called in the transaction that starts it.
 * @returns how to take that back; empty when it has no such volume
 */
export function claimVolumeMounts(
  database: Database,
  paths: Paths,
  container: string,
  mounts: readonly ContainerMount[],
): Undo[] {
  const names = mounts.flatMap((mount) =>
    mount.type === "volume" && isMounted(mount.options) ? [mount.name] : []
  );
  for (const name of names) {
    database.run("INSERT OR IGNORE INTO volume_mounts (volume, container) VALUES (?, ?)", name, container);
  }
  if (names.length === 0) return [];
  return [{ undo: "release-volumes", folders: names.map((name) => volumeData(paths, name)) }];
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
