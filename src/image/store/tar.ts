import type { LayerStore } from "./layers.ts";

/** How much of a tar is read at once. */
const CHUNK_SIZE = 1 << 20;

/** Reads `size` bytes from where the file is; fewer if it ends. Each chunk is good until the next is asked for. */
export function* chunksOf(file: Deno.FsFile, size: number): Generator<Uint8Array> {
  const chunk = new Uint8Array(Math.min(CHUNK_SIZE, size));
  for (let left = size; left > 0;) {
    const count = file.readSync(chunk.subarray(0, Math.min(chunk.length, left)));
    if (count === null) return;
    yield chunk.subarray(0, count);
    left -= count;
  }
}

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
    yield* chunksOf(this.#file, this.size);
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }
}
