import {
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWNS,
  O_CLOEXEC,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { SystemCallError } from "../../ffi/errno.ts";
import { cloneWalking, STACK_SIZE, waitForExit } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { DhowError, HostError } from "../errors.ts";
import { FUSE_OVERLAYFS } from "../rootfs/fuse_overlay.ts";
import { isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { readIfThere } from "../state/read.ts";
import type { ContainerRecord } from "./records.ts";

/** A container whose program runs. */
export interface RunningContainer {
  readonly id: string;
  readonly name: string;
  /** `sha256:...` of its image. */
  readonly image: string;
  /** Its first process. */
  readonly process: ProcessIdentity;
}

/**
 * What is needed of a container that runs.
 * @param what how errors name the work: `cannot export`
 * @throws {DhowError} when its program does not run
 */
export function findRunning({ id, name, image, process }: ContainerRecord, what: string): RunningContainer {
  if (process === null || !isAlive(process) || !hasOwnRoot(process.pid, id)) {
    throw new DhowError({
      what: `${what} ${JSON.stringify(name)}`,
      why: "its program does not run (yet, or any more), or has gone to another root directory",
      hint: "try again while it runs",
    });
  }
  return { id, name, image, process };
}

/**
 * Whether a process's root is that of a container (proc_pid_mountinfo(5)), and not that of the host, as while it is being started.
 */
function hasOwnRoot(pid: number, id: string): boolean {
  const lines = (readIfThere(`/proc/${pid}/mountinfo`) ?? "").split("\n");
  return lines.some((line) => line.split(" ")[4] === "/" && isRootOf(line, id));
}

/**
 * Whether a mount is a container's own root. Both overlay and what fuse-overlayfs serves name the writable layer: and the id, which is in
 * its path, is 64 random digits.
 * @param line of mountinfo
 */
export function isRootOf(line: string, id: string): boolean {
  const [, after = ""] = line.split(" - ");
  const [type, source = "", options = ""] = after.split(" ");
  if (type === `fuse.${FUSE_OVERLAYFS}`) return source.includes(id);
  return type === "overlay" &&
    options.split(",").some((option) => option.startsWith("upperdir=") && option.includes(id));
}

/**
 * Opens the file system of a container as the image and the container's own changes make it, without what is mounted in it. A copy of
 * its root mount does that (open_tree(2)), made by a child that joins the container's mount namespace and shares its table of
 * descriptors with this process.
 * @returns a descriptor, which the caller closes
 * @throws {DhowError} when the container has ended
 */
export async function openRoot({ process }: RunningContainer, what: string): Promise<number> {
  const namespace = libcCall("openat", AT_FDCWD, `/proc/${process.pid}/ns/mnt`, O_CLOEXEC);
  const arena = new Arena(STACK_SIZE + 8192);
  try {
    // only now is it certain that the namespace is that of the container, not of another process with its pid
    assertAlive(process, what);
    const table = new CallTable(arena, 2);
    table.call("setns", [namespace, CLONE_NEWNS]);
    const root = table.call("open_tree", [AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC]);
    await waitForExit(cloneWalking(table, CLONE_FILES));
    const { failure } = table;
    if (failure === undefined) return root.result;
    const error = new SystemCallError(failure.name, failure.errno);
    throw new HostError({ what, why: error.message, cause: error });
  } finally {
    libcCall("close", namespace);
    arena.release();
  }
}

/**
 * Does work that reads a container's files. They vanish one after another when it ends: then the work was in vain, whatever it
 * made of that.
 * @throws {DhowError} when the container has ended
 */
export async function whileAlive<T>(
  { process }: RunningContainer,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const result = await work();
    assertAlive(process, what);
    return result;
  } catch (error) {
    assertAlive(process, what);
    throw error;
  }
}

function assertAlive(process: ProcessIdentity, what: string): void {
  if (!isAlive(process)) throw new DhowError({ what, why: "the container has ended meanwhile" });
}
