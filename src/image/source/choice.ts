/** Which image of a source is meant. */
import { choosePlatform, formatPlatform, type Platform, thisPlatform } from "../platform.ts";
import type { BlobStore } from "./blobs.ts";

/** What the user said about it. */
export interface Choice {
  /** The machine that it must be for; undefined: this one, if there are several to choose from. */
  readonly platform: Platform | undefined;
  /** Its name; undefined: all images of the source. */
  readonly reference: string | undefined;
}

/**
 * Of images that differ in their platform only, the one for the platform that is wanted. If there is but one, and nobody asked
 * for a platform, it is taken whatever it is for: it can be kept, if not run.
 * @throws {ImageError} when none is for that platform; it lists what there is
 */
export function chooseImage<T extends { readonly platform: Platform }>(
  blobs: BlobStore,
  offers: readonly T[],
  wanted: Platform | undefined,
): T {
  const [first, ...others] = offers;
  if (wanted === undefined && first !== undefined && others.length === 0) return first;
  const platform = wanted ?? thisPlatform();
  return choosePlatform(platform, offers) ?? refusePlatform(blobs, offers, platform);
}

/** @throws {ImageError} listing the platforms that there are */
export function refusePlatform(
  blobs: BlobStore,
  offers: readonly { readonly platform: Platform }[],
  wanted: Platform,
): never {
  const there = [...new Set(offers.map(({ platform }) => formatPlatform(platform)))];
  blobs.refuse(
    `there is no image for ${formatPlatform(wanted)} in it, only for ${few(there)}`,
    "choose one with: --platform OS/ARCHITECTURE",
  );
}

/** @throws {ImageError} listing the names that there are */
export function refuseReference(blobs: BlobStore, reference: string, names: readonly string[]): never {
  const there = names.length === 0 ? "the images in it have no names" : `it holds ${few(names)}`;
  blobs.refuse(`there is no image ${JSON.stringify(reference)} in it`, there);
}

function few(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => name.slice(0, 200)).join(", ");
  return names.length <= 10 ? shown : `${shown} and ${names.length - 10} more`;
}
