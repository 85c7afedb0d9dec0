/**
 * Folders as skopeo's transport `dir:` writes them: `manifest.json`, byte for byte as a registry has it, `version`, and the blobs
 * under the hexadecimal part of their digests. If manifest.json is an index, its manifests are `HEX.manifest.json`.
 */
import { digestOf } from "../digest_of.ts";
import type { BlobStore } from "./blobs.ts";
import { type Choice, chooseImage } from "./choice.ts";
import { isIndexType, isManifestType, mediaTypeOf, parseIndex } from "./manifest.ts";
import { manifestSubject, readImage, readVerified } from "./oci_image.ts";
import type { Manifest, SourceImage } from "./source.ts";

/**
 * Reads the image of such a folder, not its layers.
 * @throws {ImageError} when it is damaged, or has no image that is meant
 */
export function readSkopeoFolder(blobs: BlobStore, { platform }: Choice): SourceImage {
  const manifest = readOwnManifest(blobs);
  if (!isIndexType(manifest.mediaType)) {
    const image = readImage(blobs, hex, manifest, []);
    return chooseImage(blobs, [{ image, platform: image.config }], platform).image;
  }
  const subject = manifestSubject(blobs, manifest.digest);
  const offers = parseIndex(manifest.text, subject, manifest.mediaType)
    .filter(({ mediaType }) => isManifestType(mediaType))
    .flatMap((descriptor) => {
      const name = `${hex(descriptor.digest)}.manifest.json`;
      // without --all skopeo copies one
      if (blobs.size(name) === undefined || descriptor.platform === undefined) return [];
      return [{ descriptor, name, platform: descriptor.platform }];
    });
  const { descriptor, name } = chooseImage(blobs, offers, platform);
  const text = readVerified(blobs, name, descriptor);
  return readImage(blobs, hex, { mediaType: descriptor.mediaType, digest: descriptor.digest, text }, []);
}

function readOwnManifest(blobs: BlobStore): Manifest {
  const text = blobs.text("manifest.json");
  return { text, mediaType: mediaTypeOf(text, `manifest.json of ${blobs.label}`), digest: digestOf(text) };
}

function hex(digest: string): string {
  return digest.slice("sha256:".length);
}
