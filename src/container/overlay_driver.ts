/** What lays the layers of an ordinary user's containers over each other. Loaded for ordinary users only. */
import { HostError } from "../errors.ts";
import { findFuseOverlayfs, FUSE_OVERLAYFS, requireFuseOverlayfs } from "../rootfs/fuse_overlay.ts";
import type { Database } from "../state/database.ts";
import { obstacleTo } from "../state/host_facts.ts";
import type { Paths } from "../state/paths.ts";
import { openSpool } from "../state/spool.ts";

interface Context {
  readonly database: Database;
  readonly paths: Paths;
  /** Whether the user wants fuse-overlayfs, or the kernel's overlay; undefined for what the host has. */
  readonly wantsFuse?: boolean | undefined;
}

/**
 * What a new container is to have, which keeps it; undefined for the kernel's overlay.
 * @throws {HostError} when this host has neither
 */
export async function chooseDriver(context: Context): Promise<typeof FUSE_OVERLAYFS | undefined> {
  const { wantsFuse, paths } = context;
  if (wantsFuse === true) requireFuseOverlayfs(`cannot use --storage ${FUSE_OVERLAYFS}`);
  if (wantsFuse !== undefined) return wantsFuse ? FUSE_OVERLAYFS : undefined;
  const obstacle = await overlayObstacle(context);
  if (obstacle === null) return undefined;
  const found = findFuseOverlayfs();
  if (typeof found === "string") return FUSE_OVERLAYFS;
  const place = JSON.stringify(paths.state);
  throw new HostError({
    what: "cannot lay a container's files over its image's",
    why: `the kernel mounts no overlay for an ordinary user in ${place} (${obstacle}), and ${found.why}`,
    hint: `the administrator can change that: ${found.mend}; or start Linux 5.11 or later`,
  });
}

/** Why the kernel mounts no overlay in the user's namespace; null if it does. */
export async function overlayObstacle({ database, paths }: Context): Promise<string | null> {
  const attempt = async () => {
    const { tryOverlay } = await import("../rootfs/overlay_trial.ts");
    using spool = openSpool(paths);
    const trial = await tryOverlay(spool.path, true);
    return trial === "works" || trial === undefined ? null : trial.why;
  };
  // who is in a sandbox now, or has a full disk, need not be so later
  return await obstacleTo(database, "mount overlay as a user", attempt, { forgetsObstacles: true });
}
