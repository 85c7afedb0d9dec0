/** An image that a manifest describes, in an OCI layout or in a folder of skopeo's. */
import { parseImageConfig } from "../config.ts";
import { digestOf } from "../digest_of.ts";
import { type BlobStore, INCOMPLETE } from "./blobs.ts";
import { type Descriptor, parseManifest } from "./manifest.ts";
import type { LayerBlob, Manifest, SourceImage } from "./source.ts";

/** What the store calls the blob with a digest. */
export type BlobName = (digest: string) => string;

/**
 * Reads an image's config, and finds its layers.
 * @param tags that it gets
 * @throws {ImageError} when something is missing, or not what its descriptor says
 */
export function readImage(
  blobs: BlobStore,
  blobName: BlobName,
  manifest: Manifest,
  tags: readonly string[],
): SourceImage {
  const subject = manifestSubject(blobs, manifest.digest);
  const { config: described, layers } = parseManifest(manifest.text, subject, manifest.mediaType);
  const configText = readVerified(blobs, blobName(described.digest), described);
  const config = parseImageConfig(configText, `the image config ${described.digest} of ${blobs.label}`);
  const { diffIds } = config;
  if (layers.length !== diffIds.length) {
    blobs.refuse(`${subject} lists ${layers.length} layers, the image's config ${diffIds.length}`);
  }
  return {
    id: described.digest,
    config,
    configText,
    tags,
    manifest,
    layers: layers.map((layer, index) => findLayer(blobs, blobName(layer.digest), layer, diffIds[index]!)),
  };
}

/** How messages name a manifest. */
export function manifestSubject({ label }: BlobStore, digest: string): string {
  return `the manifest ${digest} of ${label}`;
}

/**
 * The text of a document, if it is the one that its descriptor describes.
 * @throws {ImageError} when it is missing or another
 */
export function readVerified(blobs: BlobStore, name: string, descriptor: Descriptor): string {
  assertSize(blobs, name, descriptor);
  const text = blobs.text(name);
  const found = digestOf(text);
  if (found !== descriptor.digest) {
    blobs.refuse(`the digest of ${JSON.stringify(name)} is ${found}`, "it is damaged: copy or save it again");
  }
  return text;
}

function assertSize(blobs: BlobStore, name: string, { size }: Descriptor): void {
  const found = blobs.size(name);
  if (found === undefined) {
    blobs.refuse(`${JSON.stringify(name)} is missing from it`, INCOMPLETE);
  }
  if (found !== size) {
    const why = `${JSON.stringify(name)} has ${found} bytes, but should have ${size}`;
    blobs.refuse(why, "it is damaged: copy or save it again");
  }
}

function findLayer(blobs: BlobStore, name: string, descriptor: Descriptor, diffId: string): LayerBlob {
  assertSize(blobs, name, descriptor);
  return {
    name,
    label: `layer ${JSON.stringify(name)} of ${blobs.label}`,
    diffId,
    size: descriptor.size,
    // deno-lint-ignore require-await -- an error is the promise's
    range: async () => blobs.range(name),
  };
}
