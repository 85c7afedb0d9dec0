/**
 * Calls of a child's table that work inside the container's new root, before it is the root: on descriptors below it, never
 * by path alone. `openat2` resolves a path without leaving the root, and without following any link unless the user has named the
 * path; a mount then goes onto the descriptor that came back, so nothing can be swapped in between (CVE-2021-30465,
 * CVE-2024-45310), not even by a container that has the same volume.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  F_DUPFD_CLOEXEC,
  F_SETFL,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
  MS_SLAVE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  S_IFBLK,
  S_IFCHR,
  STATX_MNT_ID,
  STATX_TYPE,
} from "../../ffi/constants.ts";
import type { Arena } from "../../ffi/arena.ts";
import { EBADF, EEXIST, EINVAL, ENOENT, EROFS } from "../../ffi/errno.ts";
import type { Argument, Call, CallOptions } from "../../ffi/table.ts";
import type { ChildStep, MountAttribute } from "./step.ts";

/** Where struct statx has the number of a mount (Linux 5.8). */
const STX_MNT_ID = 144;

/** Adds a call to the child's table. */
export type AddCall = (name: string, args: readonly Argument[], options?: CallOptions) => Call;

type Step<Op extends ChildStep["op"]> = Extract<ChildStep, { op: Op }>;

const ATTRIBUTES: Readonly<Record<MountAttribute, number>> = {
  ro: MOUNT_ATTR_RDONLY,
  nosuid: MOUNT_ATTR_NOSUID,
  nodev: MOUNT_ATTR_NODEV,
  noexec: MOUNT_ATTR_NOEXEC,
};

/** What covers a folder. */
const COVER: readonly MountAttribute[] = ["ro", "nosuid", "nodev", "noexec"];

const attributeBits = (attributes: readonly MountAttribute[]) =>
  attributes.reduce((bits, attribute) => bits | ATTRIBUTES[attribute], 0);

/** As makedev(3) has it; mknod(2) takes the lower 32 bits. */
const deviceNumber = ({ major, minor }: { major: number; minor: number }) =>
  (minor & 0xff) + (major & 0xfff) * 2 ** 8 + (minor >>> 8) * 2 ** 20;

export class ContainerRoot {
  /** The call that opens it. */
  readonly descriptor: Call;
  /** Folders that are there, and those that are open: both until something is mounted over them. */
  readonly #made = new Set<string>();
  readonly #folders = new Map<string, Call>();
  /** The root of the container's own proc file system, opened before anything can be mounted over it. */
  #proc: Call | undefined;
  /** The null device that was made for the container; and the one that has been looked at. */
  #madeNull: Call | undefined;
  #verifiedNull: Call | undefined;
  /** struct open_how of openat2(2), by flags and mode. */
  readonly #hows = new Map<string, number>();

  /** @param path of the root on the host, made by dhow itself */
  constructor(readonly call: AddCall, readonly arena: Arena, path: string) {
    this.descriptor = call("openat", [AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC]);
  }

