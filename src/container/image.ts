import { resolve } from "@std/path";
import { ImageError } from "../errors.ts";
import { assertRunnableHere, parseImageConfig } from "../image/config.ts";
import { interruptible } from "../image/interrupt.ts";
import type { Platform } from "../image/platform.ts";
import type { ImageName } from "../image/reference.ts";
import { parseLocation } from "../image/source/location.ts";
import type { ImageFiles } from "../image/files/merged.ts";
import type { ImageSource, SourceImage } from "../image/source/source.ts";
import { type ArchiveInPlace, identityOf } from "../image/store/archives.ts";
import type { IndexMount, Storage } from "../image/store/storage.ts";
import { contentOfIndex, contentOfLayers } from "../image/store/copies.ts";
import type { ImageStore, StoredImage } from "../image/store/store.ts";
import { CONTAINER_FILES } from "../rootfs/etc_files.ts";
import { locateImage, registryName } from "./locate.ts";
import type { PullPolicy } from "./options.ts";
import type { ImageEtc, RunnableImage } from "./prepare.ts";

/** /etc/passwd and /etc/group are read whole. Docker has no bound; this one, in bytes, is far above any real one. */
const USERS_LIMIT = 1 << 20;

/** An image that a container is about to be made of. */
export interface ResolvedImage extends RunnableImage {
  readonly id: string;
  /** By what it is found again: its id in the store, or the path of the archive that it is used in. */
  readonly source: string;
  /** What its files are known by: wherever that is the same, they are. */
  content(): string;
  /** Whether all that it needs is still there: to be asked in the transaction that makes a container refer to it. */
  isPresent(): boolean;
}

export interface ResolveOptions {
  readonly pull: PullPolicy;
  /** What it has to be for; undefined for this machine. */
  readonly platform: Platform | undefined;
  /** Downloads an image into the store. */
  readonly download: (name: ImageName) => Promise<StoredImage>;
  /** For archives that are compressed as a whole, or come through a fifo. */
  readonly spoolFolder: string;
  /** Whether to hash what is in an archive that is used where it lies. */
  readonly verify: boolean;
  /** Whether it will be mounted in a user namespace, where EROFS cannot be. */
  readonly inUserNamespace: boolean;
}

/**
 * Finds the image that a user means: a name in the store, the path of an archive, or a name that a registry knows. An archive
 * is used where it lies, if that is possible, or else loaded into the store.
 *
 * @throws {ImageError} when there is none, or it cannot be used
 */
export async function resolveImage(
  store: ImageStore,
  name: string,
  options: ResolveOptions,
): Promise<ResolvedImage> {
  const { spoolFolder, verify, inUserNamespace, platform } = options;
  const named = await findOrPull(store, name, options);
  const storage = inUserNamespace ? "unpacked" : await store.storage();
  if (named !== undefined) return await fromStore(store, named, name, storage, platform);
  const location = parseLocation(name);
  const path = realPath(resolve(location.path));
  // an image that is chosen by more than its path is not known by that alone
  const isChosen = location.transport !== undefined || location.reference !== undefined ||
    platform !== undefined;
  const mount = storage === "unpacked" || isChosen ? undefined : storage;
  const identity = identityOf(path) ?? "";
  const known = mount === undefined ? undefined : store.archives.find(path, identity);
  if (mount !== undefined && known !== undefined && !verify) return inPlace(store, path, known, name, mount);
  const { openSource } = await import("../image/source/open.ts");
  const what = `cannot run ${JSON.stringify(name)}`;
  const choice = platform === undefined ? {} : { platform };
  using source = await interruptible(what, (signal) => openSource(name, { spoolFolder, signal, ...choice }));
  const image = onlyImage(source, name);
  if (platform === undefined) assertRunnableHere(image.config, name);
  if (verify) await verifyLayers(image);
  if (mount !== undefined && known !== undefined) return inPlace(store, path, known, name, mount);
  if (mount !== undefined && source.origin?.kind === "archive") {
    const { useInPlace } = await import("../image/store/in_place.ts");
    const used = await useInPlace(store.archives, path, identity, image, readEtc, mount);
    if (used !== undefined) return inPlace(store, path, used, name, mount);
  }
  const loaded = store.find(image.id) ?? await store.load(image, { tags: [], source: path });
  return await fromStore(store, loaded, name, storage, platform);
}

/** @returns undefined when the name is a file's */
async function findOrPull(
  store: ImageStore,
  name: string,
  { pull, platform, download }: ResolveOptions,
): Promise<StoredImage | undefined> {
  if (pull === "always") return await download(registryName(name));
  const found = locateImage(store, name, platform);
  if (found.kind === "store") return found.image;
  if (found.kind === "file") return undefined;
  if (pull === "never") throw found.absence;
  return await download(found.name);
}

/** A path without symlinks, under which an archive is known again; of what is not there, the path as it is. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path; // whoever opens it says why that is not possible
  }
}

async function fromStore(
  store: ImageStore,
  image: StoredImage,
  name: string,
  storage: Storage,
  platform: Platform | undefined,
): Promise<ResolvedImage> {
  // of another platform that was asked for: the kernel may know how to run it (binfmt_misc)
  if (platform === undefined) assertRunnableHere(image.config, name);
  const lower = await store.lower(image, storage);
  const etc = await store.facts(image) as ImageEtc;
  const { id, config } = image;
  const content = () => contentOfLayers(config.diffIds);
  return { id, source: id, content, config, lower, etc, isPresent: () => store.holds(id) };
}

function inPlace(
  store: ImageStore,
  path: string,
  archive: ArchiveInPlace,
  name: string,
  mount: IndexMount,
): ResolvedImage {
  const { archives } = store;
  const config = parseImageConfig(archive.config, `the image config of ${JSON.stringify(path)}`);
  assertRunnableHere(config, name);
  return {
    id: archive.image,
    source: path,
    content: () => contentOfIndex(archive.index),
    config,
    lower: archives.lower(path, archive, mount),
    etc: archive.facts as ImageEtc,
    isPresent: () => archives.holds(archive.index),
  };
}

/** Hashes the layers of an archive. @throws {ImageError} when one is not what the config says */
async function verifyLayers(image: SourceImage): Promise<void> {
  const { verifyLayer } = await import("../image/layer/verify.ts");
  for (const layer of image.layers) await verifyLayer(layer);
}

/** Looks up what a start needs to know of an image's /etc. */
export async function readEtc(files: ImageFiles): Promise<ImageEtc> {
  const read = async (path: string) => new TextDecoder().decode(await files.read(path, USERS_LIMIT));
  const links: string[] = [];
  for (const path of CONTAINER_FILES) if (await files.isLink(path)) links.push(path);
  return { passwd: await read("/etc/passwd"), group: await read("/etc/group"), links };
}

/** So many of an archive's images an error lists: there may be thousands. */
const SHOWN_IMAGES = 10;

/** @throws {ImageError} when an archive holds several images, so that it does not say which one is meant */
export function onlyImage({ images }: ImageSource, name: string): SourceImage {
  const [image, ...others] = images;
  if (image !== undefined && others.length === 0) return image;
  const some = images.slice(0, SHOWN_IMAGES).map(({ tags, id }) => tags[0] ?? id);
  if (images.length > some.length) some.push("...");
  throw new ImageError({
    what: `cannot run ${JSON.stringify(name)}`,
    why: `it holds ${images.length} images (${some.join(", ")})`,
    hint: `load them with: dhow load -i ${name}, and run one by its name or id`,
  });
}
