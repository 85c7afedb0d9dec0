import type { Arena } from "../../../ffi/arena.ts";
import { ENODATA, EOPNOTSUPP, ERANGE, SystemCallError } from "../../../ffi/errno.ts";
import { libcCall } from "../../../ffi/table.ts";
import { type ByteString, toBytes } from "../tar/byte_string.ts";

/** XATTR_SIZE_MAX: Linux has no longer values. Bytes of the buffer that reading needs. */
export const XATTR_BUFFER = 65536;

/** Bytes of the attributes of one file: Go and dhow read pax headers of up to 1 MiB. */
const MAX_TOTAL = 1 << 19;

/** What overlay, or fuse-overlayfs, says to itself; it is no part of a file. */
const OVERLAY = /^((trusted|user)\.overlay|user\.fuseoverlayfs)\./;

/** Attributes that belong to the file. Others are the host's: labels of its security module, say. */
const KEPT = /^(user\.|trusted\.|security\.capability$|system\.posix_acl_(access|default)$)/;

/** Extended attributes of a file. */
export interface FoundXattrs {
  /** By name, sorted: those that go into an archive. */
  readonly kept: ReadonlyMap<ByteString, Uint8Array> | undefined;
  /** Names of those that go nowhere because no archive can hold them. */
  readonly lost: readonly ByteString[];
  /** Overlay's own, which go nowhere either. */
  readonly overlay: ReadonlyMap<ByteString, Uint8Array>;
}

const NONE: FoundXattrs = { kept: undefined, lost: [], overlay: new Map() };

/**
 * Reads the extended attributes of a file.
 * @param fd may be of O_PATH
 * @param names of its attributes, sorted
 * @param buffer address of XATTR_BUFFER bytes in the arena
 */
export function readXattrs(
  fd: number,
  names: readonly ByteString[],
  arena: Arena,
  buffer: number,
): FoundXattrs {
  if (names.length === 0) return NONE;
  const kept = new Map<ByteString, Uint8Array>();
  const overlay = new Map<ByteString, Uint8Array>();
  const lost: ByteString[] = [];
  let total = 0;
  for (const name of names) {
    const isOverlays = OVERLAY.test(name);
    const value = isOverlays || KEPT.test(name) ? readXattr(fd, name, arena, buffer) : undefined;
    if (value === undefined) continue;
    if (isOverlays) {
      overlay.set(name, value);
      continue;
    }
    total += name.length + value.length;
    // a pax record ends its keyword at the first "="
    if (total > MAX_TOTAL || name.includes("=")) lost.push(name);
    else kept.set(name, value);
  }
  return { kept: kept.size === 0 ? undefined : kept, lost, overlay };
}

/** Gone in between, or nothing that this file system tells: then there is no such attribute. */
const NO_VALUE = [ENODATA, EOPNOTSUPP, ERANGE];

/**
 * The value of an attribute; undefined when there is none. There is no fgetxattr(2) for descriptors of O_PATH; /proc leads to
 * the very file, even if it is a symlink.
 * @param buffer address of XATTR_BUFFER bytes in the arena
 */
function readXattr(
  fd: number,
  name: ByteString,
  arena: Arena,
  buffer: number,
): Uint8Array | undefined {
  try {
    const size = libcCall("getxattr", `/proc/self/fd/${fd}`, toBytes(name), buffer, XATTR_BUFFER);
    const start = buffer - arena.address;
    return arena.bytes.slice(start, start + size);
  } catch (error) {
    if (error instanceof SystemCallError && NO_VALUE.includes(error.errno)) return undefined;
    throw error;
  }
}
