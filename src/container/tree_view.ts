/** The files of a container, whether it runs or not, by a descriptor of its root. */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { libcCall } from "../../ffi/table.ts";
import { DhowError } from "../errors.ts";
import { pathExists } from "../../ffi/files.ts";
import { join } from "@std/path";
import type { Database } from "../state/database.ts";
import { stepDone } from "../plan/fault.ts";
import { containerState, type Paths } from "../state/paths.ts";
import { identify, isAlive } from "../state/process_identity.ts";
import { arrangeMounts } from "../rootfs/mounts.ts";
import type { IdMappings } from "../plan/step.ts";
import type { Lower } from "../rootfs/overlay.ts";
import { rootOnHost } from "../security/id_mappings.ts";
import { idsOnDisk, lowerOnDisk } from "./copied_image.ts";
import { findSources } from "./mount_sources.ts";
import { type ContainerRecord, getContainer, isRunning, NOBODY } from "./records.ts";
import { findRunning } from "./running.ts";
import { type RootView, viewRoot } from "./root_view.ts";
import { driverOf } from "./user_namespace.ts";

export interface ViewOptions {
  /** How errors name the work: `cannot copy`. */
  readonly what: string;
  readonly isWritable: boolean;
  /** Whether what is mounted in it is seen as well. */
  readonly withMounts: boolean;
  /** Finds the image of a container that does not run. */
  readonly lower: (container: ContainerRecord) => Promise<Lower>;
}

/**
 * @param root a descriptor of it
 * @param ids of the container, where its files have the owners that they have on the host
 */
export type TreeWork<T> = (root: number, ids: IdMappings | undefined) => Promise<T>;

/**
 * Opens a container's root, does some work with it, and looks afterwards whether the container has been started, has ended or was
 * removed meanwhile: then the work was in vain.
 * @throws {DhowError} when that is so
 */
export async function withRoot<T>(
  context: { readonly database: Database; readonly paths: Paths },
  container: ContainerRecord,
  options: ViewOptions,
  work: TreeWork<T>,
): Promise<T> {
  if (isRunning(container)) return await withRunning(container, options, work);
  return options.isWritable
    ? await withLocked(context, container, options, work)
    : await withStopped(context, container, options, work);
}

/** A container that runs is seen as its own first process sees it: with all that is mounted in it. */
async function withRunning<T>(
  container: ContainerRecord,
  { what, isWritable }: ViewOptions,
  work: TreeWork<T>,
): Promise<T> {
  // before it has a root of its own, that of its process is the host's
  const { process } = findRunning(container, what);
  const root = libcCall("openat", AT_FDCWD, `/proc/${process.pid}/root`, O_PATH | O_DIRECTORY | O_CLOEXEC);
  try {
    // only now is it certain that the root is that of the container, not of another process with its pid
    if (!isAlive(process)) throw new DhowError({ what, why: "the container has ended meanwhile" });
    return await workInside(root, container.config.options.ids, isWritable, work);
  } finally {
    libcCall("close", root);
  }
}

/** What is made where files have the owners that they have on the host is made by the container's root. */
async function workInside<T>(
  root: number,
  ids: IdMappings | undefined,
  isWritable: boolean,
  work: TreeWork<T>,
): Promise<T> {
  if (ids === undefined || !isWritable) return await work(root, ids);
  const { actingAs } = await import("./acting_as.ts");
  return await actingAs(rootOnHost(ids), () => work(root, ids));
}

async function openStopped(
  context: { readonly database: Database; readonly paths: Paths },
  container: ContainerRecord,
  { isWritable, withMounts, lower }: ViewOptions,
): Promise<RootView> {
  const { paths } = context;
  const { id, config } = container;
  const { ids } = config.options;
  const folder = containerState(paths, id);
  const upper = join(folder, "diff");
  const wasStarted = pathExists(upper);
  if (isWritable && !wasStarted) {
    if (ids !== undefined) {
      const { prepareFolder } = await import("./own_ids.ts");
      await prepareFolder(context, id, ids, () => lower(container));
    }
    Deno.mkdirSync(upper, { recursive: true, mode: 0o755 });
    Deno.mkdirSync(join(folder, "work"), { recursive: true, mode: 0o755 });
    Deno.chmodSync(folder, 0o700);
  }
  const own = withMounts ? (config.mounts ?? []).filter(({ type }) => type !== "tmpfs") : [];
  const mounts = findSources(own, paths).mounts.map((mount) => ({
    ...mount,
    options: mount.options.filter((option) => !/^r?(shared|slave|private)$/.test(option)),
  }));
  return await viewRoot(paths, {
    lower: await lowerOnDisk(paths, container, () => lower(container)),
    container: isWritable || wasStarted ? folder : undefined,
    isWritable,
    driver: driverOf(config.options),
    mounts: arrangeMounts([], mounts),
  });
}

async function withStopped<T>(
  context: { readonly database: Database; readonly paths: Paths },
  container: ContainerRecord,
  options: ViewOptions,
  work: TreeWork<T>,
): Promise<T> {
  return await whileStopped(context.database, container, options.what, async () => {
    const { paths } = context;
    await using view = await openStopped(context, container, options);
    return await work(view.fd, idsOnDisk(paths, container));
  });
}

/**
 * Does work that reads the files of a container that does not run.
 * @throws {DhowError} when it was started or removed meanwhile
 */
export async function whileStopped<T>(
  database: Database,
  { id, started }: ContainerRecord,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  const assertSame = () => {
    const now = getContainer(database, id);
    if (now.owner === null && now.started === started) return;
    throw new DhowError({
      what,
      why: "the container was started meanwhile, or another command is at it",
      hint: "try again",
    });
  };
  assertSame();
  try {
    const result = await work();
    assertSame();
    return result;
  } catch (error) {
    assertSame();
    throw error;
  }
}

/** Nobody can start it meanwhile: this process is its owner. Should it be killed, the next command sees that. */
async function withLocked<T>(
  context: { readonly database: Database; readonly paths: Paths },
  container: ContainerRecord,
  options: ViewOptions,
  work: TreeWork<T>,
): Promise<T> {
  const { database, paths } = context;
  const { id } = container;
  const owner = JSON.stringify(identify(Deno.pid));
  database.transaction(() => {
    if (getContainer(database, id).owner !== null) {
      throw new DhowError({
        what: options.what,
        why: "the container was started meanwhile, or another command is at it",
        hint: "try again",
      });
    }
    database.run("UPDATE containers SET owner = ? WHERE id = ?", owner, id);
  });
  stepDone();
  try {
    await using view = await openStopped(context, container, options);
    stepDone();
    return await workInside(view.fd, idsOnDisk(paths, container), true, work);
  } finally {
    database.run("UPDATE containers SET owner = ? WHERE id = ? AND owner = ?", NOBODY, id, owner);
  }
}
