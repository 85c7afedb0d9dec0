/** OCI layouts, as folders and in archives (OCI image-spec, image-layout.md). */
import type { Platform } from "../platform.ts";
import { parseMembers } from "../config.ts";
import type { BlobStore } from "./blobs.ts";
import { type Choice, chooseImage, refuseReference } from "./choice.ts";
import { describesArtifact, type Descriptor, isIndexType, isManifestType, parseIndex } from "./manifest.ts";
import { isCalled, layoutName, tagOf } from "./names.ts";
import { manifestSubject, readImage, readVerified } from "./oci_image.ts";
import type { SourceImage } from "./source.ts";

/** Indexes in indexes; two are usual. */
const MAX_DEPTH = 8;

/** Descriptors that are looked at, in all indexes together: an image for every platform has some twenty. */
const MAX_DESCRIPTORS = 4096;

/** What docker's buildx puts beside each image: its provenance (BuildKit's attestation-storage.md). */
const ATTESTATION = "vnd.docker.reference.type";

/**
 * Reads the images of a layout, not their layers.
 * @throws {ImageError} when it is damaged, or has no image that is meant
 */
export function readOciLayout(blobs: BlobStore, choice: Choice): SourceImage[] {
  return new Layout(blobs, choice.platform).images(choice.reference);
}

/** Whether a layout may hold one image for several machines. */
export function holdsIndexes(blobs: BlobStore): boolean {
  return readTop(blobs).some(({ mediaType }) => isIndexType(mediaType));
}

function readTop(blobs: BlobStore): Descriptor[] {
  return parseIndex(blobs.text("index.json"), `index.json of ${blobs.label}`);
}

