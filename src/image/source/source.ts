/** What an image can come from, whatever its format: an archive, a folder, a registry. */
import type { ImageConfig } from "../config.ts";
import type { FileRange } from "../tar/reader.ts";

/** A layer, as a source holds it: a tar, possibly compressed with gzip or zstd. */
export interface LayerBlob {
  /** What the source calls it: the entry of an archive, or a digest. */
  readonly name: string;
  /** How messages name it: `layer "abc/layer.tar" of "busybox.tar"`. */
  readonly label: string;
  /** sha256 of the uncompressed tar, as the config says. */
  readonly diffId: string;
  /** Bytes as the source holds it. */
  readonly size: number;
  /**
   * Where its bytes lie, in a file that stays open as long as the source. A registry's layers are downloaded first.
   * @param signal breaks a download off
   * @throws {DhowError} when it cannot be had
   */
  range(signal?: AbortSignal): Promise<FileRange>;
}

/** The manifest of an image, where its source has one (OCI image-spec, manifest.md). */
export interface Manifest {
  readonly mediaType: string;
  readonly digest: string;
  /** Byte for byte. */
  readonly text: string;
}

/** One image of a source. */
export interface SourceImage {
  /** `sha256:...` of the config. */
  readonly id: string;
  readonly config: ImageConfig;
  /** The config, byte for byte. */
  readonly configText: string;
  /** `name:tag`, in the source's order. */
  readonly tags: readonly string[];
  readonly manifest?: Manifest;
  /** Lowest first, as many as the config has diff ids. */
  readonly layers: readonly LayerBlob[];
}

/** Where a source lies, for who reads it without dhow. */
export interface SourceOrigin {
  /** An archive may be compressed as a whole. */
  readonly kind: "archive" | "folder";
  /** As the user wrote it. */
  readonly path: string;
}

/** An open source. Its layers can be read until it is disposed of. */
export interface ImageSource extends Disposable {
  /** How messages name it: `"busybox.tar"`, quoted. */
  readonly label: string;
  /** Undefined when it cannot be read a second time: it came through a pipe, or from a registry. */
  readonly origin?: SourceOrigin;
  /** At least one. */
  readonly images: readonly SourceImage[];
}
