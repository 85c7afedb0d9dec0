import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from "../../../ffi/constants.ts";
import type { Arena } from "../../../ffi/arena.ts";
import { ENOENT } from "../../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../../ffi/table.ts";
import { type ByteString, byteString } from "../tar/byte_string.ts";

/** Bytes of the buffer for getdents64(2). */
export const LIST_BUFFER = 64 << 10;

/** Where the name begins in a struct linux_dirent64, and its length before that. */
const DIRENT_NAME = 19;
const DIRENT_LENGTH = 16;

/** Opens a folder of dhow's own for `walk`; the path is trusted. */
export function openFolder(path: string): number {
  return libcCall("openat", AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/**
 * The names in an open directory but `.` and `..`, as the file system gives them.
 * @param fd may be of O_PATH
 * @param buffer address of LIST_BUFFER bytes in the arena
 * @param room for the names, in bytes of memory
 * @returns undefined when they need more than that
 */
export function namesIn(fd: number, arena: Arena, buffer: number, room: number): ByteString[] | undefined {
  const open = libcCall("openat", fd, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const names: ByteString[] = [];
  try {
    while (true) {
      // a directory that was removed has no entries, but ENOENT
      const size = tryLibcCall([ENOENT], "getdents64", open, buffer, LIST_BUFFER);
      if (size <= 0) return names;
      for (const name of namesOf(arena.bytes, buffer - arena.address, size)) {
        if (name === "." || name === "..") continue;
        room -= nameMemory(name);
        if (room < 0) return undefined;
        names.push(name);
      }
    }
  } finally {
    libcCall("close", open);
  }
}

/** What a name takes of memory, about: its bytes, V8's header before them, and its place in a list. */
export function nameMemory(name: ByteString): number {
  return name.length + 32;
}

function* namesOf(bytes: Uint8Array, start: number, size: number): Generator<ByteString> {
  for (let at = start; at < start + size;) {
    const length = bytes[at + DIRENT_LENGTH]! + 256 * bytes[at + DIRENT_LENGTH + 1]!;
    const name = at + DIRENT_NAME;
    yield byteString(bytes, name, bytes.indexOf(0, name));
    at += length;
  }
}
