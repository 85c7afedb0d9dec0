import { Arena } from "../../../ffi/arena.ts";
import { ImageError } from "../../errors.ts";
import { sha256 } from "../digest.ts";
import type { LayerProgress } from "../progress.ts";
import type { LayerBlob } from "../source/source.ts";
import { TarError } from "../tar/fields.ts";
import { openLayer } from "./stream.ts";

/** So many parts of the tar are under way at once: one is read while others are hashed and written. */
const CHUNKS = 4;

/** What a layer's uncompressed tar is written to. */
export interface LayerSink {
  /** How many bytes it is given at a time, at most. */
  readonly chunkSize: number;
  /**
   * Takes the next part of the tar.
   * @param address where the bytes lie in memory
   * @returns settled when that memory may be used again
   * @throws {TarError} at once, when it is not tar, or something is in it that must not be in a layer
   */
  feed(address: number, bytes: Uint8Array): Promise<unknown>;
  /** All of it was fed. @throws {TarError} when it is incomplete */
  finish(): Promise<void>;
}

/**
 * Writes a layer into a sink, and hashes it on the way: the same bytes in memory are hashed and written, so that nobody can
 * change the source in between.
 * @param signal stops the work, at some point in the middle of it
 * @param progress told of the bytes that the source has of it, compressed or not
 * @returns how many bytes the tar has
 * @throws {ImageError} when the layer is damaged, or not the one that the image's config names
 */
export async function receiveLayer(
  blob: LayerBlob,
  sink: LayerSink,
  signal: AbortSignal,
  progress: LayerProgress,
): Promise<number> {
  const advance = (bytes: number) => progress.advance(bytes);
  using stream = openLayer({ ...await blob.range(signal), label: blob.label, advance });
  const { chunkSize } = sink;
  const arena = new Arena(CHUNKS * chunkSize);
  const digester = sha256();
  const chunks = Array.from({ length: CHUNKS }, (_, index) => ({
    address: arena.address + index * chunkSize,
    bytes: arena.bytes.subarray(index * chunkSize, (index + 1) * chunkSize),
    idle: Promise.resolve() as Promise<unknown>,
  }));
  let hashed = Promise.resolve();
  let size = 0;
  try {
    for (let index = 0;; index++) {
      signal.throwIfAborted();
      const chunk = chunks[index % CHUNKS]!;
      await chunk.idle;
      const count = await stream.read(chunk.bytes);
      if (count === 0) break;
      const bytes = chunk.bytes.subarray(0, count);
      hashed = digester.update(bytes);
      chunk.idle = Promise.all([hashed, sink.feed(chunk.address, bytes)]);
      chunk.idle.catch(() => {}); // heard of when its turn comes
      size += count;
    }
    await sink.finish();
    await Promise.all(chunks.map((chunk) => chunk.idle));
    const digest = digester.digest();
    if (digest !== blob.diffId) {
      throw new ImageError({
        what: `layer digest wrong: ${blob.label}`,
        why: `expected ${blob.diffId}, found ${digest}`,
        hint: "the archive is damaged, or was changed: save it again",
      });
    }
    return size;
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    throw new ImageError({
      what: `cannot use ${blob.label}`,
      why: error.message,
      hint: "the archive is damaged, or made to do harm",
      cause: error,
    });
  } finally {
    // other threads may still be at it; memory must not go away under them
    await Promise.allSettled([hashed, ...chunks.map((chunk) => chunk.idle)]);
    arena.release();
  }
}
