import { BLOCK, END, ofEntry, TarDecoder, type TarEntry } from "./decoder.ts";
import { TarError } from "./fields.ts";

/** Who takes what a stream of tar is made of. */
export interface TarHandler {
  /**
   * An entry begins. Errors get its name.
   * @param offset where in the tar its data start
   * @returns whether its data are wanted, if it has any
   */
  entry(entry: TarEntry, offset: number): boolean;
  /** The next `count` bytes of the entry's data are at `position` of the bytes that were fed. */
  data(position: number, count: number): void;
}

/** Takes a tar apart that comes in parts of any size. */
export class TarStream {
  readonly #decoder = new TarDecoder();
  /** Bytes before those that are fed. */
  #offset = 0;
  /** Data of the current entry that are wanted and have not come yet. */
  #data = 0;
  /** Bytes after that which nobody needs. */
  #skip = 0;
  /** How many of those fill the entry's last block. */
  #padding = 0;
  /** A header of which only a part has come. */
  #partial: { readonly bytes: Uint8Array; filled: number } | undefined;
  #ended = false;

  constructor(readonly handler: TarHandler) {}

  /** @throws {TarError} when it is not tar */
  feed(bytes: Uint8Array): void {
    let position = 0;
    while (position < bytes.length && !this.#ended) {
      const available = bytes.length - position;
      if (this.#data > 0) {
        const count = Math.min(this.#data, available);
        this.#data -= count;
        this.handler.data(position, count);
        position += count;
      } else if (this.#skip > 0) {
        const count = Math.min(this.#skip, available);
        this.#skip -= count;
        position += count;
      } else {
        position += this.#takeHeader(bytes, position);
      }
    }
    this.#offset += bytes.length;
  }

  #takeHeader(bytes: Uint8Array, position: number): number {
    const { wanted } = this.#decoder;
    if (this.#partial === undefined && bytes.length - position >= wanted) {
      this.#decode(bytes, position, this.#offset + position + wanted);
      return wanted;
    }
    const partial = this.#partial ??= { bytes: new Uint8Array(wanted), filled: 0 };
    const count = Math.min(wanted - partial.filled, bytes.length - position);
    partial.bytes.set(bytes.subarray(position, position + count), partial.filled);
    partial.filled += count;
    if (partial.filled === wanted) {
      this.#partial = undefined;
      this.#decode(partial.bytes, 0, this.#offset + position + count);
    }
    return count;
  }

  #decode(bytes: Uint8Array, start: number, dataOffset: number): void {
    const entry = this.#decoder.feed(bytes, start);
    if (entry === undefined) return;
    if (entry === END) {
      this.#ended = true;
      return;
    }
    const padded = Math.ceil(entry.size / BLOCK) * BLOCK;
    try {
      this.#data = this.handler.entry(entry, dataOffset) ? entry.size : 0;
    } catch (error) {
      throw ofEntry(entry.name, error);
    }
    this.#skip = padded - this.#data;
    this.#padding = padded - entry.size;
  }

  /** Call it when all was fed. @throws {TarError} when something is missing */
  finish(): void {
    // an archive without an end mark is fine, GNU tar and Go say; Go reads one without its last padding too, as umoci writes
    const isComplete = this.#ended ||
      (this.#offset > 0 && this.#data === 0 && this.#partial === undefined && this.#skip <= this.#padding &&
        this.#decoder.betweenEntries);
    if (!isComplete) throw new TarError(this.#offset === 0 ? "it is empty" : "it is truncated");
  }
}
