import { quoteName } from "./byte_string.ts";
import { BLOCK, END, TarDecoder, type TarEntry } from "./decoder.ts";
import { readAt } from "../read_at.ts";
import { TarError } from "./fields.ts";

/** A part of an open file. */
export interface FileRange {
  readonly file: Deno.FsFile;
  readonly offset: number;
  readonly size: number;
}

/** An entry, and where its data start in the file. */
export interface LocatedEntry {
  readonly entry: TarEntry;
  readonly offset: number;
}

/** Headers of small files follow each other closely; those of large files are far apart. */
const SMALL_READ = 8 << 10;
const LARGE_READ = 64 << 10;

/** A window on a range of a file, moved with as few reads as can be. */
class Window {
  #buffer: Uint8Array = new Uint8Array(LARGE_READ);
  #start = 0;
  #end = 0;

  constructor(readonly range: FileRange) {}

  /** Where `length` bytes at `position` lie in the buffer; -1 when the range ends before. */
  locate(position: number, length: number): number {
    if (position < this.#start || position + length > this.#end) {
      const left = this.range.size - position;
      if (left < length) return -1;
      // reading on from where the last read ended is a sign of small files
      const size = position >= this.#start && position <= this.#end ? LARGE_READ : SMALL_READ;
      const wanted = Math.min(Math.max(size, length), left);
      if (wanted > this.#buffer.length) this.#buffer = new Uint8Array(wanted);
      const count = readAt(this.range.file, this.range.offset + position, this.#buffer.subarray(0, wanted));
      this.#start = position;
      this.#end = position + count;
      if (count < length) return -1;
    }
    return position - this.#start;
  }

  get bytes(): Uint8Array {
    return this.#buffer;
  }
}

/**
 * The entries of a tar archive, by its headers alone: data are skipped, not read.
 * @throws {TarError} when it is not a tar archive, or ends too early
 */
export function* readTar(range: FileRange): Generator<LocatedEntry, void> {
  const decoder = new TarDecoder();
  const window = new Window(range);
  let position = 0;
  while (true) {
    const { wanted } = decoder;
    const at = window.locate(position, wanted);
    if (at === -1) {
      // an archive without an end mark is fine, GNU tar and Go say; one that ends inside an entry is not
      if (position >= range.size && position > 0 && decoder.betweenEntries) return;
      throw new TarError(position === 0 ? "it is empty, or shorter than a header" : "it is truncated");
    }
    const entry = decoder.feed(window.bytes, at);
    position += wanted;
    if (entry === undefined) continue;
    if (entry === END) return;
    if (entry.size > range.size - position) {
      throw new TarError(`it is truncated: ${quoteName(entry.name)} is cut`);
    }
    yield { entry, offset: range.offset + position };
    // the last block's padding may be missing: umoci's layers end so, and Go reads them
    position += Math.ceil(entry.size / BLOCK) * BLOCK;
  }
}
