import { createGunzip } from "node:zlib";
import { pipeline, Readable } from "node:stream";
import { CompressionError } from "./stream.ts";

/** How much comes out at once, in bytes. */
const CHUNK = 1 << 20;

/**
 * Uncompresses gzip (RFC 1952) of any number of members, of which eStargz layers have one a file. Zeros after the last are
 * padding; other bytes there are refused, as Go's gzip does, which docker reads layers with.
 *
 * Deno's zlib is zlib-ng and runs on this thread. The host's zlib on another thread was tried: it takes a fifth longer, and
 * while hashing and writing are on other threads anyway, nothing is gained.
 * @throws {CompressionError} when it is damaged or cut
 */
export async function* gunzip(
  compressed: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const stream = createGunzip({ chunkSize: CHUNK });
  // whatever fails comes out of the loop below, for pipeline() hands it on
  pipeline(Readable.from(compressed), stream, () => {});
  try {
    yield* stream;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code?.startsWith("Z_") !== true) throw error;
    throw new CompressionError(message, { cause: error });
  }
}
