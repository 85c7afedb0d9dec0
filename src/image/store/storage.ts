/** How this host can keep and mount images. */
import { HostError } from "../../errors.ts";
import type { Database } from "../../state/database.ts";
import { obstacleTo } from "../../state/host_facts.ts";
import type { Paths } from "../../state/paths.ts";
import { isRootless } from "../../state/user_namespace.ts";

/**
 * `erofs`: layers stay tars, and an EROFS index of them is mounted (Linux 6.12). `loop`: the same by way of loop devices (Linux 6.4;
 * any file system). `unpacked`: each layer is a folder. The best comes first.
 */
export const STORAGES = ["erofs", "loop", "unpacked"] as const;
export type Storage = typeof STORAGES[number];

/** The ways to mount an index. */
export type IndexMount = Exclude<Storage, "unpacked">;
const INDEX_MOUNTS = STORAGES.filter((storage) => storage !== "unpacked");

const NEEDS: Readonly<Record<IndexMount, string>> = {
  erofs: "it takes Linux 6.12 and a file system other than tmpfs",
  loop: "it takes Linux 6.4 and loop devices",
};

/**
 * The storage to use.
 * @param wanted what the user asked for; undefined for the best that the host has
 * @throws {HostError} when the host cannot do what the user asked for
 */
export async function chosenStorage(
  paths: Paths,
  database: Database,
  wanted: Storage | undefined,
): Promise<Storage> {
  if (wanted === "unpacked") return wanted;
  if (isRootless()) {
    if (wanted === undefined) return "unpacked";
    throw new HostError({
      what: `cannot use --storage ${wanted}`,
      why: "only root can mount EROFS: an ordinary user's images are unpacked",
      hint: "leave the choice to dhow, or use --storage unpacked",
    });
  }
  if (wanted === undefined) {
    for (const mount of INDEX_MOUNTS) if (await findObstacle(paths, database, mount) === null) return mount;
    return "unpacked";
  }
  const obstacle = await findObstacle(paths, database, wanted);
  if (obstacle === null) return wanted;
  throw new HostError({
    what: `cannot use --storage ${wanted}`,
    why: `EROFS cannot be mounted like that from files in ${JSON.stringify(paths.state)} (${obstacle})`,
    hint: `${NEEDS[wanted]}; leave the choice to dhow, or use --storage unpacked`,
  });
}

/** Why an index in the state folder cannot be mounted. */
function findObstacle(paths: Paths, database: Database, mount: IndexMount): Promise<string | null> {
  return obstacleTo(database, `mount ${mount}`, async () => {
    const { tryMount } = await import("../erofs/mount.ts");
    return tryMount(paths.state, mount);
  });
}
