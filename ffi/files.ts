import { Arena } from "./arena.ts";
import { AT_FDCWD, FALLOC_FL_KEEP_SIZE, O_CLOEXEC, O_RDONLY } from "./constants.ts";
import { ANY_ERRNO, EBADF, ENODEV, ENOENT, ESRCH, SystemCallError } from "./errno.ts";
import { type Call, CallTable, libcCall, tryLibcCall } from "./table.ts";

/**
 * Whether something lies at a path, as far as can be seen (faccessat(2)). For paths that are often missing: an exception
 * of Deno's costs a third of a millisecond the first time.
 * @throws {SystemCallError} when it cannot be seen, a loop of links for example
 */
export function pathExists(path: string): boolean {
  try {
    return tryLibcCall([ENOENT], "faccessat", AT_FDCWD, path, 0, 0) === 0;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new SystemCallError(`faccessat ${JSON.stringify(path)}`, error.errno);
  }
}

/** A mode of access(2). */
const W_OK = 2;

/** Whether this process may write there (faccessat(2)): read-only mounts are heeded as well. */
export function canWrite(path: string): boolean {
  return tryLibcCall(ANY_ERRNO, "faccessat", AT_FDCWD, path, W_OK, 0) === 0;
}

/**
 * Has the file system keep blocks for the start of an open file, which need not be as long yet (fallocate(2), FALLOC_FL_KEEP_SIZE).
 * Not every one can, or has room: whoever writes there later is told so.
 */
export function reserveBlocks(fd: number, size: number): void {
  try {
    libcCall("fallocate", fd, FALLOC_FL_KEEP_SIZE, 0, size);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
  }
}

/** How many files are read in one walk of a table. */
const TOGETHER = 32;
const LONGEST_PATH = 4096;
/** There is no such file; or its process, or its cgroup, went away before it was read; and so there is no descriptor. */
const GONE = { tolerate: [ENOENT, ESRCH, ENODEV, EBADF] };

/**
 * The beginnings of many small files, of /proc and /sys mostly. One table reads some of them, again and again with other paths:
 * Deno takes ten times as long for a file as the kernel does.
 * @param size how many bytes of each, at most; a file of the kernel's tells them all in one read(2)
 * @returns for each path the text; undefined when there is no such file
 * @throws {SystemCallError} when one cannot be read
 */
export function readSmallFiles(paths: readonly string[], size: number): (string | undefined)[] {
  const count = Math.min(TOGETHER, paths.length);
  const rounded = Math.ceil(size / 8) * 8;
  const arena = new Arena(count * (LONGEST_PATH + rounded + 1024) + 4096);
  try {
    const table = new CallTable(arena, 3 * count);
    const slots = Array.from({ length: count }, () => {
      const path = arena.allocate(LONGEST_PATH);
      const text = arena.allocate(rounded);
      const fd = table.call("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC], GONE);
      const read = table.call("read", [fd, text, size], GONE);
      table.call("close", [fd], GONE);
      const view = (address: number, length: number) =>
        arena.bytes.subarray(address - arena.address, address - arena.address + length);
      return { path: view(path, LONGEST_PATH), text: view(text, size), read };
    });
    return readInTurn(paths, slots, () => table.run());
  } finally {
    arena.release();
  }
}

interface Slot {
  readonly path: Uint8Array<ArrayBuffer>;
  readonly text: Uint8Array<ArrayBuffer>;
  readonly read: Call;
}

function readInTurn(
  paths: readonly string[],
  slots: readonly Slot[],
  run: () => void,
): (string | undefined)[] {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const texts: (string | undefined)[] = [];
  while (texts.length < paths.length) {
    // the slots that the last turn leaves over read again what they read before
    const turn = paths.slice(texts.length, texts.length + slots.length);
    turn.forEach((path, index) => {
      const { read } = encoder.encodeInto(`${path}\0`, slots[index]!.path);
      if (read <= path.length) throw new RangeError(`a path of ${path.length} characters is too long`);
    });
    run();
    turn.forEach((_, index) => {
      const { text, read } = slots[index]!;
      const { result } = read;
      texts.push(result < 0 ? undefined : decoder.decode(text.subarray(0, result)));
    });
  }
  return texts;
}
