/**
 * Unpacks a tar into a tree that somebody else may change meanwhile, a hostile container for one (CVE-2018-15664). Folders are found
 * with openat2(2), which cannot leave the tree; all that is made is made below a folder's descriptor, under a name that is not
 * followed.
 */
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_WRONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
} from "../../../ffi/constants.ts";
import { Arena } from "../../../ffi/arena.ts";
import {
  describeErrno,
  EEXIST,
  ENOENT,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  isNoSpace,
  SystemCallError,
} from "../../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../../ffi/table.ts";
import { HostError } from "../../errors.ts";
import type { IdMappings } from "../../plan/step.ts";
import { entryOnHost } from "../walk/owners.ts";
import { ownerHere } from "../layer/owner.ts";
import { keptXattrs } from "../layer/xattrs.ts";
import { type ByteString, quoteName, toBytes } from "../tar/byte_string.ts";
import { fileSize, type TarEntry } from "../tar/decoder.ts";
import { TarStream } from "../tar/stream.ts";
import { openBelow, statAt } from "./paths.ts";

export interface ExtractOptions {
  /** The folder to unpack into, below the root; empty for the root itself. */
  readonly base: ByteString;
  /** How folders are found (openat2(2)). */
  readonly resolve: number;
  /** Whose all files become; undefined for those that the tar names. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Whether the folder itself becomes as the tar says, if it speaks of it. */
  readonly changesBase: boolean;
  /** Of the container whose files they become, if they are made as the host has them. */
  readonly ids?: IdMappings | undefined;
}

const CHUNK = 256 << 10;

