/** Files of a running container, as its own processes see them. */
import { Arena } from "../../ffi/arena.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_XDEV,
  S_IFMT,
  S_IFREG,
  STATX_BASIC_STATS,
} from "../../ffi/constants.ts";
import { ANY_ERRNO, EACCES, EAGAIN, EXDEV } from "../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import { readIfThere } from "../state/read.ts";
import { isRootOf } from "./running.ts";

/** Bytes of a file that are read, at most. */
const LARGEST = 4 << 20;

/**
 * The texts of files in a container. Symlinks lead to where they lead inside of it, and only regular files are opened. What somebody
 * has mounted there is not looked at, as docker does not: a file system of a program's (FUSE) answers when that program likes to, and
 * who waits for it cannot even be killed.
 * @param pid of its first process, which the caller knows to be that before and after
 * @param paths relative to its root
 * @returns for each path the text; empty when there is no such file that can be read, undefined when a mount lies over it
 */
export function readInside(
  { id, pid }: { readonly id: string; readonly pid: number },
  paths: readonly string[],
): (string | undefined)[] {
  const folder = O_PATH | O_DIRECTORY | O_CLOEXEC;
  const root = tryLibcCall(ANY_ERRNO, "openat", AT_FDCWD, `/proc/${pid}/root`, folder);
  if (root < 0) return paths.map(() => "");
  const arena = new Arena(LARGEST + 8192);
  try {
    if (!isOwnRoot(pid, root, id)) return paths.map(() => undefined);
    return paths.map((path) => {
      arena.rewind(0);
      return readBelow(arena, root, path);
    });
  } finally {
    libcCall("close", root);
    arena.release();
  }
}

/** Whether a descriptor is in a container's own root. Neither file asks the file system. */
function isOwnRoot(pid: number, fd: number, id: string): boolean {
  const mount = /^mnt_id:\s*(\d+)$/m.exec(readIfThere(`/proc/self/fdinfo/${fd}`) ?? "")?.[1];
  const mounts = readIfThere(`/proc/${pid}/mountinfo`)?.split("\n");
  return mounts?.some((line) => line.startsWith(`${mount} `) && isRootOf(line, id)) ?? false;
}

function readBelow(arena: Arena, root: number, path: string): string | undefined {
  const how = arena.allocate(24);
  arena.setWord(how, O_PATH | O_CLOEXEC);
  arena.setWord(how + 8, 0);
  arena.setWord(how + 16, RESOLVE_IN_ROOT | RESOLVE_NO_XDEV);
  const found = tryLibcCall(ANY_ERRNO, "openat2", root, path, how, 24);
  if (found === -EXDEV) return undefined;
  if (found < 0) return "";
  try {
    const stat = arena.allocate(256);
    libcCall("statx", found, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat);
    const STX_MODE = 28;
    if ((arena.int(stat + STX_MODE) & S_IFMT) !== S_IFREG) return "";
    // by way of /proc, so it is that file and no other; EAGAIN: a lease on it
    const flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const fd = tryLibcCall([EACCES, EAGAIN], "openat", AT_FDCWD, `/proc/self/fd/${found}`, flags);
    return fd < 0 ? "" : readAll(arena, fd);
  } finally {
    libcCall("close", found);
  }
}

function readAll(arena: Arena, fd: number): string {
  try {
    const buffer = arena.allocate(LARGEST);
    let size = 0;
    while (size < LARGEST) {
      const count = libcCall("pread", fd, buffer + size, LARGEST - size, size);
      if (count === 0) break;
      size += count;
    }
    const start = buffer - arena.address;
    return new TextDecoder().decode(arena.bytes.slice(start, start + size));
  } finally {
    libcCall("close", fd);
  }
}
