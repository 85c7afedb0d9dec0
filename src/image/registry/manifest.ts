/** What a registry sends for a manifest: which of the documents that dhow knows it is, if it is one. */
import { ImageError } from "../../errors.ts";
import { MAX_JSON_SIZE, parseMembers } from "../config.ts";
import { digestOf } from "../digest_of.ts";
import { isIndexType, isManifestType } from "../source/manifest.ts";
import type { Manifest } from "../source/source.ts";

export const MEDIA_TYPES = {
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

/** What dhow can use of a registry, for the header Accept. */
export const ACCEPTED = [
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerList,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.ociIndex,
].join(", ");

/** Whether a layer of that type is compressed with gzip. */
export function isGzipLayer(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.dockerLayer || mediaType === MEDIA_TYPES.ociLayer;
}

/**
 * @param contentType the header, which says what documents without a mediaType are
 * @param subject how errors name it: `the manifest of "busybox:latest"`
 * @throws {ImageError} when it is nothing that dhow can run, or of two minds about what it is
 */
export function receiveManifest(bytes: Uint8Array, contentType: string | null, subject: string): Manifest {
  const text = decode(bytes, subject);
  const document = parseMembers(text, subject);
  const own = document.text("mediaType");
  const header = (contentType ?? "").replace(/;.*/, "").trim();
  const isKnown = (type: string) => isIndexType(type) || isManifestType(type);
  // one reader's image must not be another's index (CVE-2021-41190)
  if (own !== undefined && isKnown(header) && own !== header) {
    refuse(subject, `it says that it is ${quote(own)}, the registry that it is ${quote(header)}`);
  }
  const mediaType = own ?? header;
  // schema 1 has no mediaType of its own
  if (isSchema1(mediaType) || (own === undefined && document.has("fsLayers"))) {
    refuse(subject, "it is of docker's schema 1, which was given up in 2017", "push the image again");
  }
  if (!isKnown(mediaType)) refuse(subject, `it is no image, but of type ${quote(mediaType)}`);
  return { mediaType, digest: digestOf(bytes), text };
}

function isSchema1(mediaType: string): boolean {
  return mediaType.startsWith("application/vnd.docker.distribution.manifest.v1+");
}

/**
 * The text of a JSON document.
 * @throws {ImageError} when it is too large, or not UTF-8: its digest is that of the bytes, of which nothing may be lost
 */
export function decode(bytes: Uint8Array, subject: string): string {
  if (bytes.length > MAX_JSON_SIZE) refuse(subject, `it has more than ${MAX_JSON_SIZE} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ImageError({ what: `cannot use ${subject}`, why: "it is not UTF-8", cause });
  }
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

function refuse(subject: string, why: string, hint?: string): never {
  throw new ImageError({ what: `cannot use ${subject}`, why, ...(hint === undefined ? {} : { hint }) });
}
