/** Manifests and indexes as OCI and docker have them (image-spec: descriptor.md, manifest.md, image-index.md). */
import { ImageError } from "../../errors.ts";
import { DIGEST, type Members, parseMembers } from "../config.ts";
import type { Platform } from "../platform.ts";

/** What one document says of another, or of a blob. */
export interface Descriptor {
  readonly mediaType: string;
  /** sha256, of exactly what the store has. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly platform: Platform | undefined;
  readonly annotations: ReadonlyMap<string, string>;
  /** Of what is no image, though it may be described by a manifest. */
  readonly artifactType: string | undefined;
}

export interface ImageManifest {
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

const INDEX_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
const CONFIG_TYPES = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];
const LAYER_TYPE =
  /^application\/vnd\.(oci\.image\.layer\.v1\.tar(\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(\.gzip|\.zstd)?)$/;

/** Layers of images, whether dhow can use them or not. */
const LAYER_FAMILY = /^application\/vnd\.(oci\.image\.layer|docker\.image\.rootfs)\./;

/** Layers that dhow cannot have, by what their type holds. */
const REFUSED_LAYERS: readonly (readonly [part: string, why: string])[] = [
  ["+encrypted", "it is encrypted"],
  ["nondistributable", "it may not be distributed, and is somewhere else"],
  [".foreign.", "it is a foreign layer, which is somewhere else"],
];

export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.includes(mediaType);
}

export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.includes(mediaType);
}

/**
 * The media type of a document that nothing else describes.
 * @throws {ImageError} when it is neither an index nor a manifest
 */
export function mediaTypeOf(text: string, subject: string): string {
  const document = parseMembers(text, subject);
  // older versions of OCI's specification let it out
  return document.text("mediaType") ?? (document.has("manifests") ? INDEX_TYPES[0]! : MANIFEST_TYPES[0]!);
}

/**
 * Reads an index (`manifest list`, docker says).
 * @param subject how errors name it
 * @param mediaType what its descriptor says; undefined for a layout's own index.json
 * @throws {ImageError} when it is not one
 */
export function parseIndex(text: string, subject: string, mediaType?: string): Descriptor[] {
  const document = openDocument(text, subject, mediaType ?? INDEX_TYPES[0]!, mediaType !== undefined);
  if (!document.has("manifests")) refuse(subject, "it has no list of manifests");
  return document.list("manifests").map((item) => readDescriptor(item, subject));
}

/**
 * Reads an image's manifest.
 * @throws {ImageError} when it is not one, or has layers of a kind that dhow cannot use
 */
export function parseManifest(text: string, subject: string, mediaType: string): ImageManifest {
  const document = openDocument(text, subject, mediaType, true);
  if (!document.has("config")) refuse(subject, "it has no config");
  const config = readDescriptor(document.members("config"), subject);
  if (!CONFIG_TYPES.includes(config.mediaType)) {
    refuse(subject, `it is no image, but an artifact of type ${quote(typeOfArtifact(document, config))}`);
  }
  const layers = document.list("layers").map((item) => readDescriptor(item, subject));
  for (const layer of layers) assertUsable(layer, subject);
  return { config, layers };
}

/**
 * Whether a manifest describes something else than an image: its config says so, or all of its layers (cosign's signatures have
 * an image's config).
 * @throws {ImageError} when it is no manifest
 */
export function describesArtifact(text: string, subject: string, mediaType: string): boolean {
  const document = openDocument(text, subject, mediaType, true);
  const read = (item: Members) => readDescriptor(item, subject).mediaType;
  if (document.has("config") && !CONFIG_TYPES.includes(read(document.members("config")))) return true;
  const layers = document.list("layers").map(read);
  return layers.length > 0 && !layers.some((type) => LAYER_FAMILY.test(type));
}

function typeOfArtifact(document: Members, config: Descriptor): string {
  return document.text("artifactType") ?? config.mediaType;
}

function openDocument(text: string, subject: string, mediaType: string, isKnown: boolean): Members {
  const document = parseMembers(text, subject);
  const own = document.text("mediaType") ?? mediaType;
  if (isKnown ? own !== mediaType : !isIndexType(own)) {
    refuse(subject, `its type is ${quote(own)}, not ${quote(mediaType)}`);
  }
  // one text must not be an index to some readers and a manifest to others (CVE-2021-41190)
  if (document.has(isIndexType(mediaType) ? "layers" : "manifests")) {
    refuse(subject, "it is an index and a manifest at once");
  }
  return document;
}

function readDescriptor(item: Members, subject: string): Descriptor {
  const digest = item.text("digest") ?? "";
  if (!DIGEST.test(digest)) refuse(subject, `${quote(digest)} in it is no sha256 digest`);
  const platform = item.has("platform") ? readPlatform(item.members("platform")) : undefined;
  return {
    mediaType: item.text("mediaType") ?? "",
    digest,
    size: item.count("size"),
    platform,
    annotations: item.table("annotations"),
    artifactType: item.text("artifactType"),
  };
}

function readPlatform(item: Members): Platform {
  const variant = item.text("variant");
  return {
    os: item.text("os") ?? "",
    architecture: item.text("architecture") ?? "",
    ...(variant ? { variant } : {}),
  };
}

function assertUsable({ mediaType, digest }: Descriptor, subject: string): void {
  if (LAYER_TYPE.test(mediaType)) return;
  const [, why] = REFUSED_LAYERS.find(([part]) => mediaType.includes(part)) ??
    ["", "dhow does not know that type"];
  refuse(subject, `its layer ${digest} has the type ${quote(mediaType)}: ${why}`);
}

/** Types come from the image, and go to a terminal. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

function refuse(subject: string, why: string): never {
  throw new ImageError({ what: `cannot use ${subject}`, why });
}
