import { ImageError } from "../errors.ts";
import type { ByteString } from "./byte_string.ts";
import type { LayerBlob } from "./docker_archive.ts";
import { type ImageFiles, type LayerChild, type LayerView, MergedFiles } from "./image_files.ts";
import { isCompressed, openLayer } from "./layer_stream.ts";
import { type Directory, type File, LayerTree } from "./layer_tree.ts";
import { fileSize } from "./tar_decoder.ts";
import { TarError } from "./tar_fields.ts";
import { readTar } from "./tar_reader.ts";
import { TarStream } from "./tar_stream.ts";

/**
 * Files of an image that is not in the store. Needs no root and changes nothing. What a layer holds is found out when it is
 * asked for; the digests are not checked.
 * @param layers of the open archive, lowest first
 */
export function archivedFiles(layers: readonly LayerBlob[]): ImageFiles {
  return new MergedFiles(layers.toReversed().map((layer) => new ArchivedLayer(layer)));
}

const CHUNK_SIZE = 1 << 20;

class ArchivedLayer implements LayerView<Directory> {
  #tree: Promise<LayerTree> | undefined;

  constructor(readonly blob: LayerBlob) {}

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
    const tree = new LayerTree(true);
    try {
      if (isCompressed(this.blob)) await this.#indexStream(tree);
      else for (const { entry, offset } of readTar(this.blob)) tree.add(entry, offset - this.blob.offset);
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      throw new ImageError({ what: `cannot read ${this.blob.label}`, why: error.message, cause: error });
    }
    return tree;
  }

  async #indexStream(tree: LayerTree): Promise<void> {
    const tar = new TarStream({
      entry: (entry, offset) => {
        tree.add(entry, offset);
        return false;
      },
      data: () => {},
    });
    const stream = openLayer(this.blob);
    const chunk = new Uint8Array(CHUNK_SIZE);
    for (let count = 0; (count = await stream.read(chunk)) > 0;) tar.feed(chunk.subarray(0, count));
    tar.finish();
  }

  async #readFile({ entry, offset }: File): Promise<Uint8Array> {
    const stream = openLayer(this.blob);
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
