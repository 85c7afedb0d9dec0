import { ImageError } from "../../errors.ts";
import { readAt } from "../read_at.ts";
import type { FileRange } from "../tar/reader.ts";

/** A part of a file, and how messages name it. */
export interface Content extends FileRange {
  readonly label: string;
  /** Told how many bytes of it were read, whenever some were. */
  readonly advance?: (bytes: number) => void;
}

/** Bytes in order, uncompressed. Give it back when no more is wanted: it may hold memory that nobody collects. */
export interface ByteStream extends Disposable {
  /**
   * Reads until `target` is full or all is read.
   * @returns how many bytes that were: fewer than `target.length` only at the end
   * @throws {ImageError} when the content is cut or damaged
   */
  read(target: Uint8Array): Promise<number>;
  /** Passes over bytes. */
  skip(count: number): Promise<void>;
}

/** The compressed bytes are not what their format wants. Its message is a reason without a subject. */
export class CompressionError extends Error {
  override readonly name = "CompressionError";
}

/** How much of compressed content is read at once: a thousand times as much may come out before anybody takes it. */
const COMPRESSED_CHUNK = 64 << 10;

/** The content as it is, in parts; each has memory of its own. */
export function* contentChunks({ file, offset, size, label, advance }: Content): Generator<Uint8Array, void> {
  for (let position = 0; position < size;) {
    const chunk = new Uint8Array(Math.min(COMPRESSED_CHUNK, size - position));
    if (readAt(file, offset + position, chunk) < chunk.length) throw truncated(label);
    advance?.(chunk.length);
    yield chunk;
    position += chunk.length;
  }
}

/** Somebody shortened the file after it was opened. */
export function truncated(label: string): ImageError {
  return new ImageError({ what: `cannot read ${label}`, why: "the archive was truncated" });
}

/** What a decompressor yields, read as a stream. */
export class DecompressedStream implements ByteStream {
  #left: Uint8Array = new Uint8Array(0);

  constructor(readonly label: string, readonly chunks: AsyncGenerator<Uint8Array, void>) {}

  async read(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length && await this.#fill()) {
      const part = this.#take(target.length - filled);
      target.set(part, filled);
      filled += part.length;
    }
    return filled;
  }

  async skip(count: number): Promise<void> {
    while (count > 0 && await this.#fill()) count -= this.#take(count).length;
  }

  /** Waits for more when nothing is left. @returns false at the end */
  async #fill(): Promise<boolean> {
    while (this.#left.length === 0) {
      const { value, done } = await this.#next();
      if (done) return false;
      this.#left = value;
    }
    return true;
  }

  async #next(): Promise<IteratorResult<Uint8Array, void>> {
    try {
      return await this.chunks.next();
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      throw new ImageError({
        what: `cannot uncompress ${this.label}`,
        why: error.message,
        hint: "it is damaged or incomplete: copy or save it again",
        cause: error,
      });
    }
  }

  #take(most: number): Uint8Array {
    const part = this.#left.subarray(0, most);
    this.#left = this.#left.subarray(part.length);
    return part;
  }

  [Symbol.dispose](): void {
    // asynchronous, but nobody has to wait for memory that is given back
    void this.chunks.return();
  }
}
