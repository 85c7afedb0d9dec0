import { type ByteString, byteString } from "./byte_string.ts";
import { TarError } from "./fields.ts";

/** What dhow takes from pax records. Absent: the header's own fields hold. */
export interface PaxRecords {
  path?: ByteString;
  linkpath?: ByteString;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  mtimeNanoseconds?: number;
  xattrs?: Map<ByteString, Uint8Array>;
  sparse?: PaxSparse;
}

/** Records of GNU's sparse formats (tar manual, "Storing Sparse Files"). */
export interface PaxSparse {
  major?: number;
  minor?: number;
  name?: ByteString;
  /** Size of the file with its holes. */
  size?: number;
  /** Offset and length of each piece, one after the other. */
  map?: number[];
}

const XATTR = "SCHILY.xattr.";
/** XATTR_NAME_MAX, xattr(7): a file system may have room for more, but nobody could ask for it. */
const MAX_XATTR_NAME = 255;
const SPARSE = "GNU.sparse.";
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const SPACE = 0x20;

/**
 * Reads pax records (IEEE Std 1003.1, "pax Extended Header") into `records`, over what is there. Keys that dhow has no use for are skipped,
 * among them `hdrcharset`: names are bytes here, in whatever character set.
 * @throws {TarError} when they are malformed
 */
export function parsePax(bytes: Uint8Array, records: PaxRecords): PaxRecords {
  let position = 0;
  while (position < bytes.length) {
    const space = bytes.indexOf(SPACE, position);
    const length = space === -1 || space - position > 10 ? NaN : decimal(byteString(bytes, position, space));
    const end = position + length;
    const equals = bytes.indexOf(EQUALS, space);
    if (!(end <= bytes.length) || bytes[end - 1] !== NEWLINE || equals === -1 || equals >= end - 1) {
      // NaN lands here too
      throw new TarError("its extended header is malformed");
    }
    apply(records, byteString(bytes, space + 1, equals), bytes.subarray(equals + 1, end - 1));
    position = end;
  }
  return records;
}

function apply(records: PaxRecords, key: string, bytes: Uint8Array): void {
  if (key.startsWith(XATTR)) {
    const name = key.slice(XATTR.length);
    if (name === "" || name.length > MAX_XATTR_NAME || name.includes("\0")) {
      throw new TarError("an extended attribute has no valid name");
    }
    // copied: the bytes lie in a buffer that is used again
    (records.xattrs ??= new Map()).set(name, bytes.slice());
    return;
  }
  if (key.startsWith(SPARSE)) {
    applySparse(records.sparse ??= {}, key.slice(SPARSE.length), byteString(bytes, 0, bytes.length));
    return;
  }
  if (
    key !== "path" && key !== "linkpath" && key !== "size" && key !== "uid" && key !== "gid" &&
    key !== "mtime"
  ) return;
  if (bytes.length === 0) {
    // "any header block value shall be used": as if there were no such record
    delete records[key];
    if (key === "mtime") delete records.mtimeNanoseconds;
    return;
  }
  const value = byteString(bytes, 0, bytes.length);
  if (key === "path" || key === "linkpath") {
    records[key] = value;
  } else if (key === "mtime") {
    [records.mtime, records.mtimeNanoseconds] = time(value);
  } else {
    records[key] = decimal(value);
  }
}

function applySparse(sparse: PaxSparse, key: string, value: string): void {
  if (key === "major" || key === "minor") sparse[key] = decimal(value);
  else if (key === "name") sparse.name = value;
  else if (key === "size" || key === "realsize") sparse.size = decimal(value);
  else if (key === "map") sparse.map = value === "" ? [] : value.split(",").map(decimal);
  else if (key === "offset" || key === "numbytes") (sparse.map ??= []).push(decimal(value));
}

function decimal(text: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) {
    throw new TarError("there is a number in its extended header that is not valid");
  }
  return value;
}

/** `-1.5` is half a second before -1: the fraction counts away from zero, a timespec's nanoseconds always forward. */
function time(text: string): [seconds: number, nanoseconds: number] {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw new TarError("its time is not valid");
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return [seconds, nanoseconds];
  return nanoseconds === 0 ? [-seconds, 0] : [-seconds - 1, 1e9 - nanoseconds];
}
