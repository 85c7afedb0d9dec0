/** What containers with ids of their own need besides: loaded only for those. */
import { isAtLeast, parseRelease } from "../kernel_release.ts";
import type { Database } from "../state/database.ts";
import { containerState, type Paths } from "../state/paths.ts";
import { rootOnHost } from "../security/id_mappings.ts";
import { obstacleTo } from "../state/host_facts.ts";
import { isRootless } from "../state/user_namespace.ts";
import { pathExists } from "../../ffi/files.ts";
import { hasCopy } from "./copied_image.ts";
import type { IdMappings, IdMethod, Plan } from "../plan/step.ts";
import type { Lower } from "../rootfs/overlay.ts";

export { claimIds, withIds } from "./id_ranges.ts";

const KEY = "idmapped mounts";

/** The first kernel whose overlay takes layers with other owners (overlayfs.rst): 5.19. */
const FIRST_RELEASE = [5, 19] as const;

/**
 * How files become the container's: looked at once a boot, then remembered. One that has files already stays with what it has.
 * @param id of a container that is on record
 */
export async function chooseMethod(
  { database, paths }: { readonly database: Database; readonly paths: Paths },
  id?: string,
): Promise<IdMethod> {
  // only who mounted a file system may show it with other owners (mount_setattr(2))
  if (isRootless() || (id !== undefined && hasCopy(paths, id))) return "copy";
  if (id !== undefined && pathExists(`${containerState(paths, id)}/diff`)) return "mounts";
  return await findObstacle(database, paths) === null ? "mounts" : "copy";
}

/**
 * Makes what a container that was never started needs before something is written to it.
 * @throws {HostError} when the image cannot be copied
 */
export async function prepareFolder(
  context: { readonly database: Database; readonly paths: Paths },
  id: string,
  ids: IdMappings,
  lower: () => Promise<Lower>,
): Promise<void> {
  if (await chooseMethod(context) === "mounts") return;
  const { copyImage } = await import("./copy_image.ts");
  await copyImage(context, id, ids, lower);
  const { uid, gid } = rootOnHost(ids);
  for (const name of ["diff", "work"]) {
    const path = `${containerState(context.paths, id)}/${name}`;
    Deno.mkdirSync(path, { recursive: true, mode: 0o755 });
    Deno.chownSync(path, uid, gid);
  }
}

/**
 * Makes what a start needs, if there are no such mounts.
 * @throws {HostError} when the image cannot be copied
 */
export async function prepareImage(
  context: { readonly database: Database; readonly paths: Paths },
  id: string,
  { lower }: { lower: Lower },
  plan: Plan,
): Promise<void> {
  const ids = plan.steps.find((step) => step.do === "map-ids");
  if (ids?.do !== "map-ids") throw new Error("a container with ids of its own has them mapped");
  const { copyImage } = await import("./copy_image.ts");
  await copyImage(context, id, ids, () => Promise.resolve(lower));
}

function findObstacle(database: Database, { state }: Paths): Promise<string | null> {
  return obstacleTo(database, KEY, async () => {
    if (!isAtLeast(parseRelease(Deno.osRelease()), FIRST_RELEASE)) {
      return "overlay takes such mounts since Linux 5.19";
    }
    const { tryIdmapped } = await import("../plan/idmap_trial.ts");
    return await tryIdmapped(state);
  });
}
