/** Extended attributes of an inode, inline (Linux: fs/erofs/erofs_fs.h, struct erofs_xattr_ibody_header). */
import type { ByteString } from "../tar/byte_string.ts";

/** Prefixes that EROFS has numbers for; the two access control lists have no name beyond them. */
const PREFIXES: readonly (readonly [prefix: string, index: number])[] = [
  ["user.", 1],
  ["system.posix_acl_access", 2],
  ["system.posix_acl_default", 3],
  ["trusted.", 4],
  ["security.", 6],
];

const HEADER_SIZE = 12;
const ENTRY_HEADER_SIZE = 4;
const MAX_NAME = 0xff;
const MAX_VALUE = 0xffff;
/** i_xattr_icount has 16 bits. */
const MAX_COUNT = 0xffff;

/** The attributes cannot be written down in EROFS. Its message is a reason without a subject. */
export class XattrError extends Error {
  override readonly name = "XattrError";
}

export interface EncodedXattrs {
  /** i_xattr_icount: 1 for the header and 1 for each 4 bytes after it; 0 for none. */
  readonly count: number;
  readonly bytes: Uint8Array;
}

export const NO_XATTRS: EncodedXattrs = { count: 0, bytes: new Uint8Array(0) };

/**
 * @returns the attributes that EROFS can hold; names without one of its prefixes are left out, as other file systems
 *   leave out what they do not support
 * @throws {XattrError} when one is too long, or they are too many
 */
export function encodeXattrs(xattrs: Iterable<readonly [ByteString, Uint8Array]>): EncodedXattrs {
  const entries: { index: number; name: ByteString; value: Uint8Array }[] = [];
  let size = HEADER_SIZE;
  for (const [key, value] of xattrs) {
    const found = PREFIXES.find(([prefix]) => key.startsWith(prefix));
    if (found === undefined) continue;
    const [prefix, index] = found;
    const name = key.slice(prefix.length);
    // an access control list has its whole name in the prefix, the others have more
    if ((name === "") !== !prefix.endsWith(".")) continue;
    if (name.length > MAX_NAME) {
      throw new XattrError(`the name of an extended attribute has ${name.length} bytes`);
    }
    if (value.length > MAX_VALUE) throw new XattrError(`an extended attribute has ${value.length} bytes`);
    entries.push({ index, name, value });
    size += aligned(ENTRY_HEADER_SIZE + name.length + value.length);
  }
  if (entries.length === 0) return NO_XATTRS;
  const count = (size - HEADER_SIZE) / 4 + 1;
  if (count > MAX_COUNT) throw new XattrError(`its extended attributes have ${size} bytes`);
  const bytes = new Uint8Array(size);
  let at = HEADER_SIZE;
  for (const { index, name, value } of entries) {
    bytes[at] = name.length;
    bytes[at + 1] = index;
    bytes[at + 2] = value.length & 0xff;
    bytes[at + 3] = value.length >> 8;
    for (let position = 0; position < name.length; position++) {
      bytes[at + ENTRY_HEADER_SIZE + position] = name.charCodeAt(position);
    }
    bytes.set(value, at + ENTRY_HEADER_SIZE + name.length);
    at += aligned(ENTRY_HEADER_SIZE + name.length + value.length);
  }
  return { count, bytes };
}

function aligned(size: number): number {
  return Math.ceil(size / 4) * 4;
}
