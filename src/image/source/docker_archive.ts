/**
 * Archives as `docker save` writes them: a tar with `manifest.json` (docker image specification v1.2), which names configs and
 * layers in the same tar. Before docker 25 those are `DIGEST.json` and `ID/layer.tar`, since then `blobs/sha256/DIGEST`.
 */
import { encodeText, quoteName } from "../tar/byte_string.ts";
import { parseImageConfig } from "../config.ts";
import { digestOf } from "../digest_of.ts";
import { distance } from "../platform.ts";
import { formatImageName, readImageName } from "../reference.ts";
import { type BlobStore, INCOMPLETE } from "./blobs.ts";
import { type Choice, refusePlatform, refuseReference } from "./choice.ts";
import { isTag } from "./names.ts";
import type { LayerBlob, SourceImage } from "./source.ts";
import { SAVE_HINT } from "./tar_blobs.ts";

/**
 * Reads the manifest and the configs of an archive, not its layers.
 * @throws {ImageError} when it is not such an archive, or has no image that is meant
 */
export function readDockerArchive(blobs: BlobStore, { platform, reference }: Choice): SourceImage[] {
  const document = parseList(blobs);
  const images = document.map((item) => readItem(blobs, item));
  const meant = reference === undefined ? images : selectTag(blobs, images, reference);
  if (platform === undefined) return meant;
  const fit = meant.filter(({ config }) => distance(platform, config) !== undefined);
  if (fit.length === 0) refusePlatform(blobs, meant.map(({ config }) => ({ platform: config })), platform);
  return fit;
}

function parseList(blobs: BlobStore): unknown[] {
  const text = blobs.text("manifest.json");
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    blobs.refuse("manifest.json is not JSON", "it is damaged: save it again", cause);
  }
  if (Array.isArray(document) && document.length > 0) return document;
  blobs.refuse("manifest.json is not a list of images", SAVE_HINT);
}

function selectTag(blobs: BlobStore, images: readonly SourceImage[], reference: string): SourceImage[] {
  const image = images.find(({ tags }) => tags.some((tag) => isTag(tag, reference)));
  if (image === undefined) refuseReference(blobs, reference, images.flatMap(({ tags }) => tags));
  return [{ ...image, tags: image.tags.filter((tag) => isTag(tag, reference)) }];
}

function readItem(blobs: BlobStore, item: unknown): SourceImage {
  const { Config: configName, RepoTags: tags, Layers: layers } = (item ?? {}) as Record<string, unknown>;
  if (typeof configName !== "string") blobs.refuse("manifest.json has an image without a Config");
  if (!isTexts(layers)) blobs.refuse("manifest.json has an image without a list of Layers");
  if (!isTexts(tags ?? [])) blobs.refuse("manifest.json has RepoTags that are not a list of names");
  sizeOf(blobs, configName);
  const configText = blobs.text(configName);
  const subject = `the image config ${JSON.stringify(configName)} of ${blobs.label}`;
  const config = parseImageConfig(configText, subject);
  const { diffIds } = config;
  if (layers.length !== diffIds.length) {
    blobs.refuse(`manifest.json lists ${layers.length} layers, the image's config ${diffIds.length}`);
  }
  return {
    id: digestOf(configText),
    config,
    configText,
    tags: ((tags ?? []) as string[]).map((tag) => readTag(blobs, tag)),
    layers: layers.map((name, index) => readLayer(blobs, name, diffIds[index]!)),
  };
}

function readTag(blobs: BlobStore, text: string): string {
  const name = readImageName(text);
  if (name !== undefined && name.digest === undefined) return formatImageName(name);
  const quoted = JSON.stringify(text.slice(0, 300));
  blobs.refuse(`manifest.json calls an image ${quoted}, which is not a valid reference (name:tag)`);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function readLayer(blobs: BlobStore, name: string, diffId: string): LayerBlob {
  return {
    name,
    label: `layer ${JSON.stringify(name)} of ${blobs.label}`,
    diffId,
    size: sizeOf(blobs, name),
    // deno-lint-ignore require-await -- an error is the promise's
    range: async () => blobs.range(name),
  };
}

function sizeOf(blobs: BlobStore, name: string): number {
  return blobs.size(name) ??
    blobs.refuse(`manifest.json names ${quoteName(encodeText(name))}, which is no file in it`, INCOMPLETE);
}
