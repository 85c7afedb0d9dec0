import { ImageError } from "../../errors.ts";
import type { ByteString } from "../tar/byte_string.ts";
import type { LayerBlob } from "../source/source.ts";
import { type ImageFiles, type LayerChild, type LayerView, MergedFiles } from "./merged.ts";
import type { ByteStream } from "../compression/stream.ts";
import { Budget } from "../layer/budget.ts";
import { isCompressed, openLayer } from "../layer/stream.ts";
import { type Directory, EVERYTHING, type File, LayerTree } from "../layer/tree.ts";
import { fileSize } from "../tar/decoder.ts";
import { TarError } from "../tar/fields.ts";
import { readTar } from "../tar/reader.ts";
import { treeStream } from "../layer/tree_stream.ts";

/**
 * Files of an image whose layers are not unpacked. Needs no root and changes nothing. What a layer holds is found out when it
 * is asked for, unless it is known; the digests are not checked.
 * @param layers of the open source, lowest first; a tree keeps its files
 */
export function archivedFiles(
  layers: readonly { readonly blob: LayerBlob; readonly tree?: LayerTree }[],
): ImageFiles {
  const budget = new Budget();
  return new MergedFiles(layers.toReversed().map(({ blob, tree }) => new ArchivedLayer(blob, tree, budget)));
}

const CHUNK_SIZE = 1 << 20;

class ArchivedLayer implements LayerView<Directory> {
  #tree: Promise<LayerTree> | undefined;

  constructor(readonly blob: LayerBlob, known: LayerTree | undefined, readonly budget: Budget) {
    if (known !== undefined) this.#tree = Promise.resolve(known);
  }

  async root(): Promise<Directory> {
    return (await (this.#tree ??= this.#index())).root;
  }

  child(directory: Directory, name: ByteString): LayerChild<Directory> | undefined {
    const node = directory.children.get(name);
    if (node?.kind === "directory") return { kind: "directory", directory: node, opaque: node.opaque };
    if (node?.kind === "file") {
      return {
        kind: "file",
        size: fileSize(node.entry),
        read: () => this.#readFile(node),
      };
    }
    return node?.kind === "symlink" ? node : node && { kind: "other" };
  }

  /** Of a plain layer only the headers are read; a compressed one has to be uncompressed. */
  async #index(): Promise<LayerTree> {
    const tree = new LayerTree(EVERYTHING, this.budget);
    try {
      const range = await this.blob.range();
      if (isCompressed(range)) await this.#indexStream(tree);
      else for (const { entry, offset } of readTar(range)) tree.add(entry, offset - range.offset);
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      throw new ImageError({ what: `cannot read ${this.blob.label}`, why: error.message, cause: error });
    }
    return tree;
  }

  async #open(): Promise<ByteStream> {
    return openLayer({ ...await this.blob.range(), label: this.blob.label });
  }

  async #indexStream(tree: LayerTree): Promise<void> {
    const tar = treeStream(tree);
    using stream = await this.#open();
    const chunk = new Uint8Array(CHUNK_SIZE);
    for (let count = 0; (count = await stream.read(chunk)) > 0;) tar.feed(chunk.subarray(0, count));
    tar.finish();
  }

  async #readFile({ entry, offset }: File): Promise<Uint8Array> {
    using stream = await this.#open();
    await stream.skip(offset);
    const data = new Uint8Array(entry.size);
    await stream.read(data);
    if (entry.sparse === undefined) return data;
    const { size, pieces } = entry.sparse;
    const file = new Uint8Array(size);
    for (let index = 0, from = 0; index < pieces.length; index += 2) {
      const length = pieces[index + 1]!;
      file.set(data.subarray(from, from + length), pieces[index]!);
      from += length;
    }
    return file;
  }
}
