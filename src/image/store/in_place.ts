import { SystemCallError } from "../../../ffi/errno.ts";
import { log } from "../../log.ts";
import { IndexError } from "../erofs/index.ts";
import { tryIndex } from "../erofs/mount.ts";
import type { ImageFiles } from "../files/merged.ts";
import { Budget } from "../layer/budget.ts";
import { isCompressed } from "../layer/stream.ts";
import type { SourceImage } from "../source/source.ts";
import { BLOCK } from "../tar/decoder.ts";
import type { ArchiveCache, ArchiveInPlace } from "./archives.ts";
import type { IndexMount } from "./storage.ts";
import { indexImage, type PlainLayer, readTree } from "./index_image.ts";

/** fsconfig(2) takes no longer paths. */
const LONGEST_PATH = 255;

/**
 * Makes an archive usable where it lies. Every header and bound in it is checked; what is in its files is not hashed.
 * @param path absolute, of the archive, which is open as the image's source
 * @param identity of the file before it was opened
 * @param describe what is to be remembered of the image's files
 * @param mount how its index will be mounted
 * @returns undefined when it has to be loaded: its layers are compressed, say
 * @throws {ImageError} when a layer is damaged
 */
export async function useInPlace(
  archives: ArchiveCache,
  path: string,
  identity: string,
  image: SourceImage,
  describe: (files: ImageFiles) => Promise<unknown>,
  mount: IndexMount,
): Promise<ArchiveInPlace | undefined> {
  const layers = await plainLayers(image, path);
  if (layers === undefined) return undefined;
  const { indexes } = archives;
  const number = indexes.reserve([]);
  try {
    if (indexes.path(number).length > LONGEST_PATH) return undefined;
    const facts = await indexImage(indexes, number, layers, describe);
    // it may lie on a file system that EROFS cannot read from
    tryIndex(indexes.path(number), [path], mount);
    const archive = { image: image.id, config: image.configText, facts, index: number };
    return archives.add(path, identity, archive);
  } catch (error) {
    if (!(error instanceof IndexError || error instanceof SystemCallError)) throw error;
    log.debug(`${path} cannot be used in place: ${error.message}`);
    return undefined;
  } finally {
    // unless it is the store's by now
    if (!archives.holds(number)) indexes.files.discard(number);
  }
}

/** The layers of an image, if they lie in the archive itself, uncompressed, where EROFS can point to. */
async function plainLayers(image: SourceImage, path: string): Promise<PlainLayer[] | undefined> {
  const layers: PlainLayer[] = [];
  const budget = new Budget();
  const there = Deno.statSync(path);
  for (const blob of image.layers) {
    const range = await blob.range();
    const { size: fileSize, dev, ino } = range.file.statSync();
    // of an archive that is compressed as a whole, what is read is another file
    const isArchive = dev === there.dev && ino === there.ino;
    if (!isArchive || range.offset % BLOCK !== 0 || isCompressed(range)) return undefined;
    layers.push({
      blob,
      tree: readTree(blob.label, range, budget),
      range,
      file: 0,
      fileSize,
      number: undefined,
    });
  }
  return layers;
}
