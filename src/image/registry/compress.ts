/** Layers as registries hold them: compressed with gzip. */
import { createGzip, type Gzip } from "node:zlib";
import { type Digester, sha256 } from "../digest.ts";
import { HostError, ImageError } from "../../errors.ts";
import type { LayerProgress } from "../progress.ts";

/** A compressed layer in a file. */
export interface CompressedLayer {
  readonly file: string;
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
}

/**
 * Compresses a tar into a new file, and hashes what comes out. The same tar gives the same bytes every time.
 * @param diffId sha256 of the tar
 * @param file must not be there yet
 * @param progress advances by bytes of the tar
 * @throws {ImageError} when it is not the tar of that digest
 * @throws {HostError} when there is no space left
 */
export async function compress(
  tar: AsyncIterable<Uint8Array>,
  diffId: string,
  file: string,
  progress: LayerProgress,
  signal: AbortSignal,
): Promise<CompressedLayer> {
  const original = sha256();
  const digester = sha256();
  let size = 0;
  using output = createFile(file);
  const gzip = createGzip();
  const feeding = feed(gzip, tar, original, progress, signal).catch((error) => gzip.destroy(error));
  for await (const chunk of gzip) {
    const bytes = chunk as Uint8Array;
    await Promise.all([digester.update(bytes), writeAll(output, bytes, file)]);
    size += bytes.length;
  }
  await feeding;
  if (original.digest() !== diffId) {
    const why = "its digest is not that any more";
    throw new ImageError({
      what: `cannot use layer ${diffId} of the store`,
      why,
      hint: "load or pull the image again",
    });
  }
  return { file, digest: digester.digest(), size };
}

/** Each chunk of the tar is good until the next is asked for, so the compressor must be done with it by then. */
async function feed(
  gzip: Gzip,
  tar: AsyncIterable<Uint8Array>,
  digester: Digester,
  progress: LayerProgress,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunk of tar) {
    signal.throwIfAborted();
    const compressed = new Promise<void>((resolve, reject) =>
      gzip.write(chunk, (error) => error ? reject(error) : resolve())
    );
    await Promise.all([compressed, digester.update(chunk)]);
    progress.advance(chunk.length);
  }
  gzip.end();
}

/** Makes a file, to be written and read by its owner. @throws {HostError} when that cannot be, or it is there already */
export function createFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** @param path how errors name the file */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function unwritable(path: string, cause: unknown): HostError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const hint = "free some space, or choose another place with --root DIR";
  return new HostError({ what: `cannot write "${path}"`, why, hint, cause });
}
