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

const LONGEST_PATH = 4096;
/** There is no such file; or its process, or its cgroup, went away before it was read; and so there is no descriptor. */
const GONE = { tolerate: [ENOENT, ESRCH, ENODEV, EBADF] };
const encoder = new TextEncoder();

/** Reads one file, again and again with other paths. */
class FileReader {
  /** A seq_file of the kernel's gives a page or so at once, and this is read twice. */
  static readonly SIZE = 64 * 1024;
  readonly #arena = new Arena(2 * FileReader.SIZE + LONGEST_PATH + 4096);
  readonly #path = this.#arena.allocate(LONGEST_PATH);
  readonly #text = this.#arena.allocate(FileReader.SIZE);
  readonly #table = new CallTable(this.#arena, 4);
  readonly #opened = this.#table.call("openat", [AT_FDCWD, this.#path, O_RDONLY | O_CLOEXEC], GONE);
  readonly #read = this.#table.call("read", [this.#opened, this.#text, FileReader.SIZE], GONE);
  readonly #rest = this.#table.call("read", [this.#opened, this.#arena.allocate(8), 8], GONE);
  readonly #decoder = new TextDecoder();

  constructor() {
    this.#table.call("close", [this.#opened], GONE);
  }

  /** @returns undefined when there is no such file; "more" when it is longer than what was read */
  read(path: string): { text: string } | "more" | undefined {
    const { bytes, address } = this.#arena;
    writePath(path, bytes.subarray(this.#path - address, this.#path - address + LONGEST_PATH));
    try {
      this.#table.run();
    } catch (error) {
      // one that could be opened stays open otherwise
      if (this.#opened.result >= 0 && this.#table.failure !== this.#opened) {
        libcCall("close", this.#opened.result);
      }
      throw error instanceof SystemCallError
        ? new SystemCallError(`${error.call} ${JSON.stringify(path)}`, error.errno)
        : error;
    }
    const { result } = this.#read;
    if (result < 0) return undefined;
    if (this.#rest.result > 0) return "more";
    const start = this.#text - address;
    return { text: this.#decoder.decode(bytes.subarray(start, start + result)) };
  }
}

let reader: FileReader | undefined;

/**
 * The text of a file, a small one usually, of the kernel's. Deno makes ten system calls for it, and an exception when it is missing.
 * @returns undefined when there is no such file, or its process has ended
 * @throws {SystemCallError} when it cannot be read
 */
export function readText(path: string): string | undefined {
  reader ??= new FileReader();
  const found = reader.read(path);
  return found === "more" ? Deno.readTextFileSync(path) : found?.text;
}

function writePath(path: string, into: Uint8Array<ArrayBuffer>): void {
  const { read } = encoder.encodeInto(`${path}\0`, into);
  if (read <= path.length) throw new RangeError(`a path of ${path.length} characters is too long`);
}

/** How many files are read in one walk of a table. */
const TOGETHER = 32;
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
  const decoder = new TextDecoder();
  const texts: (string | undefined)[] = [];
  while (texts.length < paths.length) {
    // the slots that the last turn leaves over read again what they read before
    const turn = paths.slice(texts.length, texts.length + slots.length);
    turn.forEach((path, index) => {
      writePath(path, slots[index]!.path);
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
