import { resolve } from "@std/path";
import { ImageError } from "../errors.ts";
import { assertRunnableHere } from "../image/config.ts";
import { interruptible } from "../image/interrupt.ts";
import { isSourcePath, parseLocation } from "../image/source/location.ts";
import type { ImageSource, SourceImage } from "../image/source/source.ts";
import type { ImageFiles } from "../image/files/merged.ts";
import type { ImageStore, StoredImage } from "../image/store/store.ts";
import { CONTAINER_FILES } from "../rootfs/etc_files.ts";
import type { ImageEtc, RunnableImage } from "./prepare.ts";

/** /etc/passwd and /etc/group are read whole. Docker has no bound; this one, in bytes, is far above any real one. */
const USERS_LIMIT = 1 << 20;

/**
 * Finds the image that a user means: a name in the store, or the path of an archive, whose layers are then unpacked into
 * the store unless they are there.
 *
 * @param spoolFolder for archives that are compressed as a whole, or come through a fifo
 * @throws {ImageError} when there is none, or it cannot be used
 */
export async function resolveImage(
  store: ImageStore,
  name: string,
  spoolFolder: string,
): Promise<RunnableImage & { id: string }> {
  const stored = isSourcePath(name) ? undefined : store.find(name);
  const image = stored ?? await loadSource(store, name, spoolFolder);
  assertRunnableHere(image.config, name);
  const layers = store.layerTrees(image.id).map(({ path }) => path);
  return { id: image.id, config: image.config, layers, etc: await storedEtc(store, image.id, layers) };
}

/** What /etc of a stored image holds: looked up once in its layers, and remembered. */
export async function storedEtc(store: ImageStore, id: string, layers: readonly string[]): Promise<ImageEtc> {
  const known = store.facts(id);
  if (known !== undefined) return known as ImageEtc;
  const { unpackedFiles } = await import("../image/files/unpacked.ts");
  const etc = await readEtc(unpackedFiles(layers));
  store.rememberFacts(id, etc);
  return etc;
}

/** Looks up what a start needs to know of an image's /etc. */
export async function readEtc(files: ImageFiles): Promise<ImageEtc> {
  const read = async (path: string) => new TextDecoder().decode(await files.read(path, USERS_LIMIT));
  const links: string[] = [];
  for (const path of CONTAINER_FILES) if (await files.isLink(path)) links.push(path);
  return { passwd: await read("/etc/passwd"), group: await read("/etc/group"), links };
}

async function loadSource(store: ImageStore, name: string, spoolFolder: string): Promise<StoredImage> {
  requireSource(name);
  const { openSource } = await import("../image/source/open.ts");
  const what = `cannot run ${JSON.stringify(name)}`;
  using source = await interruptible(what, (signal) => openSource(name, { spoolFolder, signal }));
  const image = onlyImage(source, name);
  assertRunnableHere(image.config, name);
  const path = resolve(parseLocation(name).path);
  return store.find(image.id) ?? await store.load(image, { tags: [], source: path });
}

/** @throws {ImageError} when an archive holds several images, so that it does not say which one is meant */
export function onlyImage({ images }: ImageSource, name: string): SourceImage {
  const [image, ...others] = images;
  if (image !== undefined && others.length === 0) return image;
  throw new ImageError({
    what: `cannot run ${JSON.stringify(name)}`,
    why: `it holds ${images.length} images (${images.map(({ tags, id }) => tags[0] ?? id).join(", ")})`,
    hint: `load them with: dhow load -i ${name}, and run one by its name`,
  });
}

/** @throws {ImageError} when a name that is not in the store is not that of an archive or a folder either */
export function requireSource(name: string): void {
  if (isSourcePath(name)) return;
  const { transport, path } = parseLocation(name);
  try {
    // a folder is common, and none was meant, unless it was said
    if (Deno.statSync(path).isFile || transport !== undefined) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
  }
  throw new ImageError({
    what: `cannot find the image ${JSON.stringify(name)}`,
    why: "there is none of that name in the store, and no such file",
    hint: "list images with: dhow images; load one with: dhow load -i FILE",
  });
}
