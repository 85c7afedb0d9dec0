import type { LayerStore } from "./layers.ts";

/** How much of a tar is read at once. */
const CHUNK_SIZE = 1 << 20;

/** The uncompressed tar of a layer of the store, in whatever form that is kept. */
export class LayerTar implements Disposable {
  /** In bytes. */
  readonly size: number;
  #file: Deno.FsFile | undefined;

  /** @throws {ImageError} when the store does not have the layer */
  constructor(readonly layers: LayerStore, readonly diffId: string) {
    this.size = layers.tarSize(diffId);
  }

  /**
   * Its bytes, in order, from the first on; each chunk is good until the next is asked for.
   * @throws {ImageError} when the layer is damaged so that its tar cannot be put together
   */
  async *chunks(): AsyncGenerator<Uint8Array> {
    this.#file ??= await this.layers.openTar(this.diffId);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    const chunk = new Uint8Array(CHUNK_SIZE);
    for (let count = 0; (count = this.#file.readSync(chunk) ?? 0) > 0;) yield chunk.subarray(0, count);
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }
}
