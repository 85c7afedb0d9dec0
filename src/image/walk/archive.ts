/** Files that a walk finds, as entries of a tar. */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from "../../../ffi/constants.ts";
import { Arena } from "../../../ffi/arena.ts";
import { libcCall } from "../../../ffi/table.ts";
import type { IdMappings } from "../../plan/step.ts";
import { type ByteString, byteString, quoteName } from "../tar/byte_string.ts";
import type { TarEntry, TarType } from "../tar/decoder.ts";
import type { TarWriter } from "../tar/writer.ts";
import { FileContent } from "./content.ts";
import { LinkNames } from "./links.ts";
import { entryInside } from "./owners.ts";
import type { Stat } from "./stat.ts";
import type { Found } from "./walker.ts";
import { type FoundXattrs, readXattrs, XATTR_BUFFER } from "./xattrs.ts";

/** PATH_MAX, with the NUL: no symlink is longer. */
const MAX_LINK = 4096;

const TYPES: Readonly<Record<number, TarType>> = {
  [S_IFREG]: "file",
  [S_IFDIR]: "directory",
  [S_IFLNK]: "symlink",
  [S_IFCHR]: "char",
  [S_IFBLK]: "block",
  [S_IFIFO]: "fifo",
};

/** What was found, and what of it only the file itself can tell. */
export interface Described {
  readonly entry: TarEntry;
  readonly xattrs: FoundXattrs;
}

/** Writes what a walk finds into a tar. */
export class TreeArchive implements Disposable {
  readonly #arena = new Arena(XATTR_BUFFER + MAX_LINK + 64);
  readonly #buffer = this.#arena.allocate(XATTR_BUFFER);
  readonly #link = this.#arena.allocate(MAX_LINK);
  readonly #names: LinkNames;

  /**
   * @param warn told of what is left out
   * @param ids of the container whose files these are, if they are found as the host has them
   */
  constructor(readonly tar: TarWriter, readonly warn: (text: string) => void, readonly ids?: IdMappings) {
    this.#names = new LinkNames(warn);
  }

  /** Adds a file. A directory comes without what is in it. Sockets are left out: they are nothing without their process. */
  async add(found: Found): Promise<void> {
    if (found.stat.type === S_IFSOCK) return;
    await this.addDescribed(found, this.describe(found));
  }

  /** A file as an entry, without its data: it stands for no link to another entry yet, and for no holes. */
  describe({ path, fd, stat, xattrNames }: Found): Described {
    const type = TYPES[stat.type];
    if (type === undefined) throw new Error(`a file of type 0${stat.type.toString(8)}`);
    const xattrs = readXattrs(fd, xattrNames, this.#arena, this.#buffer);
    for (const name of xattrs.lost) {
      this.warn(`the attribute ${quoteName(name)} of ${quoteName(path)} is left out: a tar cannot hold it`);
    }
    const link = type === "symlink" ? this.#readLink(fd) : "";
    const entry = makeEntry(path, type, stat, link, xattrs);
    return { entry: this.ids === undefined ? entry : entryInside(entry, this.ids), xattrs };
  }

  /** Adds a file that was described. */
  async addDescribed({ path, fd, stat }: Found, { entry }: Described): Promise<void> {
    if (entry.type !== "directory" && stat.links > 1) {
      const first = this.#names.first(stat, path);
      if (first !== undefined) {
        const none = { size: 0, xattrs: undefined };
        return await this.tar.header({ ...entry, ...none, type: "hardlink", link: first });
      }
    }
    if (entry.type !== "file" || stat.size === 0) return await this.tar.header(entry);
    using content = FileContent.open(fd, stat);
    if (content === undefined) {
      this.#names.forget(stat);
      return this.warn(`${quoteName(path)} is left out: a process has a lease on it`);
    }
    await this.tar.header({ ...entry, size: content.size, sparse: content.sparse });
    await this.tar.fill((address, length) => content.read(address, length));
  }

  #readLink(fd: number): ByteString {
    const length = libcCall("readlinkat", fd, "", this.#link, MAX_LINK);
    const start = this.#link - this.#arena.address;
    return byteString(this.#arena.bytes, start, start + length);
  }

  [Symbol.dispose](): void {
    this.#arena.release();
  }
}

function makeEntry(
  path: ByteString,
  type: TarType,
  stat: Stat,
  link: ByteString,
  { kept }: FoundXattrs,
): TarEntry {
  const isDevice = type === "char" || type === "block";
  return {
    type,
    name: type === "directory" ? `${path}/` : path,
    link,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    mtime: stat.mtime.seconds,
    mtimeNanoseconds: stat.mtime.nanoseconds,
    major: isDevice ? stat.major : 0,
    minor: isDevice ? stat.minor : 0,
    size: 0,
    sparse: undefined,
    xattrs: kept,
  };
}
