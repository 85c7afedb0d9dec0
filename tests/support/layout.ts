import { dirname, join } from "@std/path";
import { sha256 } from "./image.ts";
import { tar, type TarEntry } from "./tar.ts";

export const INDEX = "application/vnd.oci.image.index.v1+json";
export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const CONFIG = "application/vnd.oci.image.config.v1+json";
export const LAYER = "application/vnd.oci.image.layer.v1.tar";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}

export interface LayoutImage {
  /** Finished tars, lowest first. */
  readonly layers: readonly Uint8Array[];
  /** What is stored of a layer: itself, or compressed. */
  readonly stored?: (layer: Uint8Array) => Uint8Array;
  readonly architecture?: string;
  readonly variant?: string;
  readonly os?: string;
  readonly config?: unknown;
  readonly configType?: string;
  readonly layerType?: string;
  readonly diffIds?: readonly string[];
  /** Added to the manifest, or in place of what it has. */
  readonly manifest?: Readonly<Record<string, unknown>>;
}

/** An OCI layout in the making: any lie can be told in it. */
export class Layout {
  readonly files = new Map<string, Uint8Array>();
  /** The media types of its blobs, by the hexadecimal part of their digests. */
  readonly types = new Map<string, string>();

  constructor() {
    this.json("oci-layout", { imageLayoutVersion: "1.0.0" });
  }

  json(path: string, value: unknown): this {
    this.files.set(path, new TextEncoder().encode(JSON.stringify(value)));
    return this;
  }

  /** Stores a blob: bytes, or a document. */
  blob(mediaType: string, content: unknown): Descriptor {
    const bytes = content instanceof Uint8Array ? content : new TextEncoder().encode(JSON.stringify(content));
    const hex = sha256(bytes);
    this.files.set(blobPath(hex), bytes);
    this.types.set(hex, mediaType);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  }

  /** Stores an image; returns what describes its manifest. */
  image(image: LayoutImage): Descriptor {
    const { layers, stored = (layer) => layer, architecture = MACHINE, os = "linux", variant } = image;
    const config = this.blob(image.configType ?? CONFIG, {
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      config: image.config ?? {},
      rootfs: { type: "layers", diff_ids: image.diffIds ?? layers.map((layer) => `sha256:${sha256(layer)}`) },
    });
    const described = layers.map((layer) => this.blob(image.layerType ?? LAYER, stored(layer)));
    const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: described, ...image.manifest };
    return this.blob(MANIFEST, manifest);
  }

  /** Stores an index of other manifests and indexes. */
  index(manifests: readonly Descriptor[]): Descriptor {
    return this.blob(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests });
  }

  /** Writes down what the layout holds. */
  top(...manifests: readonly Descriptor[]): this {
    return this.json("index.json", { schemaVersion: 2, mediaType: INDEX, manifests });
  }

  /** The layout as a tar has it. */
  entries(): TarEntry[] {
    return [...this.files].map(([path, content]) => ({ path, content }));
  }

  archive(): Uint8Array {
    return tar(this.entries());
  }

  write(folder: string): string {
    for (const [path, content] of this.files) {
      Deno.mkdirSync(dirname(join(folder, path)), { recursive: true });
      Deno.writeFileSync(join(folder, path), content);
    }
    return folder;
  }
}

export const MACHINE = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

/** Where the blob with a digest, with or without `sha256:`, lies in a layout. */
export function blobPath(digest: string): string {
  return `blobs/sha256/${digest.replace("sha256:", "")}`;
}

/** A descriptor for a platform. */
export function on(descriptor: Descriptor, architecture: string, variant?: string): Descriptor {
  return {
    ...descriptor,
    platform: { os: "linux", architecture, ...(variant === undefined ? {} : { variant }) },
  };
}

/** A descriptor with an OCI reference name. */
export function called(descriptor: Descriptor, name: string): Descriptor {
  return { ...descriptor, annotations: { "org.opencontainers.image.ref.name": name } };
}
