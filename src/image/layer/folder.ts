/** The folder that a layer is unpacked into: what is done in it, as calls for a queue. Needs root. */
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from "../../../ffi/constants.ts";
import { ENOENT, EOPNOTSUPP, SystemCallError } from "../../../ffi/errno.ts";
import { type Call, libcCall } from "../../../ffi/table.ts";
import { type ByteString, toBytes } from "../tar/byte_string.ts";
import type { CallQueue } from "./call_queue.ts";
import { isTrashed } from "./skeleton.ts";
import { type Directory, pathOf, type Placement } from "./tree.ts";
import { keptXattrs } from "./xattrs.ts";
import type { TarEntry } from "../tar/decoder.ts";
import { isRootless } from "../../state/user_namespace.ts";
import { ownerHere } from "./owner.ts";

/** Until its true mode is set, at the very end, a directory is nobody else's business. */
const DIRECTORY_MODE_MEANWHILE = 0o700;

/** The value of trusted.overlay.opaque: "y". */
const OPAQUE = Uint8Array.of(0x79);

/** A device that could not be made. */
const MAYBE_LEFT_OUT = { tolerate: [ENOENT] };

/** A descriptor: an earlier call of the same group, or a number that outlives the group. */
export type Descriptor = Call | number;

export class LayerFolder {
  readonly #rootFd: number;
  readonly #trashFd: number;
  /** Descriptors with fixed numbers, so that calls of any group can name them: dup3(2) puts there what is meant. */
  readonly #parentFd: number;
  readonly #linkFd: number;
  readonly #fileFd: number;
  #parent: Directory | undefined;
  #trashed = 0;
  readonly #supported = new Map<string, boolean>();
  readonly #umask = Deno.umask();

