/**
 * Trees that a container has made deeper than a removal can go, which opens a folder for each level: folders that lie too deep are
 * moved up.
 */
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  RLIMIT_NOFILE,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { ENOENT, ENOTDIR } from "../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";

/** Levels that may stay below the top. */
const DEPTH = 1000;

/**
 * Descriptors that this process may have. Deno raises its limit as far as it can, and its removal takes a descriptor and up to half
 * a KiB of stack for each level: so it fails (EMFILE) before the stack of 8 MiB ends, which would end this process.
 */
const DESCRIPTORS = 4096;

let isLimited = false;

/** Has removals of trees that are too deep fail. */
export function limitDepth(): void {
  if (isLimited) return;
  isLimited = true;
  const arena = new Arena(4096);
  try {
    const limit = arena.allocate(16); // struct rlimit
    libcCall("prlimit", 0, RLIMIT_NOFILE, 0, limit);
    const soft = arena.word(limit);
    // -1 is no limit
    if (soft >= 0 && soft <= DESCRIPTORS) return;
    arena.setWord(limit, DESCRIPTORS);
    libcCall("prlimit", 0, RLIMIT_NOFILE, limit, 0);
  } finally {
    arena.release();
  }
}

/**
 * Moves folders that lie too deep to the top of a tree, which nobody else changes.
 * @throws {SystemCallError} when that is not possible
 */
export function flatten(path: string): void {
  const top = openFolder(AT_FDCWD, path);
  if (top < 0) return;
  const arena = new Arena(BUFFER + 4096);
  try {
    const buffer = arena.allocate(BUFFER);
    const moved: string[] = [];
    const visit = (folder: number, depth: number) => {
      for (const name of foldersIn(folder, arena, buffer)) {
        if (depth === DEPTH) {
          moved.push(`.deep-${Deno.pid}-${Date.now()}-${moved.length}`);
          libcCall("renameat", folder, name, top, moved.at(-1)!);
        } else {
          visitInner(folder, name, depth + 1);
        }
      }
    };
    const visitInner = (folder: number, name: string | Uint8Array, depth: number) => {
      const inner = openFolder(folder, name);
      if (inner < 0) return;
      try {
        visit(inner, depth);
      } finally {
        libcCall("close", inner);
      }
    };
    visit(top, 1);
    // what was moved may be deep itself
    for (const name of moved) visitInner(top, name, 2);
  } finally {
    libcCall("close", top);
    arena.release();
  }
}

/** @returns a negative number when there is no such folder */
function openFolder(folder: number, name: string | Uint8Array): number {
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  return tryLibcCall([ENOENT, ENOTDIR], "openat", folder, name, flags);
}

const BUFFER = 64 << 10;

/** struct linux_dirent64: where its length, its type and its name lie. */
const [LENGTH, TYPE, NAME] = [16, 18, 19];
const DT_UNKNOWN = 0;
const DT_DIR = 4;

/** Names of what may be folders in one; they need not be text. */
function foldersIn(folder: number, arena: Arena, buffer: number): Uint8Array[] {
  const names: Uint8Array[] = [];
  while (true) {
    const size = tryLibcCall([ENOENT], "getdents64", folder, buffer, BUFFER);
    if (size <= 0) return names;
    const bytes = arena.bytes.slice(buffer - arena.address, buffer - arena.address + size);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < size; at += view.getUint16(at + LENGTH, true)) {
      if (![DT_UNKNOWN, DT_DIR].includes(bytes[at + TYPE]!)) continue;
      const name = bytes.slice(at + NAME, bytes.indexOf(0, at + NAME));
      const isSelf = name.every((byte) => byte === ".".charCodeAt(0)) && name.length <= 2;
      if (!isSelf) names.push(name);
    }
  }
}
