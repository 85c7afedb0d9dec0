/**
 * The file system of a container that does not run, or of an image: mounted in a mount namespace of its own, in which nothing runs but
 * a child that waits. dhow reads and writes it by a descriptor of its root. The host's mount table never sees it, and it goes with the
 * child, which goes with dhow.
 */
import { join, resolve } from "@std/path";
import { CLONE_NEWNS } from "../../ffi/constants.ts";
import { cloneWalking, makePipe, waitForExit } from "../../ffi/process.ts";
import { libcCall } from "../../ffi/table.ts";
import { Arena } from "../../ffi/arena.ts";
import { compileChild } from "../plan/child.ts";
import { explainChildFailure } from "../plan/failure.ts";
import { endServer, mountFuseOverlay, type ServedMount } from "../plan/fuse_overlay.ts";
import { attachLoop, type LoopDevice } from "../plan/loop.ts";
import type { Mount } from "../plan/oci.ts";
import type { ChildStep } from "../plan/step.ts";
import { mountSteps } from "../rootfs/mounts.ts";
import { requireFuseOverlayfs } from "../rootfs/fuse_overlay.ts";
import { layerFolders, type Lower, type OverlayDriver, overlaySteps } from "../rootfs/overlay.ts";
import type { Paths } from "../state/paths.ts";
import { openSpool } from "../state/spool.ts";

export interface RootSource {
  readonly lower: Lower;
  /** The container's folder below the state folder; undefined for an image, or a container that was never started. */
  readonly container: string | undefined;
  /** Whether the container's writable layer is to be written to: nobody else may have it mounted meanwhile. */
  readonly isWritable: boolean;
  readonly driver: OverlayDriver;
  /** What is to be mounted in it besides. */
  readonly mounts: readonly Mount[];
}

export interface RootView extends AsyncDisposable {
  /** A descriptor of the root, of O_PATH. */
  readonly fd: number;
}

/** @throws {HostError} when the kernel refuses a mount */
export async function viewRoot(paths: Paths, source: RootSource): Promise<RootView> {
  using resources = new DisposableStack();
  const spool = resources.use(openSpool(paths));
  const loops = new Map<string, LoopDevice>();
  const { lower } = source;
  if (lower.kind === "erofs" && lower.loop) {
    for (const file of [lower.index, ...lower.devices].map((name) => resolve(lower.folder, name))) {
      loops.set(file, resources.use(attachLoop(file)));
    }
  }
  const folders = makeFolders(source, spool.path);
  const steps = rootSteps(source, folders, (file) => loops.get(file)?.path);
  const served = source.driver === "fuse-overlayfs"
    ? await serveOverlay(source, folders, spool.path)
    : undefined;
  const { fd, end } = await hold(steps, served);
  const owned = resources.move();
  return {
    fd,
    async [Symbol.asyncDispose]() {
      libcCall("close", fd);
      await end();
      owned.dispose();
    },
  };
}

/** What a view is mounted of: folders of its own, and of the container. */
interface Folders {
  /** Laid over the image's, from the topmost on, and below the writable one. */
  readonly above: readonly string[];
  /** What is written to; undefined for nothing. */
  readonly upper: string | undefined;
  readonly work: string;
  readonly indexTarget: string;
  readonly target: string;
  readonly empty: string;
}

function makeFolders({ container, isWritable, mounts }: RootSource, folder: string): Folders {
  const [indexTarget, target, empty, upper, work] = ["lower", "merged", "empty", "upper", "work"].map(
    (name) => {
      const path = join(folder, name);
      Deno.mkdirSync(path);
      return path;
    },
  ) as [string, string, string, string, string];
  const own = { indexTarget, target, empty };
  if (container !== undefined && isWritable) {
    return { ...own, above: [], upper: join(container, "diff"), work: join(container, "work") };
  }
  return {
    ...own,
    above: container === undefined ? [] : [join(container, "diff")],
    // what is mounted needs folders, which the container may not have yet: they go with this view
    upper: isWritable || mounts.length > 0 ? upper : undefined,
    work,
  };
}

function rootSteps(
  { lower, isWritable, driver, mounts }: RootSource,
  { above, upper, work, indexTarget, target, empty }: Folders,
  loopOf: (file: string) => string | undefined,
): ChildStep[] {
  const steps = overlaySteps({
    lower,
    indexTarget,
    upper: upper ?? empty,
    work,
    target,
    driver,
    isVolatile: false,
  });
  return [
    ...steps.map((step): ChildStep => {
      if (step.op === "mount-index") {
        const device = (file: string) => loopOf(resolve(step.folder, file)) ?? file;
        return { ...step, index: device(step.index), devices: step.devices.map(device) };
      }
      if (step.op !== "mount-overlay" || isWritable) return step;
      // overlay wants two layers at least when none can be written to
      return { ...step, lower: [...above, ...step.lower, empty], upper };
    }),
    ...mountSteps(mounts, driver !== "privileged", []),
  ];
}

async function serveOverlay({ lower }: RootSource, { above, upper, work }: Folders, folder: string) {
  const path = requireFuseOverlayfs("cannot look at the container's files");
  const layers = [...above, ...layerFolders(lower)];
  return await mountFuseOverlay({ path, lower: layers, upper, work, isVolatile: false, folder });
}

/**
 * Has a child take the steps, and wait in its mount namespace until `end`.
 * @param served what it has to mount that is not the kernel's
 */
async function hold(
  steps: readonly ChildStep[],
  served: ServedMount | undefined,
): Promise<{ fd: number; end: () => Promise<void> }> {
  const ready = makePipe();
  const go = makePipe();
  const wait = { op: "await-release", why: "wait while the tree is used", reports: true } as const;
  const held = served && { descriptor: () => served.fd };
  const program = compileChild([...steps, wait], { ready, go, held });
  const pid = cloneWalking(program.table, CLONE_NEWNS);
  if (served !== undefined) libcCall("close", served.fd);
  libcCall("close", ready.writer);
  libcCall("close", go.reader);
  const endChild = async () => {
    libcCall("close", go.writer);
    const status = await waitForExit(pid);
    if (served !== undefined) await endServer(served.process);
    return status;
  };
  const end = async () => {
    await endChild();
    program.table.arena.release();
  };
  try {
    if (readByte(ready.reader) && readByte(ready.reader)) {
      const pidfd = libcCall("pidfd_open", pid, 0);
      const fd = libcCall("pidfd_getfd", pidfd, program.root?.result ?? -1, 0);
      libcCall("close", pidfd);
      return { fd, end };
    }
  } catch (error) {
    await end();
    throw error;
  } finally {
    libcCall("close", ready.reader);
  }
  throw explainChildFailure(program, await endChild());
}

/** @returns false at the end of the pipe: the child has failed */
function readByte(fd: number): boolean {
  const arena = new Arena(4096);
  try {
    return libcCall("read", fd, arena.allocate(1), 1) === 1;
  } finally {
    arena.release();
  }
}