/** A sink for a tar. `finish` must be called at its end, and `close` whatever happens. */
export class Extractor {
  readonly #arena = new Arena(CHUNK + 4096);
  readonly #buffer = this.#arena.allocate(CHUNK);
  readonly #times = this.#arena.allocate(32);
  #parent: { readonly path: ByteString; readonly fd: number } | undefined;
  #file: { fd: number; entry: TarEntry; piece: number; inPiece: number; left: number } | undefined;
  #chunk: Uint8Array = new Uint8Array();
  /** Folders get their times when nothing in them changes any more. */
  readonly #folders = new Map<ByteString, TarEntry>();
  readonly #stream = new TarStream({
    entry: (entry) => this.#explained(entry.name, () => this.#begin(this.#owned(entry))),
    data: (position, count) => this.#explained(this.#file!.entry.name, () => this.#write(position, count)),
  });

  /** @param root a descriptor of the tree's root; it stays open */
  constructor(readonly root: number, readonly options: ExtractOptions) {}

  /** Takes the next part of the tar. @throws {TarError} when it is none @throws {HostError} when the files cannot be made */
  write(bytes: Uint8Array): Promise<void> {
    this.#chunk = bytes;
    this.#stream.feed(bytes);
    return Promise.resolve();
  }

  /** @throws {TarError} when the tar is incomplete */
  finish(): void {
    this.#stream.finish();
    for (const [path, entry] of [...this.#folders].reverse()) {
      this.#explained(path, () => this.#setTimes(this.#openParent(parentOf(path)), nameOf(path), entry));
    }
  }

  close(): void {
    if (this.#file !== undefined) libcCall("close", this.#file.fd);
    if (this.#parent !== undefined) libcCall("close", this.#parent.fd);
    this.#file = this.#parent = undefined;
    this.#arena.release();
  }

  #owned(entry: TarEntry): TarEntry {
    const { ids, owner } = this.options;
    const owned = owner === undefined ? entry : { ...entry, ...owner };
    return ids === undefined ? owned : entryOnHost(owned, ids);
  }

  /** Begins an entry. Returns whether it has data to come. */
  #begin(entry: TarEntry): boolean {
    const path = cleanPath(entry.name);
    if (path === "" && entry.type === "directory" && !this.options.changesBase) return false;
    const parent = this.#openParent(parentOf(path));
    const name = nameOf(path);
    this.#makeRoom(parent, name, entry);
    switch (entry.type) {
      case "directory":
        if (path !== "") tryLibcCall([EEXIST], "mkdirat", parent, toBytes(name), 0o700);
        this.#setAttributes(parent, name, entry);
        this.#folders.set(path, entry);
        return false;
      case "file":
        return this.#create(parent, name, entry);
      case "hardlink":
        return this.#link(parent, name, entry);
      case "symlink":
        libcCall("symlinkat", toBytes(entry.link), parent, toBytes(name));
        break;
      default: {
        const type = entry.type === "char" ? S_IFCHR : entry.type === "block" ? S_IFBLK : S_IFIFO;
        const { major, minor } = entry;
        const device = (minor & 0xff) + ((major & 0xfff) << 8) + (minor >>> 8) * 0x100000;
        libcCall("mknodat", parent, toBytes(name), type | 0o600, type === S_IFIFO ? 0 : device);
      }
    }
    this.#setAttributes(parent, name, entry);
    this.#setTimes(parent, name, entry);
    return false;
  }

  /** What is there gives way, but neither does a folder to what is none, nor the other way round, as docker has it. */
  #makeRoom(parent: number, name: ByteString, { type, name: written }: TarEntry): void {
    if (name === ".") {
      if (type === "directory") return;
      throw new HostError({ what: `cannot unpack ${quoteName(written)}`, why: "it has no name" });
    }
    const there = statAt(parent, name);
    if (there === undefined) return;
    const isFolder = there.type === S_IFDIR;
    if (isFolder && type === "directory") return;
    if (isFolder || type === "directory") {
      const [old, young] = isFolder ? ["directory", "non-directory"] : ["non-directory", "directory"];
      throw new HostError({
        what: `cannot overwrite ${old} ${quoteName(name)}`,
        why: `with ${young} ${quoteName(written)}`,
      });
    }
    tryLibcCall([ENOENT], "unlinkat", parent, toBytes(name), 0);
  }

  #create(parent: number, name: ByteString, entry: TarEntry): boolean {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const fd = libcCall("openat", parent, toBytes(name), flags, 0o600);
    this.#file = { fd, entry, piece: 0, inPiece: 0, left: entry.size };
    if (entry.size > 0) return true;
    this.#complete();
    return false;
  }

  #link(parent: number, name: ByteString, { link }: TarEntry): boolean {
    const target = cleanPath(link);
    const folder = this.#open(parentOf(target));
    try {
      // without AT_SYMLINK_FOLLOW: a link to a symlink is a second name of the symlink
      libcCall("linkat", folder, toBytes(nameOf(target)), parent, toBytes(name), 0);
    } finally {
      libcCall("close", folder);
    }
    return false;
  }

  #write(position: number, count: number): void {
    const file = this.#file!;
    const { pieces } = file.entry.sparse ?? { pieces: [0, file.entry.size] };
    for (let done = 0; done < count;) {
      while (file.inPiece === pieces[file.piece + 1]) {
        file.piece += 2;
        file.inPiece = 0;
      }
      const length = Math.min(CHUNK, count - done, pieces[file.piece + 1]! - file.inPiece);
      const start = position + done;
      this.#arena.bytes.set(
        this.#chunk.subarray(start, start + length),
        this.#buffer - this.#arena.address,
      );
      const offset = pieces[file.piece]! + file.inPiece;
      const written = libcCall("pwrite", file.fd, this.#buffer, length, offset);
      if (written === 0) throw new Error("pwrite has written nothing");
      done += written;
      file.inPiece += written;
    }
    file.left -= count;
    if (file.left === 0) this.#complete();
  }

  #complete(): void {
    const { fd, entry } = this.#file!;
    if (entry.sparse !== undefined) libcCall("ftruncate", fd, fileSize(entry));
    const { uid, gid, mode } = ownerHere(entry);
    libcCall("fchown", fd, uid, gid);
    // chown clears setuid and setgid, so the mode comes after it
    libcCall("fchmod", fd, mode);
    const name = nameOf(cleanPath(entry.name));
    this.#setXattrs(this.#parent!.fd, name, entry);
    libcCall("futimens", fd, this.#timesOf(entry));
    libcCall("close", fd);
    this.#file = undefined;
  }

  #setAttributes(parent: number, name: ByteString, entry: TarEntry): void {
    const { uid, gid } = ownerHere(entry);
    libcCall("fchownat", parent, toBytes(name), uid, gid, AT_SYMLINK_NOFOLLOW);
    if (entry.type !== "symlink") this.#setMode(parent, name, entry);
    this.#setXattrs(parent, name, entry);
  }

  /** chmod(2) follows symlinks: what was made may have been replaced by one, so it is opened first. */
  #setMode(parent: number, name: ByteString, { mode }: TarEntry): void {
    const fd = libcCall("openat", parent, toBytes(name), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    try {
      if (statAt(fd, "")?.type !== S_IFLNK) {
        libcCall("fchmodat", AT_FDCWD, `/proc/self/fd/${fd}`, mode, 0);
      }
    } finally {
      libcCall("close", fd);
    }
  }

  /** There is no setxattrat(2) before Linux 6.13; /proc stands in for it. What a file system cannot hold is left out. */
  #setXattrs(parent: number, name: ByteString, entry: TarEntry): void {
    for (const [key, value] of keptXattrs(entry)) {
      const path = toBytes(`/proc/self/fd/${parent}/${name}`);
      const arena = new Arena(4 * Math.ceil(value.length / 4) + 16384);
      try {
        tryLibcCall([EPERM, ENOTDIR], "lsetxattr", path, toBytes(key), arena.data(value), value.length, 0);
      } catch (error) {
        if (!(error instanceof SystemCallError && error.errno === EOPNOTSUPP)) throw error;
      } finally {
        arena.release();
      }
    }
  }

  #setTimes(parent: number, name: ByteString, entry: TarEntry): void {
    libcCall("utimensat", parent, toBytes(name), this.#timesOf(entry), AT_SYMLINK_NOFOLLOW);
  }

  #timesOf({ mtime, mtimeNanoseconds }: TarEntry): number {
    for (const at of [this.#times, this.#times + 16]) {
      this.#arena.setWord(at, mtime);
      this.#arena.setWord(at + 8, mtimeNanoseconds);
    }
    return this.#times;
  }

  /** The folder that was used last stays open: most entries lie beside the one before. */
  #openParent(path: ByteString): number {
    if (this.#parent?.path === path) return this.#parent.fd;
    const fd = this.#open(path);
    if (this.#parent !== undefined) libcCall("close", this.#parent.fd);
    this.#parent = { path, fd };
    return fd;
  }

  /** Opens a folder, and makes it if it is missing. */
  #open(path: ByteString): number {
    const { base, resolve } = this.options;
    const whole = [base, path].filter((part) => part !== "").join("/");
    const flags = O_PATH | O_DIRECTORY;
    const found = openBelow(this.root, whole, flags, resolve, [ENOENT]);
    if (found !== undefined) return found;
    if (path === "") throw new SystemCallError("openat2", ENOENT);
    const above = this.#open(parentOf(path));
    try {
      tryLibcCall([EEXIST], "mkdirat", above, toBytes(nameOf(path)), 0o755);
    } finally {
      libcCall("close", above);
    }
    return openBelow(this.root, whole, flags, resolve, [])!;
  }

  #explained<T>(name: ByteString, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const what = `${isNoSpace(error) ? "no space left: " : ""}cannot unpack ${quoteName(name)}`;
      throw new HostError({ what, why: `${error.call}: ${describeErrno(error.errno)}`, cause: error });
    }
  }
}

/** A path of an entry, without `.`, `..` and slashes around it; empty for the folder itself. */
export function cleanPath(name: ByteString): ByteString {
  const parts: ByteString[] = [];
  for (const part of name.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

export function parentOf(path: ByteString): ByteString {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** `.` for the folder itself. */
export function nameOf(path: ByteString): ByteString {
  return path === "" ? "." : path.slice(path.lastIndexOf("/") + 1);
}
