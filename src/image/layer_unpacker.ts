/** Writes a layer's tar into a folder, in the form that overlay takes as a lower layer. Needs root. */
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
} from "../../ffi/constants.ts";
import { EOPNOTSUPP, SystemCallError } from "../../ffi/errno.ts";
import { type Call, libcCall } from "../../ffi/table.ts";
import { type ByteString, toBytes } from "./byte_string.ts";
import { CallQueue } from "./call_queue.ts";
import { type Directory, LayerTree, pathOf, type Placement } from "./layer_tree.ts";
import { fileSize, type TarEntry } from "./tar_decoder.ts";
import type { SparseMap } from "./tar_sparse.ts";
import { TarStream } from "./tar_stream.ts";

/** Until its true mode is set, at the very end, a directory is nobody else's business. */
const DIRECTORY_MODE_MEANWHILE = 0o700;

/** Attributes with these names are overlay's own language; an image must not speak it. */
const OVERLAY_XATTRS = ["trusted.overlay.", "user.overlay."];

/** The value of trusted.overlay.opaque: "y". */
const OPAQUE = Uint8Array.of(0x79);

/** A file whose data are being written. */
interface OpenFile {
  readonly placement: Placement;
  readonly entry: TarEntry;
  /** Its descriptor: an earlier call of the group, or one that outlives the group; undefined until it is made. */
  fd: Call | number | undefined;
  /** How much of its data was written. */
  position: number;
  /** Of a file with holes: index of the piece that comes next in its map, and how much of that was written. */
  piece: number;
  inPiece: number;
}

export class LayerUnpacker {
  /** Sum of the files' sizes, in bytes. */
  size = 0;

  readonly #tree = new LayerTree(false, (placement) => this.#makeDirectory(placement));
  readonly #queue = new CallQueue();
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

