import { describeErrno, EDQUOT, ENOSPC, SystemCallError } from "../../../ffi/errno.ts";
import { HostError } from "../../errors.ts";
import type { LayerProgress } from "../progress.ts";
import type { LayerBlob } from "../source/source.ts";
import { quoteName } from "../tar/byte_string.ts";
import { CallQueue, EntryError } from "./call_queue.ts";
import { type LayerSink, receiveLayer } from "./receive.ts";
import { SkeletonWriter } from "./skeleton.ts";
import { LayerUnpacker } from "./unpacker.ts";

/** Small, because the calls that unpack one full of headers take twenty times its size, and wait when the disk is slow. */
const CHUNK_SIZE = 512 << 10;

export interface UnpackedLayer {
  /** Of the uncompressed tar, in bytes. */
  readonly tarSize: number;
  /** Sum of the files' sizes, in bytes. */
  readonly size: number;
  /** Whether it hides all layers below it. */
  readonly isOpaque: boolean;
  /** Whether what the layer itself replaced is needed to put its tar together again. */
  readonly needsTrash: boolean;
}

/**
 * Unpacks a layer into a folder, and keeps what the folder does not say of the tar.
 * @param root an empty folder, which the layer becomes
 * @param trash an empty folder on the same file system, for what the layer itself replaces
 * @param skeleton path of a file to make, for the rest of the tar
 * @param signal stops the work, at some point in the middle of it
 * @throws {ImageError} when the layer is damaged, or not the one that the image's config names
 * @throws {HostError} when the host cannot take it: no space left, say
 */
export async function unpackLayer(
  blob: LayerBlob,
  root: string,
  trash: string,
  skeleton: string,
  signal: AbortSignal,
  progress: LayerProgress,
): Promise<UnpackedLayer> {
  const queue = new CallQueue();
  const writer = openWriter(skeleton, queue, blob, root);
  const unpacker = new LayerUnpacker(queue, root, trash, (offset, size) => writer.leaveOut(offset, size));
  const sink: LayerSink = {
    chunkSize: CHUNK_SIZE,
    feed(address, bytes) {
      // throws here and now what is wrong with the tar, and tells the writer what to leave out
      unpacker.feed(address, bytes);
      writer.feed(address, bytes.length);
      return queue.flush();
    },
    async finish() {
      unpacker.finish();
      await queue.flush();
      writer.finish();
    },
  };
  try {
    const tarSize = await receiveLayer(blob, sink, signal, progress);
    return { tarSize, size: unpacker.size, isOpaque: unpacker.isOpaque, needsTrash: unpacker.needsTrash };
  } catch (error) {
    throw explained(error, blob, root);
  } finally {
    await queue.release();
    unpacker.close();
    writer.close();
  }
}

function openWriter(skeleton: string, queue: CallQueue, blob: LayerBlob, root: string): SkeletonWriter {
  try {
    return new SkeletonWriter(skeleton, queue);
  } catch (error) {
    throw explained(error, blob, root);
  }
}

function explained(error: unknown, { label }: LayerBlob, root: string): unknown {
  if (!(error instanceof EntryError || error instanceof SystemCallError)) return error;
  const name = error instanceof EntryError ? error.entry : undefined;
  const entry = name === undefined ? "" : `${quoteName(name)} of `;
  const subject = `${entry}${label} into ${JSON.stringify(root)}`;
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
