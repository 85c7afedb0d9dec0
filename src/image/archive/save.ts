import { ImageError } from "../../errors.ts";
import { sha256 } from "../digest.ts";
import type { LayerProgress, Progress } from "../progress.ts";
import { encodeText } from "../tar/byte_string.ts";
import type { TarEntry } from "../tar/decoder.ts";
import type { TarWriter } from "../tar/writer.ts";
import { type ArchiveFormat, blobPath, makeLayout, type SavableImage } from "./layout.ts";
import type { Selection } from "./selection.ts";

/** The uncompressed tar of a layer. */
export interface StoredTar extends Disposable {
  readonly size: number;
  /** Its bytes, in order; each chunk is good until the next is asked for. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** Where layers are kept. */
export interface LayerTars {
  /** @param diffId of a layer of an image in the store */
  openTar(diffId: string): StoredTar;
}

export interface SaveOptions {
  readonly format: ArchiveFormat;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Writes images as one archive, without its end. Layers that several of them have are in it once. The same images give the same bytes.
 * @throws {ImageError} when a layer in the store is not what its diff id says; what was written then is worthless
 */
export async function saveImages(
  images: readonly Selection<SavableImage>[],
  tars: LayerTars,
  tar: TarWriter,
  options: SaveOptions,
): Promise<void> {
  const sizes = layerSizes(images, tars);
  const layout = makeLayout(images, options.format, (diffId) => sizes.get(diffId)!);
  // all are announced first, so that it can be told how much there is to do
  const progress = new Map(
    Array.from(sizes, ([diffId, size]) => [diffId, options.progress.layer(diffId, "Saving", size)]),
  );
  await tar.header(entry("blobs/"));
  await tar.header(entry("blobs/sha256/"));
  for (const digest of [...layout.blobs.keys(), ...sizes.keys()].sort()) {
    const bytes = layout.blobs.get(digest);
    if (bytes === undefined) {
      await saveLayer(digest, sizes.get(digest)!, tars, tar, progress.get(digest)!, options.signal);
    } else await saveDocument(blobPath(digest), bytes, tar);
  }
  for (const { name, bytes } of layout.documents) await saveDocument(name, bytes, tar);
}

/** Bytes of each layer's tar, by its diff id. */
function layerSizes(images: readonly Selection<SavableImage>[], tars: LayerTars): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const diffId of images.flatMap(({ image }) => image.config.diffIds)) {
    if (sizes.has(diffId)) continue;
    using stored = tars.openTar(diffId);
    sizes.set(diffId, stored.size);
  }
  return sizes;
}

async function saveDocument(name: string, bytes: Uint8Array, tar: TarWriter): Promise<void> {
  await tar.header(entry(name, bytes.length));
  await tar.data(bytes);
}

async function saveLayer(
  diffId: string,
  size: number,
  tars: LayerTars,
  tar: TarWriter,
  progress: LayerProgress,
  signal: AbortSignal,
): Promise<void> {
  using stored = tars.openTar(diffId);
  const digester = sha256();
  let left = size;
  await tar.header(entry(blobPath(diffId), size));
  for await (const chunk of stored.chunks()) {
    signal.throwIfAborted();
    left -= chunk.length;
    if (left < 0) break;
    const hashed = digester.update(chunk);
    try {
      await tar.data(chunk);
    } finally {
      await hashed; // on another thread: the chunk's memory must not go away under it
    }
    progress.advance(chunk.length);
  }
  const digest = digester.digest();
  if (left !== 0 || digest !== diffId) {
    throw new ImageError({
      what: `cannot save layer ${diffId}`,
      why: left === 0
        ? `its tar in the store has changed to ${digest}`
        : "its tar in the store has changed its size",
      hint: "remove the image, and load or pull it again",
    });
  }
  progress.done("Saved");
}

/** A file of the archive, or a folder if its name ends with a slash. Its time is always the same: 1970. */
function entry(name: string, size = 0): TarEntry {
  const isFolder = name.endsWith("/");
  return {
    type: isFolder ? "directory" : "file",
    name: encodeText(name),
    link: "",
    mode: isFolder ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    mtimeNanoseconds: 0,
    major: 0,
    minor: 0,
    size,
    sparse: undefined,
    xattrs: undefined,
  };
}
