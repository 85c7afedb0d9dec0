import { resolve } from "@std/path";
import { ImageError } from "../errors.ts";
import { assertRunnableHere } from "../image/config.ts";
import type { ArchiveImage, ImageArchive } from "../image/docker_archive.ts";
import type { ImageFiles } from "../image/image_files.ts";
import { unpackedFiles } from "../image/unpacked_files.ts";
import type { ImageStore, StoredImage } from "../image/store.ts";
import type { RunnableImage } from "./prepare.ts";

/** /etc/passwd and /etc/group are read whole. Docker has no bound; this one, in bytes, is far above any real one. */
const USERS_LIMIT = 1 << 20;

/**
 * Finds the image that a user means: a name in the store, or the path of an archive, whose layers are then unpacked into
 * the store unless they are there.
 *
 * @throws {ImageError} when there is none, or it cannot be used
 */
export async function resolveImage(store: ImageStore, name: string): Promise<RunnableImage & { id: string }> {
  const stored = isPath(name) ? undefined : store.find(name);
  const image = stored ?? await loadArchive(store, name);
  assertRunnableHere(image.config, name);
  const layers = store.layerTrees(image.id).map(({ path }) => path);
  return { id: image.id, config: image.config, layers, ...await readUsers(unpackedFiles(layers)) };
}

/** The image's own lists of users and groups. */
export async function readUsers(files: ImageFiles): Promise<{ passwd: string; group: string }> {
  const read = async (path: string) => new TextDecoder().decode(await files.read(path, USERS_LIMIT));
  return { passwd: await read("/etc/passwd"), group: await read("/etc/group") };
}

/** Whether the user wrote a path that cannot be a name. */
export function isPath(name: string): boolean {
  return /^\.{0,2}\//.test(name);
}

async function loadArchive(store: ImageStore, name: string): Promise<StoredImage> {
  requireArchive(name);
  const path = resolve(name);
  const { openArchive } = await import("../image/docker_archive.ts");
  using archive = openArchive(path);
  const image = onlyImage(archive, name);
  assertRunnableHere(image.config, name);
  return store.find(image.id) ?? await store.load(image, { tags: [], source: path });
}

/** @throws {ImageError} when an archive holds several images, so that it does not say which one is meant */
export function onlyImage({ images }: ImageArchive, name: string): ArchiveImage {
  const [image, ...others] = images;
  if (image !== undefined && others.length === 0) return image;
  throw new ImageError({
    what: `cannot run ${JSON.stringify(name)}`,
    why: `it holds ${images.length} images (${images.map(({ tags, id }) => tags[0] ?? id).join(", ")})`,
    hint: `load them with: dhow load -i ${name}, and run one by its name`,
  });
}

/** @throws {ImageError} when a name that is not in the store is not a file either */
export function requireArchive(name: string): void {
  if (isPath(name)) return;
  try {
    if (Deno.statSync(name).isFile) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
  }
  throw new ImageError({
    what: `cannot find the image ${JSON.stringify(name)}`,
    why: "there is none of that name in the store, and no such file",
    hint: "list images with: dhow images; load one with: dhow load -i FILE",
  });
}
