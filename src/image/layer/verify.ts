import { QUIET } from "../progress.ts";
import type { LayerBlob } from "../source/source.ts";
import { Budget } from "./budget.ts";
import { type LayerSink, receiveLayer } from "./receive.ts";
import { LayerTree, NOTHING } from "./tree.ts";
import { treeStream } from "./tree_stream.ts";

/**
 * Reads a layer from first byte to last, and keeps nothing.
 * @throws {ImageError} when it is damaged, or its sha256 is not its diff id
 */
export async function verifyLayer(blob: LayerBlob, signal = new AbortController().signal): Promise<void> {
  await receiveLayer(blob, new Nowhere(), signal, QUIET.layer(blob.diffId, "Verifying", blob.size));
}

class Nowhere implements LayerSink {
  readonly chunkSize = 2 << 20;

  readonly #stream = treeStream(new LayerTree(NOTHING, new Budget()));

  feed(_address: number, bytes: Uint8Array): Promise<void> {
    this.#stream.feed(bytes);
    return Promise.resolve();
  }

  finish(): Promise<void> {
    this.#stream.finish();
    return Promise.resolve();
  }
}
