import { describeErrno, EDQUOT, ENOSPC } from "../../../ffi/errno.ts";
import { HostError } from "../../errors.ts";
import type { LayerProgress } from "../progress.ts";
import type { LayerBlob } from "../source/source.ts";
import { quoteName } from "../tar/byte_string.ts";
import { EntryError } from "./call_queue.ts";
import { receiveLayer } from "./receive.ts";
import { LayerUnpacker } from "./unpacker.ts";

export interface UnpackedLayer {
  /** Sum of the files' sizes, in bytes. */
  readonly size: number;
  /** Whether it hides all layers below it. */
  readonly isOpaque: boolean;
}

/**
 * Unpacks a layer into a folder.
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
  progress: LayerProgress,
): Promise<UnpackedLayer> {
  const unpacker = new LayerUnpacker(root, trash);
  try {
    await receiveLayer(blob, unpacker, signal, progress);
    return { size: unpacker.size, isOpaque: unpacker.isOpaque };
  } catch (error) {
    throw explained(error, blob, root);
  } finally {
    await unpacker.release();
  }
}

function explained(error: unknown, { label }: LayerBlob, root: string): unknown {
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