  readonly #stream = new TarStream({
    entry: (entry) => this.#unpack(entry),
    data: (position, count) => this.#writeData(position, count),
  });
  /** Where what is fed lies in memory. */
  #address = 0;
  #file: OpenFile | undefined;

  /**
   * @param root the folder: exists, is empty, and nobody else writes into it
   * @param trash another one on the same file system, for what is replaced
   */
  constructor(root: string, trash: string) {
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

  /** Whether the layer's root hides all lower layers. Overlay looks at no root for that, so whoever mounts has to. */
  get isOpaque(): boolean {
    return this.#tree.root.opaque;
  }

  /**
   * Takes the next part of the tar.
   * @param address where the bytes lie in memory
   * @returns settled when that memory may be used again; rejects with EntryError when a call failed
   * @throws {TarError} when it is not tar, or something is in it that must not be in a layer
   */
  feed(address: number, bytes: Uint8Array): Promise<void> {
    this.#address = address;
    this.#stream.feed(bytes);
    return this.#queue.flush();
  }

  /**
   * Sets what can only be set when all is there: the directories' attributes.
   * @throws {TarError} when the tar is incomplete
   */
  async finish(): Promise<void> {
    this.#stream.finish();
    const pending: Directory[] = [this.#tree.root];
    this.#finishDirectory(this.#tree.root, ".", this.#tree.root);
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      for (const [name, child] of directory.children) {
        if (child.kind !== "directory") continue;
        this.#finishDirectory(directory, name, child);
        pending.push(child);
      }
    }
    await this.#queue.flush();
  }

  /** Closes and frees everything, after whatever is still under way. */
  async release(): Promise<void> {
    await this.#queue.release();
    for (const fd of [this.#rootFd, this.#trashFd, this.#parentFd, this.#linkFd, this.#fileFd]) {
      libcCall("close", fd);
    }
  }

  /** Begins an entry. Returns whether it has data to come. */
  #unpack(entry: TarEntry): boolean {
    const placement = this.#tree.add(entry, 0);
    if (placement === undefined) return false;
    if (entry.type !== "file" || placement.node.kind === "whiteout") {
      this.#make(placement, entry);
      return false;
    }
    this.size += fileSize(entry);
    this.#file = { placement, entry, fd: undefined, position: 0, piece: 0, inPiece: 0 };
    if (entry.size > 0) return true;
    this.#create(this.#file, true);
    this.#complete(this.#file);
    return false;
  }

  /** Makes whatever has no data. */
  #make(placement: Placement, entry: TarEntry): void {
    const name = this.#begin(placement, entry.name);
    const { node, target } = placement;
    if (node.kind === "directory") {
      this.#queue.call("mkdirat", [this.#parentFd, name, DIRECTORY_MODE_MEANWHILE]);
    } else if (node.kind === "whiteout") this.#queue.call("mknodat", [this.#parentFd, name, S_IFCHR, 0]);
    else if (target !== undefined) this.#link(placement.parent, name, target);
    else if (node.kind === "symlink") this.#symlink(placement, name, entry);
    else this.#mknod(placement, name, entry);
  }

  #makeDirectory(placement: Placement): void {
    const name = this.#begin(placement, placement.name);
    this.#queue.call("mkdirat", [this.#parentFd, name, DIRECTORY_MODE_MEANWHILE]);
  }

  /**
   * Starts the calls that put something in its place: its folder open, what the layer itself had there gone.
   * @returns the address of its name
   */
  #begin({ parent, name, replaced }: Placement, entryName: ByteString): number {
    this.#queue.begin(entryName);
    this.#open(parent);
    const address = this.#queue.string(name);
    if (replaced?.kind === "directory") {
      this.#queue.call("renameat", [this.#parentFd, address, this.#trashFd, String(this.#trashed++)]);
    } else if (replaced !== undefined) {
      this.#queue.call("unlinkat", [this.#parentFd, address, 0]);
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
    const { arena } = this.#queue;
    // struct open_how of openat2(2). The tree knows every symlink, so there must be none left to meet on the way.
    const how = arena.allocate(24);
    arena.setWord(how, O_DIRECTORY | O_CLOEXEC);
    arena.setWord(how + 8, 0);
    arena.setWord(how + 16, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    const opened = this.#queue.call("openat2", [
      this.#rootFd,
      this.#queue.string(pathOf(directory)),
      how,
      24,
    ]);
    this.#queue.call("dup3", [opened, fd, O_CLOEXEC]);
    this.#queue.call("close", [opened]);
  }

  #link(parent: Directory, name: number, target: NonNullable<Placement["target"]>): void {
    if (target.parent !== parent) this.#openAt(target.parent, this.#linkFd);
    const from = target.parent === parent ? this.#parentFd : this.#linkFd;
    // without AT_SYMLINK_FOLLOW: a link to a symlink is a second name of the symlink
    this.#queue.call("linkat", [from, this.#queue.string(target.name), this.#parentFd, name, 0]);
  }

  #symlink(placement: Placement, name: number, entry: TarEntry): void {
    this.#queue.call("symlinkat", [this.#queue.string(entry.link), this.#parentFd, name]);
    if (!isRoots(entry)) this.#own(name, entry);
    this.#queue.call("utimensat", [this.#parentFd, name, this.#times(entry), AT_SYMLINK_NOFOLLOW]);
    this.#setXattrs(placement.name, entry);
  }

  #mknod(placement: Placement, name: number, entry: TarEntry): void {
    const type = entry.type === "char" ? S_IFCHR : entry.type === "block" ? S_IFBLK : S_IFIFO;
    this.#queue.call("mknodat", [this.#parentFd, name, type, makeDevice(entry.major, entry.minor)]);
    this.#own(name, entry);
    // chown clears setuid and setgid, so the mode comes after it
    this.#queue.call("fchmodat", [this.#parentFd, name, entry.mode, 0]);
    this.#queue.call("utimensat", [this.#parentFd, name, this.#times(entry), AT_SYMLINK_NOFOLLOW]);
    this.#setXattrs(placement.name, entry);
  }

  #own(name: number, { uid, gid }: TarEntry): void {
    this.#queue.call("fchownat", [this.#parentFd, name, uid, gid, AT_SYMLINK_NOFOLLOW]);
  }

  #writeData(position: number, count: number): void {
    const file = this.#file!;
    const { entry } = file;
    const address = this.#address + position;
    // a group's own descriptors end with it: a file that takes longer gets one that stays
    if (file.fd === undefined) this.#create(file, count === entry.size && entry.sparse === undefined);
    else this.#queue.begin(entry.name);
    if (entry.sparse !== undefined) this.#writePieces(file, entry.sparse, address, count);
    else this.#queue.call("write", [file.fd!, address, count], { least: count });
    file.position += count;
    if (file.position === entry.size) this.#complete(file);
  }

  #create(file: OpenFile, isShort: boolean): void {
    const name = this.#begin(file.placement, file.entry.name);
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const mode = this.#comesRight(file.entry) ? file.entry.mode : 0o600;
    file.fd = this.#queue.call("openat", [this.#parentFd, name, flags, mode]);
    if (isShort) return;
    this.#queue.call("dup3", [file.fd, this.#fileFd, O_CLOEXEC]);
    this.#queue.call("close", [file.fd]);
    file.fd = this.#fileFd;
  }

  /** Writes `count` bytes of the data of a file with holes to where they belong. */
  #writePieces(file: OpenFile, { pieces }: SparseMap, address: number, count: number): void {
    let done = 0;
    while (done < count) {
      const offset = pieces[file.piece]! + file.inPiece;
      const length = Math.min(pieces[file.piece + 1]! - file.inPiece, count - done);
      if (length > 0) {
        this.#queue.begin(file.entry.name);
        this.#queue.call("pwrite", [file.fd!, address + done, length, offset], { least: length });
      }
      done += length;
      file.inPiece += length;
      if (file.inPiece === pieces[file.piece + 1]) {
        file.piece += 2;
        file.inPiece = 0;
      }
    }
  }

  /** All data are there: what remains are the attributes, the times last. */
  #complete(file: OpenFile): void {
    this.#file = undefined;
    const { entry, placement } = file;
    const fd = file.fd!;
    if (entry.sparse !== undefined) this.#queue.call("ftruncate", [fd, entry.sparse.size]);
    if (!this.#comesRight(entry)) {
      this.#queue.call("fchown", [fd, entry.uid, entry.gid]);
      this.#queue.call("fchmod", [fd, entry.mode]);
    }
    this.#queue.call("futimens", [fd, this.#times(entry)]);
    if (fd !== this.#fileFd) this.#queue.call("close", [fd]);
    this.#setXattrs(placement.name, entry);
  }

  /** Whether a file has its owner and mode from its first moment, as most have. */
  #comesRight(entry: TarEntry): boolean {
    return isRoots(entry) && (entry.mode & (this.#umask | 0o7000)) === 0;
  }

  #finishDirectory(parent: Directory, name: ByteString, { entry, opaque }: Directory): void {
    this.#queue.begin(entry?.name ?? name);
    this.#open(parent);
    const address = this.#queue.string(name);
    if (entry !== undefined && !isRoots(entry)) this.#own(address, entry);
    this.#queue.call("fchmodat", [this.#parentFd, address, entry?.mode ?? 0o755, 0]);
    if (entry !== undefined) {
      this.#queue.call("utimensat", [this.#parentFd, address, this.#times(entry), AT_SYMLINK_NOFOLLOW]);
      this.#setXattrs(name, entry);
    }
    if (opaque) this.#setXattr(name, "trusted.overlay.opaque", OPAQUE);
  }

  /** A file's extended attributes. They come after its owner and mode: changing those takes away its capabilities. */
  #setXattrs(name: ByteString, entry: TarEntry): void {
    for (const [key, value] of entry.xattrs ?? []) {
      if (OVERLAY_XATTRS.some((prefix) => key.startsWith(prefix))) continue;
      // "user" attributes are for files and directories only (xattr(7))
      if (key.startsWith("user.") && entry.type !== "file" && entry.type !== "directory") continue;
      if (!this.#isSupported(key)) continue;
      this.#queue.begin(entry.name);
      this.#setXattr(name, key, value);
    }
  }

  /** There is no setxattrat(2) before Linux 6.13; /proc stands in for it. */
  #setXattr(name: ByteString, key: ByteString, value: Uint8Array): void {
    const path = this.#queue.string(`/proc/self/fd/${this.#parentFd}/${name}`);
    const address = this.#queue.arena.data(value);
    this.#queue.call("lsetxattr", [path, this.#queue.string(key), address, value.length, 0]);
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

  /** struct timespec[2]: access time and modification time are the same. */
  #times({ mtime, mtimeNanoseconds }: TarEntry): number {
    const { arena } = this.#queue;
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
