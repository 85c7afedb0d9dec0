/**
 * The tar format, one header at a time: POSIX ustar and pax (IEEE Std 1003.1, "pax", EXTENDED DESCRIPTION), GNU's long
 * names, numbers and sparse files (tar manual, "Basic Tar Format"), and what came before them. Where they disagree about
 * a header, Go's archive/tar is followed, because docker reads and writes layers with it.
 */
import { type ByteString, byteString, quoteName } from "./byte_string.ts";
import { parsePax, type PaxRecords } from "./pax.ts";
import { oldSparseMap, paxSparseMap, type SparseMap, SparseMapReader } from "./sparse.ts";
import { fieldEnd, readNumber, readOctal, TarError } from "./fields.ts";

export const BLOCK = 512;

/** Bytes of pax records before one entry; GNU tar and docker write a few hundred. */
const MAX_PAX = 1 << 20;

/** Bytes of a GNU long name; Linux itself takes 4,095 of a path. */
const MAX_LONG_NAME = 1 << 16;

/** uid_t and gid_t are 32 bits, and -1 stands for "none". */
const MAX_ID = 0xfffffffe;

/** Device numbers have 12 and 20 bits in Linux. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

export type TarType = "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";

/** One member of an archive. */
export interface TarEntry {
  readonly type: TarType;
  /** As written: may be absolute, hold `..`, end in a slash. Without NUL, not empty. */
  readonly name: ByteString;
  /** Target of a link, as written. */
  readonly link: ByteString;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, may be negative; and 0 to 999,999,999 nanoseconds after that. */
  readonly mtime: number;
  readonly mtimeNanoseconds: number;
  readonly major: number;
  readonly minor: number;
  /** Bytes of data that follow the header in the archive; they are padded to whole blocks. */
  readonly size: number;
  /** How the data lie in a file with holes. */
  readonly sparse: SparseMap | undefined;
  /** Extended attributes by name (`security.capability`). */
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array> | undefined;
}

/** Size of the file that an entry stands for. */
export function fileSize(entry: TarEntry): number {
  return entry.sparse === undefined ? entry.size : entry.sparse.size;
}

/** The archive's end was marked (with at least one block of zeros, which is where GNU tar stops too). */
export const END = Symbol("end of archive");

