/** An image in a registry, as a source that the store can load. */
import { ImageError } from "../../errors.ts";
import { type ImageConfig, parseImageConfig } from "../config.ts";
import { choosePlatform, distance, formatPlatform, type Platform, thisPlatform } from "../platform.ts";
import type { Progress } from "../progress.ts";
import { formatImageName, formatReference, type ImageName } from "../reference.ts";
import { type Descriptor, isIndexType, parseIndex, parseManifest } from "../source/manifest.ts";
import type { ImageSource, LayerBlob, Manifest, SourceImage } from "../source/source.ts";
import { fetchConfig, fetchManifest, type Inquiry } from "./documents.ts";
import { Downloads, type RemoteLayer } from "./downloads.ts";
import type { Registry } from "./registry.ts";

export interface PullOptions {
  readonly registry: Registry;
  readonly name: ImageName;
  /** What the user asked for; undefined: this machine's, if there is a choice. */
  readonly platform: Platform | undefined;
  /** An empty folder, which the caller removes afterwards. */
  readonly folder: string;
  /** Whether the store has a layer: it will not ask for it. */
  readonly isStored: (diffId: string) => boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** An index may hold indexes. */
const MAX_DEPTH = 4;

/**
 * Finds an image in a registry. Its layers are downloaded when the first of them is wanted, several at once.
 * @throws {DhowError} when there is none, or none that dhow can use
 */
export async function openRemoteImage(options: PullOptions): Promise<RemoteImage> {
  const { registry, name, signal } = options;
  const label = JSON.stringify(formatImageName(name));
  const inquiry: Inquiry = { registry, path: name.path, what: `cannot pull ${label}`, signal };
  const first = await fetchManifest(inquiry, name.digest ?? name.tag!);
  const manifest = await chooseManifest(inquiry, first, options.platform ?? thisPlatform());
  const { config: described, layers } = parseManifest(
    manifest.text,
    `the manifest of ${label}`,
    manifest.mediaType,
  );
  const configText = await fetchConfig(inquiry, described);
  const config = parseImageConfig(configText, `the config of ${label}`);
  if (options.platform !== undefined) assertPlatform(inquiry, config, options.platform);
  if (layers.length !== config.diffIds.length) {
    const why = `its manifest lists ${layers.length} layers, its config ${config.diffIds.length}`;
    throw new ImageError({ what: inquiry.what, why });
  }
  const remote = layers.map(({ mediaType, digest, size }, index) => ({
    mediaType,
    digest,
    size,
    diffId: config.diffIds[index]!,
  }));
  const image = {
    id: described.digest,
    config,
    configText,
    tags: name.tag === undefined || name.digest !== undefined
      ? []
      : [formatReference({ ...name, tag: name.tag })],
    manifest,
  };
  return new RemoteImage(label, first.digest, image, new Downloads({ ...options, inquiry, layers: remote }));
}

/** One image of a registry. To be disposed of asynchronously, if anything was downloaded. */
export class RemoteImage implements ImageSource, AsyncDisposable {
  readonly images: readonly [SourceImage];

  constructor(
    readonly label: string,
    /** Of what the name leads to: a manifest, or an index of several. */
    readonly digest: string,
    image: Omit<SourceImage, "layers">,
    readonly downloads: Downloads,
  ) {
    this.images = [{ ...image, layers: this.layers.map((layer) => this.#blob(layer)) }];
  }

  #blob(layer: RemoteLayer): LayerBlob {
    const { digest, diffId, size } = layer;
    return {
      name: digest,
      label: `layer ${digest} of ${this.label}`,
      diffId,
      size,
      range: (signal) => this.downloads.range(layer, signal),
    };
  }

  /** As the registry describes them, lowest first. */
  get layers(): readonly RemoteLayer[] {
    return this.downloads.options.layers;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.downloads.close();
  }

  [Symbol.dispose](): void {
    void this.downloads.close();
  }
}

/** Follows indexes to the manifest for a platform. */
async function chooseManifest(inquiry: Inquiry, first: Manifest, wanted: Platform): Promise<Manifest> {
  let manifest = first;
  for (let depth = 0; isIndexType(manifest.mediaType); depth++) {
    if (depth === MAX_DEPTH) {
      throw new ImageError({ what: inquiry.what, why: `it is an index in more than ${MAX_DEPTH} others` });
    }
    const subject = `the index ${manifest.digest}`;
    const chosen = chooseVariant(inquiry, parseIndex(manifest.text, subject, manifest.mediaType), wanted);
    manifest = await fetchManifest(inquiry, chosen.digest);
    if (manifest.mediaType !== chosen.mediaType) {
      const why = `${chosen.digest} is ${manifest.mediaType}, ${subject} says that it is ${chosen.mediaType}`;
      throw new ImageError({ what: inquiry.what, why });
    }
  }
  return manifest;
}

function chooseVariant(inquiry: Inquiry, variants: readonly Descriptor[], wanted: Platform): Descriptor {
  const [only, ...others] = variants;
  if (only !== undefined && others.length === 0 && only.platform === undefined) return only;
  const offers = variants.flatMap((variant) =>
    variant.platform === undefined ? [] : [{ variant, platform: variant.platform }]
  );
  const chosen = choosePlatform(wanted, offers)?.variant;
  if (chosen !== undefined) return chosen;
  // attestations have a platform that is none
  const there = offers.map(({ platform }) => formatPlatform(platform)).filter((text) =>
    text !== "unknown/unknown"
  );
  // as of an artifact, or of what buildx keeps as its cache
  if (there.length === 0) {
    throw new ImageError({ what: inquiry.what, why: "it is an index that names no image for any platform" });
  }
  throw new ImageError({
    what: inquiry.what,
    why: `it has no variant for ${formatPlatform(wanted)}, only for ${
      [...new Set(there)].slice(0, 20).join(", ")
    }`,
    hint: "choose one with: --platform OS/ARCHITECTURE",
  });
}

function assertPlatform({ what }: Inquiry, config: ImageConfig, wanted: Platform): void {
  if (distance(wanted, config) !== undefined) return;
  throw new ImageError({
    what,
    why: `it is for ${formatPlatform(config)}, not for ${formatPlatform(wanted)}`,
  });
}