function blobName(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** A manifest that may be the one that is meant. */
interface Candidate {
  readonly platform: Platform;
  readonly descriptor: Descriptor;
}

/** What has one name in index.json, or none. */
interface Group {
  /** The first of them. */
  readonly top: Descriptor;
  /** The descriptors of all that is no index. */
  readonly all: readonly Descriptor[];
}

class Layout {
  #seen = 0;
  readonly #indexes = new Map<string, readonly Descriptor[]>();
  readonly #images = new Map<string, SourceImage>();

  constructor(readonly blobs: BlobStore, readonly platform: Platform | undefined) {
    this.#checkVersion();
  }

  /** There is one version (image-layout.md), and some programs do not write it down. */
  #checkVersion(): void {
    if (this.blobs.size("oci-layout") === undefined) return;
    const version = parseMembers(this.blobs.text("oci-layout"), `oci-layout of ${this.blobs.label}`)
      .text("imageLayoutVersion");
    if (version !== "1.0.0") this.blobs.refuse(`its layout has the version ${JSON.stringify(version)}`);
  }

  images(reference: string | undefined): SourceImage[] {
    const found = new Map<SourceImage, Set<string>>();
    for (const group of this.#groups(reference)) {
      const tag = tagOf(group.top.annotations);
      for (const descriptor of this.#choose(group)) {
        const image = this.#image(descriptor);
        const tags = found.get(image) ?? new Set();
        if (tag !== undefined) tags.add(tag);
        found.set(image, tags);
      }
    }
    return [...found].map(([image, tags]) => ({ ...image, tags: [...tags] }));
  }

  /** What index.json lists, by name: one image each, for any number of platforms. Signatures and charts are left out. */
  #groups(reference: string | undefined): Group[] {
    const top = readTop(this.blobs);
    const meant = reference === undefined
      ? top
      : top.filter(({ annotations }) => isCalled(annotations, reference));
    if (reference !== undefined && meant.length === 0) {
      const names = top.flatMap(({ annotations }) => layoutName(annotations) ?? []);
      refuseReference(this.blobs, reference, names);
    }
    const named = Map.groupBy(meant, ({ annotations }) => layoutName(annotations)).values();
    const groups = Array.from(named, (group) => ({ top: group[0]!, all: this.#flatten(group, 0) }));
    if (groups.length === 0) this.blobs.refuse("its index.json lists no images");
    const withImages = groups.filter(({ all }) => this.#imagesOf(all).length > 0);
    // where there is nothing else, the error says what there is
    return withImages.length > 0 ? withImages : groups;
  }

  /** One manifest of a group; of one without a name, all that are equally good: they may be different images. */
  #choose({ top, all }: Group): Descriptor[] {
    const candidates = this.#candidates(all);
    const best = chooseImage(this.blobs, candidates, this.platform);
    if (layoutName(top.annotations) !== undefined) return [best.descriptor];
    return candidates.filter(({ platform }) => isSame(platform, best.platform)).map(({ descriptor }) =>
      descriptor
    );
  }

  #candidates(all: readonly Descriptor[]): Candidate[] {
    const found = this.#imagesOf(all);
    const images = found.length > 0 ? found : all.filter(mayBeImage);
    // who saves one platform of many often keeps the index whole
    const there = images.filter(({ digest }) => this.blobs.size(blobName(digest)) !== undefined);
    if (there.length === 0) this.#refuseGroup(all, images);
    return there.map((descriptor) => ({ descriptor, platform: this.#platformOf(descriptor) }));
  }

  /** Those that are images, as far as they and their manifests say. */
  #imagesOf(all: readonly Descriptor[]): Descriptor[] {
    return all.filter((descriptor) => mayBeImage(descriptor) && !this.#describesArtifact(descriptor));
  }

  /** Who says for what machine a manifest is means an image. */
  #describesArtifact(descriptor: Descriptor): boolean {
    const { platform, digest, mediaType } = descriptor;
    const name = blobName(digest);
    if (platform !== undefined || this.blobs.size(name) === undefined) return false;
    const text = readVerified(this.blobs, name, descriptor);
    return describesArtifact(text, manifestSubject(this.blobs, digest), mediaType);
  }

  #refuseGroup(all: readonly Descriptor[], images: readonly Descriptor[]): never {
    if (images.length > 0) {
      this.blobs.refuse(`${JSON.stringify(blobName(images[0]!.digest))} is missing from it`);
    }
    const types = new Set(all.map(({ artifactType, mediaType }) => artifactType ?? mediaType));
    this.blobs.refuse(`it holds no image, but ${JSON.stringify([...types].join(", ").slice(0, 200))}`);
  }

  /** The descriptors of all that is no index. */
  #flatten(descriptors: readonly Descriptor[], depth: number): Descriptor[] {
    if (depth > MAX_DEPTH) this.blobs.refuse(`its indexes are nested more than ${MAX_DEPTH} deep`);
    this.#seen += descriptors.length;
    if (this.#seen > MAX_DESCRIPTORS) {
      this.blobs.refuse(`its indexes list more than ${MAX_DESCRIPTORS} manifests`);
    }
    return descriptors.flatMap((descriptor) =>
      isIndexType(descriptor.mediaType)
        ? this.#flatten(this.#readIndex(descriptor, depth), depth + 1)
        : [descriptor]
    );
  }

  #readIndex(descriptor: Descriptor, depth: number): readonly Descriptor[] {
    const { digest, mediaType } = descriptor;
    const known = this.#indexes.get(digest);
    if (known !== undefined) return known;
    const name = blobName(digest);
    if (depth > 0 && this.blobs.size(name) === undefined) return [];
    const text = readVerified(this.blobs, name, descriptor);
    const found = parseIndex(text, manifestSubject(this.blobs, digest), mediaType);
    this.#indexes.set(digest, found);
    return found;
  }

  /** What its descriptor says, or else its config. */
  #platformOf(descriptor: Descriptor): Platform {
    return descriptor.platform ?? this.#image(descriptor).config;
  }

  #image(descriptor: Descriptor): SourceImage {
    const { digest, mediaType } = descriptor;
    const known = this.#images.get(digest);
    if (known !== undefined) return known;
    const text = readVerified(this.blobs, blobName(digest), descriptor);
    const image = readImage(this.blobs, blobName, { mediaType, digest, text }, []);
    this.#images.set(digest, image);
    return image;
  }
}

function isSame(a: Platform, b: Platform): boolean {
  return a.os === b.os && a.architecture === b.architecture && a.variant === b.variant;
}

function mayBeImage(descriptor: Descriptor): boolean {
  return !isAttestation(descriptor) && !isArtifact(descriptor);
}

function isAttestation({ platform, annotations }: Descriptor): boolean {
  return annotations.has(ATTESTATION) || (platform?.os === "unknown" && platform.architecture === "unknown");
}

function isArtifact({ mediaType, artifactType }: Descriptor): boolean {
  return artifactType !== undefined || !isManifestType(mediaType);
}