const TYPES: Readonly<Record<string, TarType>> = {
  "0": "file",
  "\0": "file",
  "7": "file", // contiguous: a file like any other
  "S": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/** Types of headers that say something about the entry after them. */
type Extension = "x" | "g" | "L" | "K";

function isZero(bytes: Uint8Array, start: number): boolean {
  for (let index = start; index < start + BLOCK; index++) if (bytes[index] !== 0) return false;
  return true;
}

/** A header as words: adding up four bytes at once is faster. */
const HEADER = new Uint8Array(BLOCK);
const WORDS = new Uint32Array(HEADER.buffer);

/** Verifies the checksum, which some old programs computed with signed bytes. */
function verifyChecksum(bytes: Uint8Array, start: number): void {
  const stored = readOctal(bytes, start + 148, 8);
  HEADER.set(bytes.subarray(start, start + BLOCK));
  HEADER.fill(0x20, 148, 156); // the checksum field itself counts as spaces
  // in each half of the sum every other byte: 256 of them have room there
  let halves = 0;
  for (let index = 0; index < WORDS.length; index++) {
    const word = WORDS[index]!;
    halves = (halves + (word & 0xff00ff) + (word >>> 8 & 0xff00ff)) | 0;
  }
  let sum = (halves & 0xffff) + (halves >>> 16);
  if (sum === stored) return;
  for (const byte of HEADER) if (byte > 127) sum -= 256;
  if (sum !== stored) throw new TarError("a header's checksum is wrong");
}

function checkRange(value: number, largest: number, what: string): number {
  if (value < 0 || value > largest) throw new TarError(`its ${what} ${value} is out of range`);
  return value;
}

/**
 * Turns the blocks of an archive into entries. The caller reads, and skips the entries' data: it always feeds `wanted` bytes,
 * from right after what it fed or skipped before.
 */
export class TarDecoder {
  /** How many bytes `feed` is to be given next: a multiple of 512, at most a little over a mebibyte. */
  wanted = BLOCK;

  readonly #global: PaxRecords = {};
  #pax: PaxRecords | undefined;
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;
  #extension: { readonly kind: Extension; readonly size: number } | undefined;
  #sparse: { readonly map: SparseMapReader; readonly entry: TarEntry } | undefined;

  /** Whether the archive may end here: not between a header and what belongs to it. */
  get betweenEntries(): boolean {
    return this.#extension === undefined && this.#sparse === undefined && this.#pax === undefined &&
      this.#longName === undefined && this.#longLink === undefined;
  }

  /**
   * Takes the `wanted` bytes at `start`.
   * @returns an entry, END, or undefined when more is needed before the entry is complete
   * @throws {TarError} when they are not tar
   */
  feed(bytes: Uint8Array, start: number): TarEntry | typeof END | undefined {
    if (this.#extension !== undefined) {
      this.#takeExtension(bytes, start);
      return undefined;
    }
    if (this.#sparse !== undefined) return this.#takeSparseMap(bytes, start);
    if (bytes[start] === 0 && isZero(bytes, start)) return END;
    verifyChecksum(bytes, start);
    const flag = String.fromCharCode(bytes[start + 156]!);
    if (flag === "x" || flag === "g" || flag === "L" || flag === "K") {
      this.#announceExtension(flag, readNumber(bytes, start + 124, 12));
      return undefined;
    }
    return this.#entry(bytes, start, flag);
  }

  #announceExtension(kind: Extension, size: number): void {
    const largest = kind === "x" || kind === "g" ? MAX_PAX : MAX_LONG_NAME;
    if (size < 0 || size > largest) {
      throw new TarError(`an extended header has ${size} bytes, more than ${largest}`);
    }
    if (size === 0) return;
    this.#extension = { kind, size };
    this.wanted = Math.ceil(size / BLOCK) * BLOCK;
  }

  #takeExtension(bytes: Uint8Array, start: number): void {
    const { kind, size } = this.#extension!;
    this.#extension = undefined;
    this.wanted = BLOCK;
    const end = start + size;
    if (kind === "x") {
      this.#pax = parsePax(bytes.subarray(start, end), {});
    } else if (kind === "g") {
      parsePax(bytes.subarray(start, end), this.#global);
      // those of one file make no sense for all, and must not pile up
      delete this.#global.xattrs;
      delete this.#global.sparse;
    } else if (kind === "L") {
      this.#longName = byteString(bytes, start, fieldEnd(bytes, start, size));
    } else {
      this.#longLink = byteString(bytes, start, fieldEnd(bytes, start, size));
    }
  }

  #entry(bytes: Uint8Array, start: number, flag: string): TarEntry | undefined {
    const pax = this.#pax === undefined ? this.#global : { ...this.#global, ...this.#pax };
    const name = pax.sparse?.name ?? pax.path ?? this.#longName ?? headerName(bytes, start);
    const link = pax.linkpath ?? this.#longLink ??
      byteString(bytes, start + 157, fieldEnd(bytes, start + 157, 100));
    this.#pax = this.#longName = this.#longLink = undefined;
    try {
      return this.#build(bytes, start, flag, pax, name, link);
    } catch (error) {
      throw ofEntry(name, error);
    }
  }

  #build(
    bytes: Uint8Array,
    start: number,
    flag: string,
    pax: PaxRecords,
    name: ByteString,
    link: ByteString,
  ): TarEntry | undefined {
    const known = TYPES[flag];
    if (known === undefined) throw new TarError(`its type ${JSON.stringify(flag)} is not known`);
    if (name === "") throw new TarError("its name is empty");
    if (name.includes("\0") || link.includes("\0")) throw new TarError("there is a NUL in its name");
    const type = flag === "\0" && name.endsWith("/") ? "directory" : known;
    const size = checkRange(pax.size ?? readNumber(bytes, start + 124, 12), Number.MAX_SAFE_INTEGER, "size");
    const isDevice = type === "char" || type === "block";
    const entry: TarEntry = {
      type,
      name,
      link,
      mode: readNumber(bytes, start + 100, 8) & 0o7777,
      uid: checkRange(pax.uid ?? readNumber(bytes, start + 108, 8), MAX_ID, "owner"),
      gid: checkRange(pax.gid ?? readNumber(bytes, start + 116, 8), MAX_ID, "group"),
      mtime: pax.mtime ?? readNumber(bytes, start + 136, 12),
      mtimeNanoseconds: pax.mtimeNanoseconds ?? 0,
      major: isDevice ? checkRange(readNumber(bytes, start + 329, 8), MAX_MAJOR, "device number") : 0,
      minor: isDevice ? checkRange(readNumber(bytes, start + 337, 8), MAX_MINOR, "device number") : 0,
      // only files have data, whatever the header of a link or a directory says
      size: type === "file" ? size : 0,
      sparse: undefined,
      xattrs: pax.xattrs,
    };
    if (type !== "file") return entry;
    if (flag === "S") return this.#awaitSparseMap(oldSparseMap(bytes, start), entry);
    if (pax.sparse === undefined) return entry;
    const map = paxSparseMap(pax.sparse, size);
    return map instanceof SparseMapReader ? this.#awaitSparseMap(map, entry) : { ...entry, sparse: map };
  }

  #awaitSparseMap(map: SparseMapReader, entry: TarEntry): TarEntry | undefined {
    if (!map.complete) {
      this.#sparse = { map, entry };
      return undefined;
    }
    return { ...entry, ...map.finish(entry.size) };
  }

  #takeSparseMap(bytes: Uint8Array, start: number): TarEntry | undefined {
    const { map, entry } = this.#sparse!;
    this.#sparse = undefined;
    try {
      map.feed(bytes, start);
      return this.#awaitSparseMap(map, entry);
    } catch (error) {
      throw ofEntry(entry.name, error);
    }
  }
}

/** What is wrong with an entry, with its name; other errors as they are. */
export function ofEntry(name: ByteString, error: unknown): unknown {
  return error instanceof TarError ? new TarError(`entry ${quoteName(name)}: ${error.message}`) : error;
}

/** The name of a header without extensions: in ustar, a prefix may come first. */
function headerName(bytes: Uint8Array, start: number): ByteString {
  const name = byteString(bytes, start, fieldEnd(bytes, start, 100));
  const prefixStart = start + 345;
  // "ustar" and NUL; GNU's own format has spaces there, and uses the place of the prefix for other things
  const isUstar = bytes[start + 257] === 0x75 && bytes[start + 261] === 0x72 && bytes[start + 262] === 0;
  if (!isUstar || bytes[prefixStart] === 0) return name;
  return `${byteString(bytes, prefixStart, fieldEnd(bytes, prefixStart, 155))}/${name}`;
}
