/** Layers as registries hold them: compressed with gzip. */
import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
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
  using output = Deno.openSync(file, { write: true, createNew: true, mode: 0o600 });
  // a pipeline's errors come out at its end
  const compressed = pipeline(
    Readable.from(counted(tar, original, progress, signal)),
    createGzip(),
    () => {},
  );
  for await (const chunk of compressed) {
    const bytes = chunk as Uint8Array;
    await Promise.all([digester.update(bytes), writeAll(output, bytes, file)]);
    size += bytes.length;
  }
  signal.throwIfAborted();
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

async function* counted(
  tar: AsyncIterable<Uint8Array>,
  digester: Digester,
  progress: LayerProgress,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of tar) {
    signal.throwIfAborted();
    progress.advance(chunk.length);
    await digester.update(chunk);
    yield chunk.slice(); // the compressor may still have it when the next one is read
  }
}

/** @param path how errors name the file */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const hint = "free some space, or choose another place with --root DIR";
    throw new HostError({ what: `cannot write "${path}"`, why, hint, cause });
  }
}
