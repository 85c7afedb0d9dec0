/** A layer's uncompressed tar, from first byte to last. */
import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { ImageError } from "../../errors.ts";
import { type FileRange, readAt } from "../tar/reader.ts";

export interface LayerStream {
  /**
   * Reads until `target` is full or the tar ends.
   * @returns how many bytes that were: fewer than `target.length` only at the end
   * @throws {ImageError} when the blob is cut, or no valid gzip
   */
  read(target: Uint8Array): Promise<number>;
  /** Passes over bytes. */
  skip(count: number): Promise<void>;
}

/** How much of a compressed layer is read at once. */
const COMPRESSED_CHUNK = 256 << 10;

const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

/** A layer's bytes, and how messages name it. */
export interface LayerContent extends FileRange {
  readonly label: string;
}

function startsWith(blob: FileRange, magic: readonly number[]): boolean {
  const start = new Uint8Array(Math.min(magic.length, blob.size));
  const count = readAt(blob.file, blob.offset, start);
  return count === magic.length && magic.every((byte, index) => start[index] === byte);
}

/** Whether the blob is something else than the tar itself. */
export function isCompressed(blob: FileRange): boolean {
  return startsWith(blob, GZIP) || startsWith(blob, ZSTD);
}

/** @throws {ImageError} when the layer is compressed with something that dhow does not know */
export function openLayer(blob: LayerContent): LayerStream {
  if (startsWith(blob, GZIP)) return new GzipStream(blob);
  if (startsWith(blob, ZSTD)) {
    throw new ImageError({
      what: `cannot read ${blob.label}`,
      why: "it is compressed with zstd",
      hint: "save the image with gzip or without compression",
    });
  }
  return new PlainStream(blob);
}

class PlainStream implements LayerStream {
  #position = 0;

  constructor(readonly blob: LayerContent) {}

  read(target: Uint8Array): Promise<number> {
    return Promise.resolve(this.readNow(target));
  }

  readNow(target: Uint8Array): number {
    const { blob } = this;
    const wanted = Math.min(target.length, blob.size - this.#position);
    const count = readAt(blob.file, blob.offset + this.#position, target.subarray(0, wanted));
    if (count < wanted) {
      throw new ImageError({ what: `cannot read ${blob.label}`, why: "the archive was truncated" });
    }
    this.#position += count;
    return count;
  }

  skip(count: number): Promise<void> {
    this.#position = Math.min(this.#position + count, this.blob.size);
    return Promise.resolve();
  }
}

class GzipStream implements LayerStream {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #left: Uint8Array = new Uint8Array(0);

  constructor(readonly blob: LayerContent) {
    const compressed = new PlainStream(blob);
    const source = function* () {
      while (true) {
        const chunk = new Uint8Array(COMPRESSED_CHUNK);
        const count = compressed.readNow(chunk);
        if (count === 0) return;
        yield chunk.subarray(0, count);
      }
    };
    const stream = Readable.from(source()).pipe(createGunzip({ chunkSize: 1 << 20 }));
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async read(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      if (this.#left.length === 0) {
        const next = await this.#next();
        if (next === undefined) break;
        this.#left = next;
      }
      const count = Math.min(this.#left.length, target.length - filled);
      target.set(this.#left.subarray(0, count), filled);
      this.#left = this.#left.subarray(count);
      filled += count;
    }
    return filled;
  }

  async skip(count: number): Promise<void> {
    const waste = new Uint8Array(1 << 20);
    while (count > 0) {
      const skipped = await this.read(waste.subarray(0, Math.min(count, waste.length)));
      if (skipped === 0) return;
      count -= skipped;
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { value, done } = await this.#chunks.next();
      return done ? undefined : value;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ImageError({ what: `cannot uncompress ${this.blob.label}`, why, cause });
    }
  }
}
