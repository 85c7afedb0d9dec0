/**
 * The documents of an archive that is an OCI image layout (image-spec, image-layout.md) and, if wanted, one of docker's
 * (docker image specification v1.2) with the same blobs, as docker has written them since version 25.
 */
import type { ImageConfig } from "../config.ts";
import { digestOf } from "../digest_of.ts";
import { parseReference } from "../reference.ts";
import type { NamedImage, Selection } from "./selection.ts";

export type ArchiveFormat = "docker" | "oci";

/** An image that can be written. */
export interface SavableImage extends NamedImage {
  readonly config: ImageConfig;
  /** The config, byte for byte. */
  readonly configText: string;
}

/** A document of the archive. */
export interface Document {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What an archive is made of, but for the layers. */
export interface Layout {
  /** Configs and manifests, by their digests `sha256:...`. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** What lies beside the blobs, in this order. */
  readonly documents: readonly Document[];
}

const MEDIA_TYPE = "application/vnd.oci.image";

/** The path of a blob. */
export function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/**
 * @param layerSize bytes of the uncompressed tar of a layer, by its diff id
 */
export function makeLayout(
  images: readonly Selection<SavableImage>[],
  format: ArchiveFormat,
  layerSize: (diffId: string) => number,
): Layout {
  const blobs = new Map<string, Uint8Array>();
  const manifests: unknown[] = [];
  for (const { image, tags } of images) {
    const config = encode(image.configText);
    const manifest = encode(JSON.stringify(manifestOf(image, config.length, layerSize)));
    const digest = digestOf(manifest);
    blobs.set(image.id, config).set(digest, manifest);
    const descriptor = { mediaType: `${MEDIA_TYPE}.manifest.v1+json`, digest, size: manifest.length };
    const named = tags.map((tag) => ({ ...descriptor, annotations: annotations(tag) }));
    manifests.push(...(named.length > 0 ? named : [descriptor]));
  }
  const index = { schemaVersion: 2, mediaType: `${MEDIA_TYPE}.index.v1+json`, manifests };
  const documents: Record<string, unknown> = { "index.json": index };
  if (format === "docker") documents["manifest.json"] = images.map(dockerManifest);
  documents["oci-layout"] = { imageLayoutVersion: "1.0.0" };
  const repositories = repositoriesOf(images);
  if (format === "docker" && Object.keys(repositories).length > 0) documents.repositories = repositories;
  return {
    blobs,
    documents: Object.entries(documents).map(([name, document]) => ({
      name,
      bytes: encode(JSON.stringify(document)),
    })),
  };
}

function manifestOf(
  { id, config }: SavableImage,
  configSize: number,
  layerSize: (diffId: string) => number,
): unknown {
  return {
    schemaVersion: 2,
    mediaType: `${MEDIA_TYPE}.manifest.v1+json`,
    config: { mediaType: `${MEDIA_TYPE}.config.v1+json`, digest: id, size: configSize },
    layers: config.diffIds.map((digest) => ({
      mediaType: `${MEDIA_TYPE}.layer.v1.tar`,
      digest,
      size: layerSize(digest),
    })),
  };
}

/** The names of an image, as containerd and OCI have them. */
function annotations(tag: string): Record<string, string> {
  return {
    "io.containerd.image.name": fullName(tag),
    "org.opencontainers.image.ref.name": parseReference(tag).tag,
  };
}

/** `docker.io/library/busybox:latest` for `busybox:latest` (distribution/reference, "familiar" names). */
function fullName(tag: string): string {
  const [first = "", ...rest] = tag.split("/");
  if (rest.length === 0) return `docker.io/library/${tag}`;
  const isHost = first.includes(".") || first.includes(":") || first === "localhost" ||
    first !== first.toLowerCase();
  return isHost ? tag : `docker.io/${tag}`;
}

function dockerManifest({ image, tags }: Selection<SavableImage>): unknown {
  return {
    Config: blobPath(image.id),
    // docker says null, not [], of an image without a name
    RepoTags: tags.length > 0 ? tags : null,
    Layers: image.config.diffIds.map(blobPath),
  };
}

/** What docker read before version 1.10: the top layer of each tag. */
function repositoriesOf(images: readonly Selection<SavableImage>[]): Record<string, unknown> {
  const repositories = new Map<string, Record<string, string>>();
  for (const { image, tags } of images) {
    for (const { repository, tag } of tags.map(parseReference)) {
      const top = (image.config.diffIds.at(-1) ?? "").replace("sha256:", "");
      repositories.set(repository, { ...repositories.get(repository), [tag]: top });
    }
  }
  return Object.fromEntries([...repositories].sort(([a], [b]) => a < b ? -1 : 1));
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
