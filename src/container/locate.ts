/** Where the image is that a user means: in the store, in a file, or, if anywhere, in a registry. */
import { errnoOf } from "../../ffi/errno.ts";
import { ImageError } from "../errors.ts";
import { distance, formatPlatform, type Platform } from "../image/platform.ts";
import { formatImageName, type ImageName, readImageName } from "../image/reference.ts";
import { isIdOf } from "../image/removal.ts";
import { isSourcePath, parseLocation } from "../image/source/location.ts";
import type { ImageStore, StoredImage } from "../image/store/store.ts";

export type Whereabouts =
  | { readonly kind: "store"; readonly image: StoredImage }
  /** An archive or a folder; whether it is there is found out when it is opened. */
  | { readonly kind: "file" }
  /** It would have to be pulled. */
  | { readonly kind: "registry"; readonly name: ImageName; readonly absence: ImageError };

/**
 * Finds out what a user means by an image.
 * @param text a name, an id, the start of one, or a path
 * @param platform what the image has to be for; undefined when it does not matter
 * @throws {ImageError} when it is none of that, or not for that platform and cannot be had for it
 */
export function locateImage(
  store: Pick<ImageStore, "find">,
  text: string,
  platform: Platform | undefined,
): Whereabouts {
  if (isSourcePath(text)) return { kind: "file" };
  const image = store.find(text);
  if (image !== undefined && (platform === undefined || distance(platform, image.config) !== undefined)) {
    return { kind: "store", image };
  }
  if (image === undefined && isFile(text)) return { kind: "file" };
  const absence = image === undefined ? undefined : wrongPlatform(text, image, platform!);
  // what was found by its id is not asked for in a registry by that id
  if (absence !== undefined && isIdOf(image!.id, text)) throw absence;
  const name = registryName(text);
  return { kind: "registry", name, absence: absence ?? missing(name) };
}

/**
 * Reads the name of an image in a registry.
 * @throws {ImageError} when it can be none
 */
export function registryName(text: string): ImageName {
  if (isSourcePath(text)) {
    throw new ImageError({
      what: `cannot pull ${JSON.stringify(text)}`,
      why: "it is a path, not an image's name",
      hint: "leave --pull always out",
    });
  }
  const name = parseLocation(text).transport === undefined ? readImageName(text) : undefined;
  if (name !== undefined) return name;
  throw new ImageError({
    what: `cannot find the image ${JSON.stringify(text)}`,
    why: "there is none of that name in the store, no such file, and it cannot be pulled by that name",
    hint: "list images with: dhow images; load one with: dhow load -i FILE",
  });
}

/** Whether it is the path of an archive, or, if a transport says so, of a folder. */
function isFile(text: string): boolean {
  const { transport, path } = parseLocation(text);
  try {
    // a folder is common, and none was meant, unless it was said
    return Deno.statSync(path).isFile || transport !== undefined;
  } catch (error) {
    // there is none, or none that could be opened: no name of a registry is to blame for that
    if (errnoOf(error) !== undefined) return false;
    throw error;
  }
}

/** Docker's words. */
function wrongPlatform(text: string, { config }: StoredImage, wanted: Platform): ImageError {
  return new ImageError({
    what: `image with reference ${text} was found but does not match the specified platform`,
    why: `wanted ${formatPlatform(wanted)}, actual: ${formatPlatform(config)}`,
  });
}

function missing(name: ImageName): ImageError {
  const text = formatImageName(name);
  return new ImageError({ what: "No such image", why: text, hint: `download it with: dhow pull ${text}` });
}
