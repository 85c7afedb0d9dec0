import { Arena } from "../../../ffi/arena.ts";
import { describeErrno, EDQUOT, ENOSPC } from "../../../ffi/errno.ts";
import { HostError, ImageError } from "../../errors.ts";
import { quoteName } from "../tar/byte_string.ts";
import { EntryError } from "./call_queue.ts";
import { sha256 } from "../digest.ts";
import type { LayerBlob } from "../source/source.ts";
import { openLayer } from "./stream.ts";
import { LayerUnpacker } from "./unpacker.ts";
import { TarError } from "../tar/fields.ts";

/** A few of these are under way at once: one is read while others are hashed and written. */
const CHUNK_SIZE = 2 << 20;
const CHUNKS = 4;

export interface UnpackedLayer {
  /** Sum of the files' sizes, in bytes. */
  readonly size: number;
  /** Whether it hides all layers below it. */
  readonly isOpaque: boolean;
}

/**
 * Unpacks a layer into a folder, and hashes it on the way: the same bytes in memory are hashed and written, so that
 * nobody can change the archive in between.
 * @param root an empty folder, which the layer becomes
 * @param trash an empty folder on the same file system; what is in it afterwards is of no use
 * @param signal stops the work, at some point in the middle of it
 * @throws {ImageError} when the layer is damaged, or not the one that the image's config names
 * @throws {HostError} when the host cannot take it: no space left, say
 */
export async function unpackLayer(
  blob: LayerBlob,
  root: string,
  trash: string,
  signal: AbortSignal,
): Promise<UnpackedLayer> {
  const arena = new Arena(CHUNKS * CHUNK_SIZE);
  const unpacker = new LayerUnpacker(root, trash);
  const digester = sha256();
  const chunks = Array.from({ length: CHUNKS }, (_, index) => ({
    address: arena.address + index * CHUNK_SIZE,
    bytes: arena.bytes.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE),
    idle: Promise.resolve() as Promise<unknown>,
  }));
  let hashed = Promise.resolve();
  try {
    using stream = openLayer({ ...await blob.range(signal), label: blob.label });
    for (let index = 0;; index++) {
      signal.throwIfAborted();
      const chunk = chunks[index % CHUNKS]!;
      await chunk.idle;
      const count = await stream.read(chunk.bytes);
      if (count === 0) break;
      const bytes = chunk.bytes.subarray(0, count);
      hashed = digester.update(bytes);
      chunk.idle = Promise.all([hashed, unpacker.feed(chunk.address, bytes)]);
      chunk.idle.catch(() => {}); // heard of when its turn comes
    }
    await unpacker.finish();
    await Promise.all(chunks.map((chunk) => chunk.idle));
    const digest = digester.digest();
    if (digest !== blob.diffId) {
      throw new ImageError({
        what: `layer digest wrong: ${blob.label}`,
        why: `expected ${blob.diffId}, found ${digest}`,
        hint: "the archive is damaged, or was changed: save it again",
      });
    }
    return { size: unpacker.size, isOpaque: unpacker.isOpaque };
  } catch (error) {
    throw explained(error, blob, root);
  } finally {
    // other threads may still be at it; memory must not go away under them
    await hashed;
    await unpacker.release();
    arena.release();
  }
}

function explained(error: unknown, { label }: LayerBlob, root: string): unknown {
  if (error instanceof TarError) {
    return new ImageError({
      what: `cannot unpack ${label}`,
      why: error.message,
      hint: "the archive is damaged, or made to do harm",
      cause: error,
    });
  }
  if (!(error instanceof EntryError)) return error;
  const subject = `${quoteName(error.entry)} of ${label} into ${JSON.stringify(root)}`;
  if (error.errno === ENOSPC || error.errno === EDQUOT) {
    return new HostError({
      what: `no space left: cannot unpack ${subject}`,
      why: describeErrno(error.errno),
      hint: "make room there, or choose another place with --root",
      cause: error,
    });
  }
  return new HostError({ what: `cannot unpack ${subject}`, why: error.message, cause: error });
}
