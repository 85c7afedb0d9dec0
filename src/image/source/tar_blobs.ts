import { Budget } from "../layer/budget.ts";
import { type ByteString, encodeText } from "../tar/byte_string.ts";
import { ofEntry, type TarEntry } from "../tar/decoder.ts";
import { TarError } from "../tar/fields.ts";
import { readAt } from "../read_at.ts";
import { type FileRange, readTar } from "../tar/reader.ts";
import { BlobStore, INCOMPLETE } from "./blobs.ts";

/** An archive of images has few entries; a file system's tar has many. */
const MAX_ENTRIES = 1 << 16;

/** Links between entries: docker writes them from one to the next. */
const MAX_LINKS = 16;

/** Other compressions that people pack archives with, by their first bytes. */
const COMPRESSIONS: readonly (readonly [name: string, unpack: string, magic: readonly number[]])[] = [
  ["xz", "unxz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["bzip2", "bunzip2", [0x42, 0x5a, 0x68]],
];

/** What is kept of an entry. */
interface Member extends Pick<TarEntry, "type" | "link" | "size"> {
  /** Where its data start in the file. */
  readonly offset: number;
  readonly isSparse: boolean;
}

export const SAVE_HINT = "make one with: docker save -o FILE IMAGE";

/** The entries of an open tar archive. */
export class TarBlobs extends BlobStore {
  readonly #range: FileRange;
  readonly #entries = new Map<ByteString, Member>();

  /** @throws {ImageError} when it is no tar archive, or is cut */
  constructor(readonly file: Deno.FsFile, label: string) {
    super("archive", label);
    this.#range = { file, offset: 0, size: file.statSync().size };
    try {
      this.#readEntries();
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      this.#refuseDamaged(error);
    }
  }

  #readEntries(): void {
    const budget = new Budget();
    for (const { entry, offset } of readTar(this.#range)) {
      try {
        budget.take(entry);
      } catch (error) {
        throw ofEntry(entry.name, error);
      }
      const name = normalize(entry.name);
      if (name === undefined) continue;
      const { type, link, size, sparse } = entry;
      // a later entry of the same name replaces the earlier, as it would when unpacked
      this.#entries.set(name, { type, link, size, offset, isSparse: sparse !== undefined });
      if (this.#entries.size > MAX_ENTRIES) {
        this.refuse(`it has more than ${MAX_ENTRIES} entries, too many for an image`, SAVE_HINT);
      }
    }
  }

  #refuseDamaged(error: TarError): never {
    if (this.#entries.size > 0) {
      this.refuse(error.message, INCOMPLETE, error);
    }
    if (this.#range.size === 0) this.refuse("it is empty", SAVE_HINT);
    const start = new Uint8Array(8);
    readAt(this.file, 0, start);
    for (const [name, unpack, magic] of COMPRESSIONS) {
      if (magic.every((byte, index) => start[index] === byte)) {
        this.refuse(`it is compressed with ${name}`, `uncompress it first, with: ${unpack}`);
      }
    }
    this.refuse(`it is not a tar archive (${error.message})`, SAVE_HINT);
  }

  override size(name: string): number | undefined {
    return this.#find(name)?.size;
  }

  protected override bytes(name: string, size: number): Uint8Array {
    const { offset } = this.range(name);
    const bytes = new Uint8Array(size);
    if (readAt(this.file, offset, bytes) < size) this.refuse("it is truncated");
    return bytes;
  }

  override range(name: string): FileRange {
    const { offset, size } = this.#find(name)!;
    return { file: this.file, offset, size };
  }

  /** The regular file that a name stands for; links lead to other entries of the same archive only. */
  #find(name: string): Member | undefined {
    let path = normalize(encodeText(name));
    for (let links = 0; path !== undefined && links <= MAX_LINKS; links++) {
      const member = this.#entries.get(path);
      if (member === undefined) return undefined;
      const { type, link, isSparse } = member;
      if (type === "file") return isSparse ? undefined : member;
      // a symlink is relative to its own folder, a hard link to the archive's root
      if (type === "symlink") path = normalize(link.startsWith("/") ? link : `${path}/../${link}`);
      else if (type === "hardlink") path = normalize(link);
      else return undefined;
    }
    return undefined;
  }

  override [Symbol.dispose](): void {
    this.file.close();
  }
}

/** `./a//b/../c` as `a/c`; undefined for what is no name, or leads out of the archive. */
function normalize(name: ByteString): ByteString | undefined {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.length === 0 ? undefined : parts.join("/");
}
