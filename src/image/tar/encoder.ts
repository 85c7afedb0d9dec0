/**
 * The blocks of a tar archive before an entry's data: a ustar header, and a pax header before that for what does not fit into
 * it (IEEE Std 1003.1, "pax", EXTENDED DESCRIPTION). Names are bytes and stay what they are: Go, GNU tar, bsdtar and python take
 * those of a ustar header as they are.
 */
import { type ByteString, toBytes } from "./byte_string.ts";
import { BLOCK, type TarEntry, type TarType } from "./decoder.ts";
import { encodePax, type PaxRecord, paxTime } from "./pax_encoder.ts";
import type { SparseMap } from "./sparse.ts";

/** Lengths of the fields for a name, for what goes before it, and for a link's target (POSIX ustar). */
const NAME = 100;
const PREFIX = 155;
const LINK = 100;

/** Largest numbers of a field with 7 and 11 octal digits. */
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;

const FLAGS: Readonly<Record<TarType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** What goes before an entry's data in the archive. */
export interface EncodedHeader {
  /** Whole blocks. */
  readonly blocks: Uint8Array<ArrayBuffer>;
  /** Bytes of data that must follow them, padded to a whole block. */
  readonly size: number;
}

/**
 * Encodes an entry. The same entry always gives the same bytes.
 * @param entry its name is relative and holds no NUL; a directory's ends with a slash
 * @throws {RangeError} for what no tar can hold: an attribute with "=" in its name
 */
export function encodeEntry(entry: TarEntry): EncodedHeader {
  const map = entry.sparse === undefined ? new Uint8Array() : encodeSparseMap(entry.sparse);
  const stored = map.length + entry.size;
  const header = new Uint8Array(BLOCK);
  const records: PaxRecord[] = [];
  setName(header, records, entry);
  if (entry.link.length > LINK) records.push(["linkpath", entry.link]);
  // also when the record says it: bsdtar takes a hard link without a target here for a file
  setText(header, 157, entry.link.slice(0, LINK));
  if (records.some(([, value]) => !isUtf8(value))) records.push(["hdrcharset", "BINARY"]);
  setOctal(header, 100, 8, entry.mode);
  setLimited(header, records, 108, 8, MAX_ID, "uid", entry.uid);
  setLimited(header, records, 116, 8, MAX_ID, "gid", entry.gid);
  setLimited(header, records, 124, 12, MAX_SIZE, "size", stored);
  setTime(header, records, entry);
  setText(header, 156, FLAGS[entry.type]);
  setText(header, 257, "ustar\x0000");
  setOctal(header, 329, 8, entry.major);
  setOctal(header, 337, 8, entry.minor);
  setChecksum(header);
  for (const [key, value] of entry.xattrs ?? []) records.push([`SCHILY.xattr.${key}`, value]);
  const blocks = concatenate(records.length === 0 ? [header, map] : [...paxBlocks(records), header, map]);
  return { blocks, size: entry.size };
}

/** The name, in the header's two fields for it or in a record. */
function setName(header: Uint8Array, records: PaxRecord[], { name, sparse }: TarEntry): void {
  if (sparse !== undefined) {
    records.push(
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", name],
      ["GNU.sparse.realsize", String(sparse.size)],
    );
    // for a reader that knows no sparse files: what it makes then is not the file, and must not lie in its place
    setText(header, 0, `GNUSparseFile.0/${name.slice(name.lastIndexOf("/") + 1)}`.slice(0, NAME));
    return;
  }
  const split = splitName(name);
  if (split === undefined) {
    records.push(["path", name]);
    setText(header, 0, name.slice(0, NAME));
    return;
  }
  setText(header, 0, split.name);
  setText(header, 345, split.prefix);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Names in records are UTF-8, unless a record says otherwise: bsdtar and python then take them as bytes, others always do. */
function isUtf8(text: ByteString | Uint8Array): boolean {
  try {
    UTF8.decode(typeof text === "string" ? toBytes(text) : text);
    return true;
  } catch {
    return false;
  }
}

/** Takes a name apart at a slash, so that both parts fit; undefined when there is no such slash. */
function splitName(name: ByteString): { prefix: ByteString; name: ByteString } | undefined {
  if (name.length <= NAME) return { prefix: "", name };
  // the slash itself is stored nowhere, and the name after it is not empty
  const slash = name.lastIndexOf("/", Math.min(PREFIX, name.length - 2));
  const rest = name.slice(slash + 1);
  return slash <= 0 || rest.length > NAME ? undefined : { prefix: name.slice(0, slash), name: rest };
}

function setTime(header: Uint8Array, records: PaxRecord[], { mtime, mtimeNanoseconds }: TarEntry): void {
  const fits = mtime >= 0 && mtime <= MAX_SIZE;
  if (!fits || mtimeNanoseconds !== 0) records.push(["mtime", paxTime(mtime, mtimeNanoseconds)]);
  setOctal(header, 136, 12, fits ? mtime : 0);
}

/** A number, in its field if it fits, else in a record. */
function setLimited(
  header: Uint8Array,
  records: PaxRecord[],
  start: number,
  length: number,
  largest: number,
  key: string,
  value: number,
): void {
  if (value > largest) records.push([key, String(value)]);
  setOctal(header, start, length, value > largest ? 0 : value);
}

function setText(header: Uint8Array, start: number, text: ByteString): void {
  for (let index = 0; index < text.length; index++) header[start + index] = text.charCodeAt(index);
}

/** Octal digits that fill a field but for its last byte, a NUL. */
function setOctal(header: Uint8Array, start: number, length: number, value: number): void {
  setText(header, start, value.toString(8).padStart(length - 1, "0"));
}

function setChecksum(header: Uint8Array): void {
  header.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  setText(header, 148, `${sum.toString(8).padStart(6, "0")}\0 `);
}

/** The header that says that records come, and the records. Its name is the one that GNU tar and python give it. */
function paxBlocks(records: PaxRecord[]): Uint8Array[] {
  const body = encodePax(records);
  const header = new Uint8Array(BLOCK);
  setText(header, 0, "././@PaxHeader");
  setOctal(header, 100, 8, 0);
  setOctal(header, 108, 8, 0);
  setOctal(header, 116, 8, 0);
  setOctal(header, 124, 12, body.length);
  setOctal(header, 136, 12, 0);
  setText(header, 156, "x");
  setText(header, 257, "ustar\x0000");
  setChecksum(header);
  return [header, padded(body)];
}

/** The map of a file with holes, format 1.0: it comes first in the entry's data (tar manual, "Storing Sparse Files"). */
function encodeSparseMap({ size, pieces }: SparseMap): Uint8Array {
  const numbers = [...pieces];
  // GNU tar makes a hole at the end only where an empty piece marks it
  const end = (pieces.at(-2) ?? 0) + (pieces.at(-1) ?? 0);
  if (end < size) numbers.push(size, 0);
  const text = [numbers.length / 2, ...numbers].map((number) => `${number}\n`).join("");
  return padded(new TextEncoder().encode(text));
}

function padded(bytes: Uint8Array): Uint8Array {
  const blocks = new Uint8Array(Math.ceil(bytes.length / BLOCK) * BLOCK);
  blocks.set(bytes);
  return blocks;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
