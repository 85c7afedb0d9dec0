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
import { attachLoop, type LoopDevice } from "../plan/loop.ts";
import type { Mount } from "../plan/oci.ts";
import type { ChildStep } from "../plan/step.ts";
import { mountSteps } from "../rootfs/mounts.ts";
import { type Lower, overlaySteps } from "../rootfs/overlay.ts";
import type { Paths } from "../state/paths.ts";
import { openSpool } from "../state/spool.ts";

export interface RootSource {
  readonly lower: Lower;
  /** The container's folder below the state folder; undefined for an image, or a container that was never started. */
  readonly container: string | undefined;
  /** Whether the container's writable layer is to be written to: nobody else may have it mounted meanwhile. */
  readonly isWritable: boolean;
  /** Whether its overlay's records are attributes `user.overlay.*`. */
  readonly inUserNamespace: boolean;
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
  const steps = rootSteps(source, spool.path, (file) => loops.get(file)?.path);
  const { fd, end } = await hold(steps);
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

function rootSteps(
  { lower, container, isWritable, inUserNamespace, mounts }: RootSource,
  folder: string,
  loopOf: (file: string) => string | undefined,
): ChildStep[] {
  const makeFolder = (name: string) => {
    const path = join(folder, name);
    Deno.mkdirSync(path);
    return path;
  };
  const upper = container === undefined ? undefined : join(container, "diff");
  const steps = overlaySteps({
    lower,
    indexTarget: makeFolder("lower"),
    upper: isWritable && upper !== undefined ? upper : makeFolder("upper"),
    work: isWritable && container !== undefined ? join(container, "work") : makeFolder("work"),
    target: makeFolder("merged"),
    inUserNamespace,
    isVolatile: false,
  });
  const empty = makeFolder("empty");
  return [
    ...steps.map((step): ChildStep => {
      if (step.op === "mount-index") {
        const device = (file: string) => loopOf(resolve(step.folder, file)) ?? file;
        return { ...step, index: device(step.index), devices: step.devices.map(device) };
      }
      if (step.op !== "mount-overlay" || isWritable) return step;
      // overlay wants two layers at least when none can be written to
      const layers = [...(upper === undefined ? [] : [upper]), ...step.lower, empty];
      // what is mounted needs folders, which the container may not have yet: they go with this view
      return { ...step, lower: layers, upper: mounts.length === 0 ? undefined : step.upper };
    }),
    ...mountSteps(mounts, inUserNamespace, []),
  ];
}

/** Has a child take the steps, and wait in its mount namespace until `end`. */
async function hold(steps: readonly ChildStep[]): Promise<{ fd: number; end: () => Promise<void> }> {
  const ready = makePipe();
  const go = makePipe();
  const wait = { op: "await-release", why: "wait while the tree is used", reports: true } as const;
  const program = compileChild([...steps, wait], { ready, go });
  const pid = cloneWalking(program.table, CLONE_NEWNS);
  libcCall("close", ready.writer);
  libcCall("close", go.reader);
  const end = async () => {
    libcCall("close", go.writer);
    const status = await waitForExit(pid);
    program.table.arena.release();
    return status;
  };
  try {
    if (readByte(ready.reader) && readByte(ready.reader)) {
      const pidfd = libcCall("pidfd_open", pid, 0);
      const fd = libcCall("pidfd_getfd", pidfd, program.root?.result ?? -1, 0);
      libcCall("close", pidfd);
      return { fd, end: async () => void await end() };
    }
  } catch (error) {
    await end();
    throw error;
  } finally {
    libcCall("close", ready.reader);
  }
  libcCall("close", go.writer);
  const status = await waitForExit(pid);
  throw explainChildFailure(program, status);
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