  #how(flags: number, mode: number, resolve: number): number {
    const key = `${flags} ${mode} ${resolve}`;
    const known = this.#hows.get(key);
    if (known !== undefined) return known;
    const how = this.arena.allocate(24);
    this.#hows.set(key, how);
    this.arena.setWord(how, flags | O_CLOEXEC);
    this.arena.setWord(how + 8, mode);
    this.arena.setWord(how + 16, resolve);
    return how;
  }

  /** Opens a path below the container's root (openat2(2)). */
  open(inRoot: string, flags: number, { mode = 0, options = {} as CallOptions, follows = false } = {}) {
    const relative = inRoot.replace(/^\/+/, "") || ".";
    const resolve = RESOLVE_IN_ROOT | (follows ? RESOLVE_NO_MAGICLINKS : RESOLVE_NO_SYMLINKS);
    const how = this.#how(flags, mode, resolve);
    return this.call("openat2", [this.descriptor, relative, how, 24], options);
  }

  #parent(inRoot: string): { folder: Call; name: string } {
    const cut = inRoot.lastIndexOf("/");
    const path = inRoot.slice(0, cut) || "/";
    let folder = this.#folders.get(path);
    if (folder === undefined) {
      folder = this.open(path, O_PATH | O_DIRECTORY);
      this.#folders.set(path, folder);
    }
    return { folder, name: inRoot.slice(cut + 1) };
  }

  /** Makes the folders of a path that are missing. */
  makeDirectories(inRoot: string, mode: number): void {
    const names = inRoot.split("/").filter((name) => name !== "");
    names.forEach((_, index) => {
      const path = `/${names.slice(0, index + 1).join("/")}`;
      if (this.#made.has(path)) return;
      this.#made.add(path);
      const { folder, name } = this.#parent(path);
      this.call("mkdirat", [folder, name, index === names.length - 1 ? mode : 0o755], { tolerate: [EEXIST] });
    });
  }

  /** The same where symlinks may be on the way. One that leads to nothing is an error later, when the path is opened. */
  #makeDirectoriesThroughLinks(inRoot: string): void {
    const names = inRoot.split("/").filter((name) => name !== "");
    names.forEach((name, index) => {
      const folder = this.open(names.slice(0, index).join("/"), O_PATH | O_DIRECTORY, { follows: true });
      this.call("mkdirat", [folder, name, 0o755], { tolerate: [EEXIST, EROFS] });
      this.call("close", [folder]);
    });
  }

  /** Puts a mount that hangs nowhere yet onto an open descriptor (move_mount(2)), that of a path in the root. */
  attach(mount: Argument, target: Call, inRoot: string, follows = false): void {
    this.call("move_mount", [mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH]);
    // few descriptors at once: the caller's limit may be low
    this.call("close", [mount]);
    this.call("close", [target]);
    // an open folder that is mounted over is still the one below
    if (follows) {
      this.#folders.clear();
      this.#made.clear();
    }
    this.#folders.delete(inRoot);
    const isHidden = (path: string) => path.startsWith(`${inRoot}/`);
    for (const path of this.#made) if (isHidden(path)) this.#made.delete(path);
    for (const path of this.#folders.keys()) if (isHidden(path)) this.#folders.delete(path);
  }

  #setAttributes(
    mount: Argument,
    attributes: readonly MountAttribute[],
    recursive: boolean,
    propagation = 0,
  ): void {
    if (attributes.length === 0 && propagation === 0) return;
    // struct mount_attr { u64 attr_set, attr_clr, propagation, userns_fd }
    const attr = this.arena.allocate(32);
    this.arena.setWord(attr, attributeBits(attributes));
    this.arena.setWord(attr + 16, propagation);
    this.call("mount_setattr", [mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), attr, 32]);
  }

  /** Makes an empty file, unless something lies there. */
  makeFile(inRoot: string, follows = false): void {
    // O_EXCL: whatever lies there already is not opened, it may be a device or a fifo
    const flags = O_CREAT | O_EXCL | O_WRONLY;
    this.open(inRoot, flags, {
      mode: 0o644,
      options: { tolerate: follows ? [EEXIST, EROFS] : [EEXIST] },
      follows,
    });
  }

  /**
   * Writes into a file of the container's /proc. It is looked for below the proc file system itself, and in no other: what is
   * mounted in there, or what a link makes of the path, is not written to (CVE-2025-52881).
   * @param path below /proc
   */
  writeProc(path: string, text: string): void {
    if (this.#proc === undefined) throw new Error("/proc must be mounted before something is written there");
    const how = this.#how(O_WRONLY, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
    const file = this.call("openat2", [this.#proc, path, how, 24]);
    const { length } = new TextEncoder().encode(text);
    this.call("write", [file, text, length], { least: length });
    this.call("close", [file]);
  }

  /**
   * Covers what a container is not to see: a folder with an empty one, a file with /dev/null. For a path that is missing no mount is
   * made: to close one that hangs nowhere, the kernel waits for all CPUs, often for a millisecond.
   * @param step of a path that may be missing
   */
  mask({ inRoot, cover }: Step<"mask">): void {
    const flags = O_PATH | (cover === "folder" ? O_DIRECTORY : 0);
    const target = this.open(inRoot, flags, { options: { tolerate: [ENOENT] } });
    const source = cover === "folder" ? this.#newFileSystem("tmpfs") : this.#null(cover);
    // there is no duplicate of it, and so no mount, where the target is -1
    const own = this.call("fcntl", [source, F_DUPFD_CLOEXEC, target], { tolerate: [EINVAL] });
    const tree = [own, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC] as const;
    const mount = cover === "folder"
      ? this.call("fsmount", [own, FSMOUNT_CLOEXEC, attributeBits(COVER)], { tolerate: [EBADF] })
      : this.call("open_tree", tree, { tolerate: [EBADF] });
    this.#attachIfThere(mount, target);
    for (const fd of [mount, own]) this.call("close", [fd], { tolerate: [EBADF] });
    if (cover === "folder") this.call("close", [source]);
    if (cover === "hosts-null") this.#remountReadOnly(inRoot, MS_NOSUID | MS_NOEXEC);
  }

  /**
   * The null device, to clone mounts of. It is the one that was made for the container in a file system of dhow's own, or else the
   * host's, read-only, so that nobody changes its mode: never what a path in the container leads to. What was opened is
   * looked at once more (CVE-2025-31133).
   */
  #null(which: "own-null" | "hosts-null"): Call {
    if (this.#verifiedNull !== undefined) return this.#verifiedNull;
    const flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    const opened = which === "own-null"
      ? this.#madeNull
      : this.call("openat", [AT_FDCWD, "/dev/null", flags]);
    if (opened === undefined) throw new Error("the container's null device must be made before it is used");
    this.#assertNull(opened);
    return this.#verifiedNull = opened;
  }

  /** The container's null device, for reading. In a /dev of the user's anything may lie there: a fifo, say, that nobody writes to. */
  openNull(): Call {
    if (this.#madeNull !== undefined) return this.open("/dev/null", O_RDONLY);
    const opened = this.open("/dev/null", O_RDONLY | O_NOCTTY | O_NONBLOCK);
    this.#assertNull(opened);
    this.call("fcntl", [opened, F_SETFL, 0]);
    return opened;
  }

  #assertNull(opened: Call): void {
    this.#assertDevice(opened, S_IFCHR | 0o400, { major: 1, minor: 3 });
  }

  /** Makes sure that a path, which is not looked for in the root but as it is, leads to the mount that is the root. */
  assertUncovered(path: string): void {
    const [own, found] = [this.arena.allocate(256), this.arena.allocate(256)]; // struct statx
    this.call("statx", [this.descriptor, "", AT_EMPTY_PATH, STATX_MNT_ID, own]);
    this.call("statx", [AT_FDCWD, path, 0, STATX_MNT_ID, found]);
    const [a, b] = [own + STX_MNT_ID, found + STX_MNT_ID];
    this.call("memcmp", [a, b, 8]);
    this.call("memcmp", [b, a, 8]);
  }

  /** memcmp(3) says which is greater: only if it is neither, the table goes on after both calls. */
  #assertSame(address: number, expected: Uint8Array): void {
    const other = this.arena.allocate(expected.length);
    this.arena.bytes.set(expected, other - this.arena.address);
    this.call("memcmp", [address, other, expected.length]);
    this.call("memcmp", [other, address, expected.length]);
  }

  /** Mounts a path over itself, read-only. One that is missing is left out. */
  makeReadOnly({ inRoot, isMounted }: Step<"make-read-only">): void {
    const attributes = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (isMounted === true) return this.#remountReadOnly(inRoot, attributes);
    const target = this.open(inRoot, O_PATH, { options: { tolerate: [ENOENT] } });
    const flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    const tree = this.call("open_tree", [target, "", flags], { tolerate: [EBADF] });
    this.#attachIfThere(tree, target);
    this.call("close", [tree], { tolerate: [EBADF] });
    this.#remountReadOnly(inRoot, attributes);
  }

  /** mount_setattr(2) came with Linux 5.12. A name in a folder of the kernel's that is open leads nowhere else. */
  #remountReadOnly(inRoot: string, attributes: number): void {
    const { folder, name } = this.#parent(inRoot);
    this.call("fchdir", [folder]);
    const flags = MS_REMOUNT | MS_BIND | MS_RDONLY | attributes;
    this.call("mount", [0, name, 0, flags, 0], { tolerate: [ENOENT] });
  }

  /** @param target an open descriptor, or -1 where there is nothing */
  #attachIfThere(mount: Call, target: Call): void {
    const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    this.call("move_mount", [mount, "", target, "", flags], { tolerate: [EBADF] });
    this.call("close", [target], { tolerate: [EBADF] });
  }

  /** Mounts a new file system (fsopen(2), fsmount(2)). */
  mount(step: Step<"mount">): void {
    const follows = step.followsLinks === true;
    this.#makeFolders(step.inRoot, follows);
    const target = this.open(step.inRoot, O_PATH | O_DIRECTORY, { follows });
    const mount = this.#newMount(step.type, step.attributes, step.options);
    this.attach(mount, target, step.inRoot, follows);
    if (step.type === "proc") this.#proc = this.open(step.inRoot, O_PATH | O_DIRECTORY);
  }

  /** A new file system that is mounted nowhere yet. */
  #newMount(
    type: string,
    attributes: readonly MountAttribute[],
    options: readonly (readonly [key: string, value: string])[] = [],
  ): Call {
    const context = this.#newFileSystem(type, options);
    const mount = this.call("fsmount", [context, FSMOUNT_CLOEXEC, attributeBits(attributes)]);
    this.call("close", [context]);
    return mount;
  }

  /** A new file system, to make a mount of (fsopen(2)). */
  #newFileSystem(type: string, options: readonly (readonly [key: string, value: string])[] = []): Call {
    const context = this.call("fsopen", [type, FSOPEN_CLOEXEC]);
    for (const [key, value] of [["source", type] as const, ...options]) {
      this.call("fsconfig", [context, FSCONFIG_SET_STRING, key, value, 0]);
    }
    this.call("fsconfig", [context, FSCONFIG_CMD_CREATE, 0, 0, 0]);
    return context;
  }

  #makeFolders(inRoot: string, follows: boolean): void {
    if (follows) this.#makeDirectoriesThroughLinks(inRoot);
    else this.makeDirectories(inRoot, 0o755);
  }

  makeDevice(step: Step<"make-device">): void {
    const mode = (step.type === "b" ? S_IFBLK : S_IFCHR) | step.mode;
    if (step.followsLinks !== undefined) this.#makeRequestedDevice(step, mode, step.followsLinks);
    else {
      const { folder, name } = this.#parent(step.inRoot);
      this.call("mknodat", [folder, name, mode, deviceNumber(step)]);
    }
    const isNull = step.inRoot === "/dev/null" && step.type === "c" && step.major === 1 && step.minor === 3;
    if (isNull) this.#madeNull = this.open(step.inRoot, O_PATH);
  }

  /** What lies there already is left as it is, but must be that device: what a link, or another container, has put there is not. */
  #makeRequestedDevice(step: Step<"make-device">, mode: number, follows: boolean): void {
    const cut = step.inRoot.lastIndexOf("/");
    const [above, name] = [step.inRoot.slice(0, cut) || "/", step.inRoot.slice(cut + 1)];
    this.#makeFolders(above, follows);
    const folder = this.open(above, O_PATH | O_DIRECTORY, { follows });
    const making = this.call("mknodat", [folder, name, mode, deviceNumber(step)], { tolerate: [EEXIST] });
    const made = this.call("openat2", [
      folder,
      name,
      this.#how(O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS),
      24,
    ]);
    this.#assertDevice(made, mode, step);
    if (step.owner !== undefined) {
      // -1, if it was there: and then there is nothing to give away
      const own = this.call("fcntl", [made, F_DUPFD_CLOEXEC, making], { tolerate: [EINVAL] });
      const { uid, gid } = step.owner;
      this.call("fchownat", [own, "", uid, gid, AT_EMPTY_PATH], { tolerate: [EBADF] });
      this.call("close", [own], { tolerate: [EBADF] });
    }
    this.call("close", [made]);
    this.call("close", [folder]);
  }

  /** The table ends here if what is open is no such device; its mode is compared without the lower byte. */
  #assertDevice(opened: Call, mode: number, { major, minor }: { major: number; minor: number }): void {
    const status = this.arena.allocate(256); // struct statx
    this.call("statx", [opened, "", AT_EMPTY_PATH, STATX_TYPE, status]);
    // the upper byte of stx_mode; stx_rdev_major and stx_rdev_minor
    this.#assertSame(status + 29, Uint8Array.of(mode >> 8));
    this.#assertSame(status + 128, new Uint8Array(Uint32Array.of(major, minor).buffer));
  }

  makeSymlink(step: Step<"make-symlink">): void {
    const { folder, name } = this.#parent(step.inRoot);
    this.call("symlinkat", [step.target, folder, name]);
  }

  /**
   * Mounts what lies somewhere on the host (open_tree(2)).
   * @param opened the source, if it has been opened before
   */
  bind(step: Step<"bind">, opened: Argument | undefined): void {
    const follows = step.followsLinks === true;
    if (step.kind === "directory") {
      this.#makeFolders(step.inRoot, follows);
    } else {
      this.#makeFolders(step.inRoot.slice(0, step.inRoot.lastIndexOf("/")), follows);
      if (step.replacesLink) {
        const { folder, name } = this.#parent(step.inRoot);
        this.call("unlinkat", [folder, name, 0]);
      }
      this.makeFile(step.inRoot, follows);
    }
    const recursion = step.recursive ? AT_RECURSIVE : 0;
    const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursion;
    const tree = opened ?? this.call("open_tree", [AT_FDCWD, step.source, flags]);
    const propagation = step.propagation === "slave" ? MS_SLAVE : 0;
    this.#setAttributes(tree, step.attributes, step.recursive, propagation);
    const directory = step.kind === "directory" ? O_DIRECTORY : 0;
    const target = this.open(step.inRoot, O_PATH | directory, { follows });
    this.attach(tree, target, step.inRoot, follows);
    if (step.inRoot === "/proc") this.#proc = this.open(step.inRoot, O_PATH | O_DIRECTORY);
  }
}