  /**
   * @param root the folder: exists, is empty, and nobody else writes into it
   * @param trash another one on the same file system, for what is replaced
   */
  constructor(readonly queue: CallQueue, root: string, trash: string) {
    const open = (path: string) => libcCall("openat", AT_FDCWD, path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    this.#rootFd = open(root);
    this.#trashFd = open(trash);
    this.#parentFd = open(root);
    this.#linkFd = open(root);
    this.#fileFd = open(root);
    // without a group of its own to hand down, as a folder with setgid would
    libcCall("fchown", this.#rootFd, 0, 0);
    libcCall("fchmod", this.#rootFd, DIRECTORY_MODE_MEANWHILE);
  }

  close(): void {
    for (const fd of [this.#rootFd, this.#trashFd, this.#parentFd, this.#linkFd, this.#fileFd]) {
      libcCall("close", fd);
    }
  }

  /**
   * Starts the calls that put something in its place: its folder open, what the layer itself had there gone.
   * @returns the address of its name
   */
  begin({ parent, name, replaced }: Placement, entryName: ByteString): number {
    this.queue.begin(entryName);
    this.#open(parent);
    const address = this.queue.string(name);
    if (replaced !== undefined && isTrashed(replaced)) {
      this.queue.call("renameat", [this.#parentFd, address, this.#trashFd, String(this.#trashed++)]);
    } else if (replaced !== undefined) {
      this.queue.call("unlinkat", [this.#parentFd, address, 0], isRootless() ? MAYBE_LEFT_OUT : {});
    }
    return address;
  }

  /** Puts a directory's descriptor where calls expect the parent's. */
  #open(directory: Directory): void {
    if (directory === this.#parent) return;
    this.#openAt(directory, this.#parentFd);
    this.#parent = directory;
  }

  #openAt(directory: Directory, fd: number): void {
    const { arena } = this.queue;
    // struct open_how of openat2(2). The tree knows every symlink, so there must be none left to meet on the way.
    const how = arena.allocate(24);
    arena.setWord(how, O_DIRECTORY | O_CLOEXEC);
    arena.setWord(how + 8, 0);
    arena.setWord(how + 16, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    const opened = this.queue.call("openat2", [
      this.#rootFd,
      this.queue.string(pathOf(directory)),
      how,
      24,
    ]);
    this.queue.call("dup3", [opened, fd, O_CLOEXEC]);
    this.queue.call("close", [opened]);
  }

  /** A directory; what `setAttributes` does comes when all is in it. */
  mkdir(name: number): void {
    this.queue.call("mkdirat", [this.#parentFd, name, DIRECTORY_MODE_MEANWHILE]);
  }

  /** Overlay's whiteout. */
  whiteout(name: number): void {
    this.queue.call("mknodat", [this.#parentFd, name, S_IFCHR, 0]);
  }

  /** Takes away what is no directory. */
  remove(parent: Directory, name: ByteString): void {
    this.queue.begin(name);
    this.#open(parent);
    this.queue.call("unlinkat", [this.#parentFd, this.queue.string(name), 0]);
  }

  link(parent: Directory, name: number, target: NonNullable<Placement["target"]>): void {
    if (target.parent !== parent) this.#openAt(target.parent, this.#linkFd);
    const from = target.parent === parent ? this.#parentFd : this.#linkFd;
    // without AT_SYMLINK_FOLLOW: a link to a symlink is a second name of the symlink
    const names = [from, this.queue.string(target.name), this.#parentFd, name, 0];
    this.queue.call("linkat", names, isRootless() ? MAYBE_LEFT_OUT : {});
  }

  symlink(placement: Placement, name: number, entry: TarEntry): void {
    this.queue.call("symlinkat", [this.queue.string(entry.link), this.#parentFd, name]);
    if (!isRoots(entry)) this.#own(name, entry);
    this.queue.call("utimensat", [this.#parentFd, name, this.#times(entry), AT_SYMLINK_NOFOLLOW]);
    this.#setXattrs(placement.name, entry);
  }

  /** A device or a FIFO. */
  mknod(placement: Placement, name: number, entry: TarEntry): void {
    // a user namespace cannot make devices; its containers have none but those in their /dev
    if (entry.type !== "fifo" && isRootless()) return;
    const type = entry.type === "char" ? S_IFCHR : entry.type === "block" ? S_IFBLK : S_IFIFO;
    this.queue.call("mknodat", [this.#parentFd, name, type, makeDevice(entry.major, entry.minor)]);
    this.#own(name, entry);
    this.queue.call("fchmodat", [this.#parentFd, name, entry.mode, 0]);
    this.queue.call("utimensat", [this.#parentFd, name, this.#times(entry), AT_SYMLINK_NOFOLLOW]);
    this.#setXattrs(placement.name, entry);
  }

  #own(name: number, entry: TarEntry): void {
    const { uid, gid } = ownerHere(entry);
    this.queue.call("fchownat", [this.#parentFd, name, uid, gid, AT_SYMLINK_NOFOLLOW]);
  }

  /**
   * Makes a file, to be written.
   * @param isShort whether all that is done with it belongs to this group of calls
   */
  create(name: number, entry: TarEntry, isShort: boolean): Descriptor {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const mode = this.#comesRight(entry) ? entry.mode : 0o600;
    const fd = this.queue.call("openat", [this.#parentFd, name, flags, mode]);
    if (isShort) return fd;
    this.queue.call("dup3", [fd, this.#fileFd, O_CLOEXEC]);
    this.queue.call("close", [fd]);
    return this.#fileFd;
  }

  /** Completes a file whose data are written: what remains are its attributes. */
  finish(fd: Descriptor, placement: Placement, entry: TarEntry): void {
    if (entry.sparse !== undefined) this.queue.call("ftruncate", [fd, entry.sparse.size]);
    if (!this.#comesRight(entry)) {
      const { uid, gid, mode } = ownerHere(entry);
      this.queue.call("fchown", [fd, uid, gid]);
      // chown clears setuid and setgid, so the mode comes after it
      this.queue.call("fchmod", [fd, mode]);
    }
    this.queue.call("futimens", [fd, this.#times(entry)]);
    if (fd !== this.#fileFd) this.queue.call("close", [fd]);
    this.#setXattrs(placement.name, entry);
  }

  /** Whether a file has its owner and mode from its first moment, as most have. */
  #comesRight(entry: TarEntry): boolean {
    return isRoots(entry) && (entry.mode & (this.#umask | 0o7000)) === 0;
  }

  /** Sets a directory's attributes, once nothing in it changes any more. */
  setAttributes(parent: Directory, name: ByteString, { entry, opaque }: Directory): void {
    this.queue.begin(entry?.name ?? name);
    this.#open(parent);
    const address = this.queue.string(name);
    if (entry !== undefined && !isRoots(entry)) this.#own(address, entry);
    this.queue.call("fchmodat", [this.#parentFd, address, entry?.mode ?? 0o755, 0]);
    this.queue.call("utimensat", [this.#parentFd, address, this.#times(entry), AT_SYMLINK_NOFOLLOW]);
    if (entry !== undefined) this.#setXattrs(name, entry);
    if (opaque) {
      if (!isRootless()) this.#setXattr(name, "trusted.overlay.opaque", OPAQUE);
      // what overlay looks at in a user namespace (its option userxattr)
      if (this.#isSupported("user.overlay.opaque")) this.#setXattr(name, "user.overlay.opaque", OPAQUE);
    }
  }

  /** A file's extended attributes. They come after its owner and mode: changing those takes away its capabilities. */
  #setXattrs(name: ByteString, entry: TarEntry): void {
    for (const [key, value] of keptXattrs(entry)) {
      // the first user namespace's root alone may set these
      if (isRootless() && /^(trusted\.|security\.(?!capability$))/.test(key)) continue;
      if (!this.#isSupported(key)) continue;
      this.queue.begin(entry.name);
      this.#setXattr(name, key, value);
    }
  }

  /** There is no setxattrat(2) before Linux 6.13; /proc stands in for it. */
  #setXattr(name: ByteString, key: ByteString, value: Uint8Array): void {
    const path = this.queue.string(`/proc/self/fd/${this.#parentFd}/${name}`);
    const address = this.queue.arena.data(value);
    this.queue.call("lsetxattr", [path, this.queue.string(key), address, value.length, 0]);
  }

  /** Whether the file system keeps such attributes at all. Where it does not, they are left out, as docker does. */
  #isSupported(key: ByteString): boolean {
    // the access control lists in "system" are supported one by one
    const kind = key.startsWith("system.") ? key : key.slice(0, key.indexOf("."));
    let supported = this.#supported.get(kind);
    if (supported === undefined) {
      supported = true;
      try {
        libcCall("lgetxattr", `/proc/self/fd/${this.#trashFd}/.`, toBytes(key), 0, 0);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        supported = error.errno !== EOPNOTSUPP;
      }
      this.#supported.set(kind, supported);
    }
    return supported;
  }

  /** struct timespec[2]: access time and modification time are the same; 1970 where no header has one. */
  #times(entry: TarEntry | undefined): number {
    const { mtime, mtimeNanoseconds } = entry ?? { mtime: 0, mtimeNanoseconds: 0 };
    const { arena } = this.queue;
    const times = arena.allocate(32);
    for (const at of [times, times + 16]) {
      arena.setWord(at, mtime);
      arena.setWord(at + 8, mtimeNanoseconds);
    }
    return times;
  }
}

function isRoots({ uid, gid }: TarEntry): boolean {
  return uid === 0 && gid === 0;
}

/** makedev(3) of glibc. */
function makeDevice(major: number, minor: number): number {
  return (minor & 0xff) + ((major & 0xfff) << 8) + (minor >>> 8) * 0x100000;
}
