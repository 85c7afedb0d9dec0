/** A layer's uncompressed tar, from first byte to last. */
import { PlainStream } from "../compression/plain.ts";
import { type ByteStream, type Content, DecompressedStream } from "../compression/stream.ts";
import { readAt } from "../read_at.ts";
import type { FileRange } from "../tar/reader.ts";

/** Whether content starts as what dhow uncompresses does. A zstd skippable frame may come first (RFC 8878, section 3.1.2). */
const STARTS: Readonly<Record<Compression, (start: Uint8Array) => boolean>> = {
  gzip: ([a, b]) => a === 0x1f && b === 0x8b,
  zstd: ([a, b, c, d]) =>
    (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) ||
    (a! >> 4 === 0x5 && b === 0x2a && c === 0x4d && d === 0x18),
};

export type Compression = "gzip" | "zstd";

/** What content is compressed with, as its first bytes say: names and media types are often wrong. */
export function compressionOf({ file, offset, size }: FileRange): Compression | undefined {
  const start = new Uint8Array(Math.min(4, size));
  readAt(file, offset, start);
  return (["gzip", "zstd"] as const).find((compression) => STARTS[compression](start));
}

/** Whether the blob is something else than the tar itself. */
export function isCompressed(blob: FileRange): boolean {
  return compressionOf(blob) !== undefined;
}

/** The uncompressed bytes of a layer, or of a whole archive. */
export function openLayer(blob: Content): ByteStream {
  const compression = compressionOf(blob);
  return compression === undefined
    ? new PlainStream(blob)
    : new DecompressedStream(blob.label, DECOMPRESSORS[compression](blob));
}

/** Each is loaded when there is something for it. */
const DECOMPRESSORS: Readonly<Record<Compression, (blob: Content) => AsyncGenerator<Uint8Array, void>>> = {
  async *gzip(blob) {
    const { gunzip } = await import("../compression/gzip.ts");
    yield* gunzip(blob);
  },
  async *zstd(blob) {
    const { unzstd } = await import("../compression/zstd.ts");
    yield* unzstd(blob);
  },
};
