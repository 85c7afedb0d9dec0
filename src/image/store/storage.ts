/** How this host can keep and mount images. */
import { HostError } from "../../errors.ts";
import { log } from "../../log.ts";
import type { Database } from "../../state/database.ts";
import type { Paths } from "../../state/paths.ts";
import { bootId } from "../../state/process_identity.ts";

/**
 * `erofs`: layers stay tars, and an EROFS index of them is mounted (Linux 6.12, root). `unpacked`: each layer is a folder.
 */
export const STORAGES = ["erofs", "unpacked"] as const;
export type Storage = typeof STORAGES[number];

const KEY = "erofs";

/** What was found out: by which boot, and why EROFS cannot be used; null when it can. */
interface Finding {
  readonly bootId: string;
  readonly obstacle: string | null;
}

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
  const obstacle = await erofsObstacle(paths, database);
  if (obstacle === null) return "erofs";
  if (wanted === undefined) return "unpacked";
  throw new HostError({
    what: "cannot use --storage erofs",
    why: `EROFS cannot be mounted from a file in ${JSON.stringify(paths.state)} (${obstacle})`,
    hint:
      "it takes Linux 6.12 and a file system other than tmpfs; leave the choice to dhow, or use --storage unpacked",
  });
}

/** Why EROFS cannot be mounted from files in the state folder: tried once a boot, then remembered. */
async function erofsObstacle(paths: Paths, database: Database): Promise<string | null> {
  const row = database.get<{ value: string }>("SELECT value FROM host_facts WHERE key = ?", KEY);
  const known = row === undefined ? undefined : JSON.parse(row.value) as Finding;
  if (known?.bootId === bootId()) return known.obstacle;
  const { tryErofs } = await import("../erofs/mount.ts");
  const obstacle = tryErofs(paths.state);
  log.debug(obstacle === null ? "EROFS can be mounted from files" : `EROFS cannot be mounted: ${obstacle}`);
  const finding: Finding = { bootId: bootId(), obstacle };
  database.run("INSERT OR REPLACE INTO host_facts (key, value) VALUES (?, ?)", KEY, JSON.stringify(finding));
  return obstacle;
}
