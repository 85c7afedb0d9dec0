/** Finding things below a descriptor, in a tree that others may change meanwhile. */
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, STATX_BASIC_STATS } from "../../../ffi/constants.ts";
import { Arena } from "../../../ffi/arena.ts";
import { EAGAIN, ENOENT } from "../../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../../ffi/table.ts";
import { type ByteString, toBytes } from "../tar/byte_string.ts";
import { readStat, type Stat, STATX_SIZE } from "../walk/stat.ts";

/** So often the kernel may say that somebody has renamed a folder while a path with `..` was followed (openat2(2)). */
const ATTEMPTS = 1000;

/**
 * Opens a path below a descriptor (openat2(2)).
 * @param resolve RESOLVE_... flags: they keep it in the tree
 * @param tolerated errno values for which undefined is returned
 * @throws {SystemCallError} for others
 */
export function openBelow(
  root: number,
  path: ByteString,
  flags: number,
  resolve: number,
  tolerated: readonly number[],
): number | undefined {
  const arena = new Arena(16384);
  try {
    const how = arena.allocate(24);
    arena.setWord(how, flags | O_CLOEXEC);
    arena.setWord(how + 16, resolve);
    const relative = path.replace(/^\/+/, "") || ".";
    for (let attempt = 1;; attempt++) {
      const again = attempt < ATTEMPTS ? [EAGAIN] : [];
      const fd = tryLibcCall([...tolerated, ...again], "openat2", root, toBytes(relative), how, 24);
      if (fd >= 0) return fd;
      if (fd !== -EAGAIN || tolerated.includes(EAGAIN)) return undefined;
    }
  } finally {
    arena.release();
  }
}

/**
 * What lies under a name in a folder; a symlink is not followed.
 * @param name empty for the descriptor itself
 * @returns undefined when nothing does
 */
export function statAt(folder: number, name: ByteString): Stat | undefined {
  const arena = new Arena(4096);
  try {
    const buffer = arena.allocate(STATX_SIZE);
    const flags = AT_SYMLINK_NOFOLLOW | (name === "" ? AT_EMPTY_PATH : 0);
    const found = tryLibcCall([ENOENT], "statx", folder, toBytes(name), flags, STATX_BASIC_STATS, buffer);
    return found < 0 ? undefined : readStat(arena, buffer);
  } finally {
    arena.release();
  }
}

/** Where a symlink leads, as written. */
export function readLink(fd: number): ByteString {
  const arena = new Arena(8192);
  try {
    const buffer = arena.allocate(4096);
    const length = libcCall("readlinkat", fd, "", buffer, 4096);
    let text = "";
    for (const byte of arena.bytes.subarray(buffer - arena.address, buffer - arena.address + length)) {
      text += String.fromCharCode(byte);
    }
    return text;
  } finally {
    arena.release();
  }
}
