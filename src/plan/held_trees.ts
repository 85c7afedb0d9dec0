/**
 * Mounts that this process makes for a child with ids of its own, which may neither reach what they are of nor mount it itself. They
 * are mounted nowhere: the child has copies of their descriptors, and mounts them by these.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_RDONLY,
  O_CLOEXEC,
  O_RDONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { describeErrno, EINVAL, SystemCallError } from "../../ffi/errno.ts";
import { libcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import type { LoopDevices } from "./loop.ts";
import type { HeldTree, ImageIndex } from "./step.ts";

/** struct mount_attr (mount_setattr(2)): what is set, what is cleared, propagation, a user namespace. */
const MOUNT_ATTR_SIZE = 32;

type Folder = Extract<HeldTree, { kind: "folder" }>;

export class HeldTrees {
  readonly #descriptors = new Map<string, number>();
  #trees: readonly HeldTree[] = [];

  /**
   * Opens all of them.
   * @param loops the devices of an image's index, where it needs some
   * @throws {HostError} for a folder that is not there @throws {SystemCallError}
   */
  hold(trees: readonly HeldTree[], loops: Pick<LoopDevices, "of">): void {
    this.#trees = trees;
    for (const tree of trees) {
      const fd = tree.kind === "folder"
        ? openFolder(tree)
        : tree.kind === "index"
        ? mountIndex(loops.of(tree))
        : makeStage(tree.folders);
      this.#descriptors.set(tree.name, fd);
    }
  }

  /** Takes over a descriptor of a mount that was made elsewhere. */
  keep(name: string, fd: number): void {
    this.#descriptors.set(name, fd);
  }

  descriptor(name: string): number {
    const fd = this.#descriptors.get(name);
    if (fd === undefined) throw new Error(`nothing is held by the name ${name}`);
    return fd;
  }

  /**
   * Gives the files of those that are mapped the owners that they have for a process.
   * @param pid of one whose user namespace has its mappings
   * @throws {HostError} where a file system cannot do that
   */
  mapIds(pid: number): void {
    const mapped = this.#trees.filter(({ isMapped }) => isMapped);
    if (mapped.length === 0) return;
    const namespace = libcCall("openat", AT_FDCWD, `/proc/${pid}/ns/user`, O_RDONLY | O_CLOEXEC);
    try {
      for (const tree of mapped) mapTree(tree, this.descriptor(tree.name), namespace);
    } finally {
      libcCall("close", namespace);
    }
  }

  /** The child has mounted them, or has ended. */
  letGo(): void {
    for (const fd of this.#descriptors.values()) libcCall("close", fd);
    this.#descriptors.clear();
  }
}

function openFolder({ source, recursive }: Folder): number {
  try {
    const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
    return libcCall("open_tree", AT_FDCWD, source, flags);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const what = `cannot mount ${JSON.stringify(source)}`;
    throw new HostError({ what, why: describeErrno(error.errno), cause: error });
  }
}

/** A file system, as a mount that is nowhere (fsopen(2)). @returns a descriptor @throws {SystemCallError} */
export function makeFileSystem(
  type: string,
  flags: number,
  settings: readonly (readonly [string, string])[],
): number {
  const context = libcCall("fsopen", type, FSOPEN_CLOEXEC);
  try {
    for (const [key, value] of settings) {
      if (value === "") libcCall("fsconfig", context, FSCONFIG_SET_FLAG, key, 0, 0);
      else libcCall("fsconfig", context, FSCONFIG_SET_STRING, key, value, 0);
    }
    libcCall("fsconfig", context, FSCONFIG_CMD_CREATE, 0, 0, 0);
    return libcCall("fsmount", context, FSMOUNT_CLOEXEC, flags);
  } finally {
    libcCall("close", context);
  }
}

/** As the child itself does it where it may (mount-index): relative to the image's folder. */
function mountIndex({ index, devices, folder }: ImageIndex): number {
  const before = Deno.cwd();
  Deno.chdir(folder);
  try {
    const files = devices.map((device) => ["device", device] as const);
    return makeFileSystem("erofs", MOUNT_ATTR_RDONLY, [["ro", ""], ["source", index], ...files]);
  } finally {
    Deno.chdir(before);
  }
}

function makeStage(folders: readonly string[]): number {
  const stage = makeFileSystem("tmpfs", 0, [["source", "dhow"], ["mode", "0755"]]);
  for (const name of folders) libcCall("mkdirat", stage, name, 0o755);
  return stage;
}

function mapTree(tree: HeldTree, fd: number, namespace: number): void {
  const arena = new Arena(4096);
  try {
    const attributes = arena.allocate(MOUNT_ATTR_SIZE);
    arena.setWord(attributes, MOUNT_ATTR_IDMAP);
    arena.setWord(attributes + 24, namespace);
    const recursion = tree.kind === "folder" && tree.recursive ? AT_RECURSIVE : 0;
    libcCall("mount_setattr", fd, "", AT_EMPTY_PATH | recursion, attributes, MOUNT_ATTR_SIZE);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const name = tree.kind === "folder" ? JSON.stringify(tree.source) : "the image";
    throw new HostError({
      what: `cannot give ${name} the container's ids`,
      why: describeErrno(error.errno),
      ...(error.errno === EINVAL
        ? { hint: "its file system, or one mounted in it, has no idmapped mounts (mount_setattr(2))" }
        : {}),
      cause: error,
    });
  } finally {
    arena.release();
  }
}
