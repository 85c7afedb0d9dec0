/** An image of the store into a registry. */
import { join } from "@std/path";
import { digestOf } from "../digest_of.ts";
import type { LayerProgress, Progress } from "../progress.ts";
import { formatReference, type Reference } from "../reference.ts";
import { compress, type CompressedLayer } from "./compress.ts";
import type { Inquiry } from "./documents.ts";
import type { KnownBlob, KnownBlobs } from "./known_blobs.ts";
import { MEDIA_TYPES } from "./manifest.ts";
import type { Registry } from "./registry.ts";
import { type BlobToPush, hasBlob, mountBlob, uploadBlob, uploadManifest } from "./upload.ts";

/** What a push needs of an image in the store. */
export interface PushSource {
  readonly configText: string;
  /** sha256 of each layer's uncompressed tar, lowest first. */
  readonly diffIds: readonly string[];
  /** Of the manifest with which the image came; null when it came with none. */
  readonly mediaType: string | null;
  /** A layer's tar. */
  openTar(diffId: string): StoredTar;
}

/** A layer's uncompressed tar in the store. */
export interface StoredTar extends Disposable {
  /** In bytes. */
  readonly size: number;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface PushOptions {
  readonly registry: Registry;
  readonly reference: Reference;
  readonly source: PushSource;
  readonly known: Pick<KnownBlobs, "of" | "remember">;
  /** An empty folder, which the caller removes afterwards. */
  readonly folder: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Layers that are worked on at once. */
const AT_ONCE = 3;
/** How many other repositories are asked for a layer. */
const MAX_MOUNTS = 3;

/** What became of a push. */
export interface Pushed {
  readonly digest: string;
  /** Of the manifest, in bytes. */
  readonly size: number;
}

/**
 * Pushes an image: the layers that the repository lacks, then config and manifest.
 * @throws {DhowError} when the registry does not take it
 */
export function pushImage(options: PushOptions): Promise<Pushed> {
  return new Push(options).run();
}

class Push {
  readonly #target: Inquiry;
  /** With the registry, as KnownBlob has it. */
  readonly #repository: string;
  readonly #failed = new AbortController();

  constructor(readonly options: PushOptions) {
    const { registry, reference, signal } = options;
    this.#repository = `${reference.domain}/${reference.path}`;
    this.#target = {
      registry,
      path: reference.path,
      what: `cannot push ${JSON.stringify(formatReference(reference))}`,
      signal: AbortSignal.any([signal, this.#failed.signal]),
    };
  }

  async run(): Promise<Pushed> {
    const { source, reference } = this.options;
    const layers = await this.#pushLayers([...new Set(source.diffIds)]);
    const config = await this.#pushConfig();
    const manifest = this.#manifest(config, source.diffIds.map((diffId) => layers.get(diffId)!));
    const digest = await uploadManifest(this.#target, reference.tag, manifest);
    return { digest, size: new TextEncoder().encode(manifest.text).length };
  }

  /** Several at once; the first failure breaks the others off. */
  async #pushLayers(diffIds: readonly string[]): Promise<Map<string, KnownBlob>> {
    const pushed = new Map<string, KnownBlob>();
    const left = diffIds.values();
    const work = async () => {
      for (const diffId of left) pushed.set(diffId, await this.#pushLayer(diffId));
    };
    const workers = Array.from({ length: AT_ONCE }, () =>
      work().catch((error) => {
        this.#failed.abort(error);
        throw error;
      }));
    await Promise.allSettled(workers);
    // what made the others stop is what the user has to hear of
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason;
    return pushed;
  }

  async #pushLayer(diffId: string): Promise<KnownBlob> {
    const { known, progress } = this.options;
    const line = progress.layer(diffId, "Preparing", undefined);
    const blob = await this.#find(diffId, line) ?? await this.#compressAndUpload(diffId);
    known.remember(diffId, blob);
    return blob;
  }

  /** Looks whether the registry has the layer: in this repository, or in another from which it can be mounted. */
  async #find(diffId: string, line: LayerProgress): Promise<KnownBlob | undefined> {
    const { reference: { domain } } = this.options;
    const known = this.options.known.of(diffId).filter(({ repository }) =>
      repository.startsWith(`${domain}/`)
    );
    const here = known.filter(({ repository }) => repository === this.#repository);
    for (const blob of here) {
      if (!await hasBlob(this.#target, blob.digest)) continue;
      line.done("Layer already exists");
      return blob;
    }
    const elsewhere = known.filter(({ repository }) => repository !== this.#repository).slice(0, MAX_MOUNTS);
    for (const blob of elsewhere) {
      const from = blob.repository.slice(domain.length + 1);
      if (!await mountBlob(this.#target, blob.digest, from)) continue;
      line.done(`Mounted from ${from}`);
      return { ...blob, repository: this.#repository };
    }
    return undefined;
  }

  async #compressAndUpload(diffId: string): Promise<KnownBlob> {
    const { folder, progress } = this.options;
    const layer = await this.#compress(diffId, join(folder, diffId.replace(":", "-")));
    const line = progress.layer(diffId, "Pushing", layer.size);
    try {
      const { digest, size, file } = layer;
      const isThere = await hasBlob(this.#target, digest);
      if (!isThere) {
        await uploadBlob(this.#target, {
          digest,
          size,
          open: () => openStream(file),
          progress: line,
        });
      }
      line.done(isThere ? "Layer already exists" : "Pushed");
      return { repository: this.#repository, digest, size };
    } finally {
      // the others still need the space
      Deno.removeSync(layer.file);
    }
  }

  async #compress(diffId: string, file: string): Promise<CompressedLayer> {
    using tar = this.options.source.openTar(diffId);
    const line = this.options.progress.layer(diffId, "Compressing", tar.size);
    return await compress(tar.chunks(), diffId, file, line, this.#target.signal);
  }

  async #pushConfig(): Promise<{ digest: string; size: number }> {
    const bytes = new TextEncoder().encode(this.options.source.configText);
    const blob: BlobToPush = {
      digest: digestOf(bytes),
      size: bytes.length,
      open: () => new Blob([bytes]).stream(),
      progress: { advance() {}, done() {} },
    };
    if (!await hasBlob(this.#target, blob.digest)) await uploadBlob(this.#target, blob);
    return blob;
  }

  /** Docker's schema 2, or OCI's manifest for what came with one; indented like docker's. */
  #manifest(
    config: { digest: string; size: number },
    layers: readonly KnownBlob[],
  ): { mediaType: string; text: string } {
    const isOci = this.options.source.mediaType === MEDIA_TYPES.ociManifest;
    const [mediaType, configType, layerType] = isOci
      ? [MEDIA_TYPES.ociManifest, MEDIA_TYPES.ociConfig, MEDIA_TYPES.ociLayer]
      : [MEDIA_TYPES.dockerManifest, MEDIA_TYPES.dockerConfig, MEDIA_TYPES.dockerLayer];
    const manifest = {
      schemaVersion: 2,
      mediaType,
      config: { mediaType: configType, size: config.size, digest: config.digest },
      layers: layers.map(({ size, digest }) => ({ mediaType: layerType, size, digest })),
    };
    return { mediaType, text: JSON.stringify(manifest, undefined, 3) };
  }
}

function openStream(file: string): ReadableStream<Uint8Array> {
  return Deno.openSync(file).readable;
}
