import { ImageError } from "../../errors.ts";
import { type IndexedLayer, makeIndex } from "../erofs/index.ts";
import { archivedFiles } from "../files/archived.ts";
import type { ImageFiles } from "../files/merged.ts";
import type { Budget } from "../layer/budget.ts";
import { EVERYTHING, LayerTree } from "../layer/tree.ts";
import type { LayerBlob } from "../source/source.ts";
import { ofEntry } from "../tar/decoder.ts";
import { TarError } from "../tar/fields.ts";
import { type FileRange, readTar } from "../tar/reader.ts";
import type { IndexStore } from "./indexes.ts";
import type { LayerStore } from "./layers.ts";

/** A layer that lies uncompressed in a file, and what it holds. */
export interface PlainLayer {
  readonly blob: LayerBlob;
  readonly tree: LayerTree;
  readonly range: FileRange;
  /** Which file it lies in: any number, the same for layers in one file. */
  readonly file: number;
  /** Bytes of that file. */
  readonly fileSize: number;
  /** Its number in the store; undefined in an archive. */
  readonly number: number | undefined;
}

/**
 * What a plain layer holds, by the headers of its tar alone.
 * @throws {ImageError} when it is damaged, or has something in it that must not be in a layer
 */
export function readTree(label: string, range: FileRange, budget: Budget): LayerTree {
  const tree = new LayerTree(EVERYTHING, budget);
  try {
    for (const { entry, offset } of readTar(range)) {
      try {
        tree.add(entry, offset - range.offset);
      } catch (error) {
        throw ofEntry(entry.name, error);
      }
    }
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    throw new ImageError({ what: `cannot use ${label}`, why: error.message, cause: error });
  }
  return tree;
}

/**
 * Opens the tars of an image's layers.
 * @param numbers of the layers in the store
 * @param trees of those that are known already, by diff id; the others are added
 * @returns undefined when one is not there any more
 */
export function openStoredLayers(
  store: LayerStore,
  diffIds: readonly string[],
  numbers: readonly number[],
  trees: Map<string, LayerTree>,
  budget: Budget,
): { readonly layers: readonly PlainLayer[] } & Disposable | undefined {
  const files: Deno.FsFile[] = [];
  const close = () => files.forEach((file) => file.close());
  try {
    const layers = diffIds.map((diffId, position): PlainLayer => {
      const number = numbers[position]!;
      const file = Deno.openSync(store.tar(number));
      files.push(file);
      const size = store.sizeOf(number);
      const range: FileRange = { file, offset: 0, size };
      const label = `layer ${diffId} of the store`;
      const blob: LayerBlob = { name: diffId, label, diffId, size, range: () => Promise.resolve(range) };
      const tree = trees.get(diffId) ?? readTree(label, range, budget);
      trees.set(diffId, tree);
      return { blob, tree, range, file: number, fileSize: size, number };
    });
    return { layers, [Symbol.dispose]: close };
  } catch (error) {
    close();
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Makes the index of layers, and writes it into the store.
 * @param number that was reserved for it
 * @param describe what is to be remembered of the image's files
 * @returns what `describe` returned
 * @throws {IndexError} when EROFS cannot describe the image
 */
export async function indexImage(
  indexes: IndexStore,
  number: number,
  layers: readonly PlainLayer[],
  describe: (files: ImageFiles) => Promise<unknown>,
): Promise<unknown> {
  const facts = await describe(archivedFiles(layers));
  const index = makeIndex(layers.map(({ tree, file, range, fileSize }): IndexedLayer => ({
    tree,
    file,
    offset: range.offset,
    fileSize,
  })));
  const sources = new Map(layers.map(({ file, range }) => [file, range.file]));
  indexes.write(number, index, sources, layers.every(({ number }) => number !== undefined));
  return facts;
}
