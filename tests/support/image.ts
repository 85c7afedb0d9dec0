import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { blobPath, CONFIG, LAYER, Layout, MANIFEST } from "./layout.ts";
import { tar, type TarEntry } from "./tar.ts";

/** The part of an image's config that says what to run. */
export interface ProcessConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[];
}

export interface ImageOptions {
  /** Lowest first; each is a list of entries, or a finished tar. */
  readonly layers: readonly (readonly TarEntry[] | Uint8Array)[];
  readonly config?: ProcessConfig;
  readonly tags?: readonly string[];
  /** `ID/layer.tar`, as docker wrote until version 24, or `blobs/sha256/...` with an index.json, as it does since. */
  readonly layout?: "legacy" | "oci";
  readonly gzip?: boolean;
  readonly architecture?: string;
  readonly os?: string;
  readonly created?: string;
  /** Changes what is said about the layers: to lie about them. */
  readonly diffIds?: readonly string[];
}

const encoder = new TextEncoder();

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface Blob {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

function blob(content: unknown): Blob {
  const bytes = content instanceof Uint8Array ? content : encoder.encode(JSON.stringify(content));
  return { digest: sha256(bytes), bytes };
}

/** An archive as `docker save` writes it, made by hand. */
export function archive(options: ImageOptions): Uint8Array {
  const tars = options.layers.map((layer) => layer instanceof Uint8Array ? layer : tar(layer));
  const layers = tars.map((bytes) => blob(options.gzip ? gzipSync(bytes) : bytes));
  const machine = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
  const config = blob({
    architecture: options.architecture ?? machine,
    os: options.os ?? "linux",
    created: options.created ?? "2024-01-01T00:00:00Z",
    config: options.config ?? {},
    rootfs: { type: "layers", diff_ids: options.diffIds ?? tars.map((bytes) => `sha256:${sha256(bytes)}`) },
    history: tars.map(() => ({ created: "2024-01-01T00:00:00Z", created_by: "by hand" })),
  });
  const tags = options.tags ?? ["test:latest"];
  return tar(
    options.layout === "oci"
      ? ociEntries(config, layers, tags, options.gzip)
      : legacyEntries(config, layers, tags),
  );
}

function manifest(config: string, layers: readonly string[], tags: readonly string[]): TarEntry {
  return {
    path: "manifest.json",
    content: JSON.stringify([{ Config: config, RepoTags: tags, Layers: layers }]),
  };
}

function legacyEntries(config: Blob, layers: readonly Blob[], tags: readonly string[]): TarEntry[] {
  // Identical layers get folders of their own: their number is part of what docker hashes for the name.
  const folders = layers.map((layer, index) => sha256(encoder.encode(`${index} ${layer.digest}`)));
  return [
    ...layers.flatMap((layer, index): TarEntry[] => [
      { path: `${folders[index]}/`, type: "directory" },
      { path: `${folders[index]}/VERSION`, content: "1.0" },
      { path: `${folders[index]}/json`, content: JSON.stringify({ id: folders[index] }) },
      { path: `${folders[index]}/layer.tar`, content: layer.bytes },
    ]),
    { path: `${config.digest}.json`, content: config.bytes },
    manifest(`${config.digest}.json`, folders.map((folder) => `${folder}/layer.tar`), tags),
    { path: "repositories", content: "{}" },
  ];
}

function ociEntries(
  config: Blob,
  layers: readonly Blob[],
  tags: readonly string[],
  gzip = false,
): TarEntry[] {
  const layout = new Layout();
  const layerType = `${LAYER}${gzip ? "+gzip" : ""}`;
  const described = layers.map(({ bytes }) => layout.blob(layerType, bytes));
  const image = layout.blob(MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: layout.blob(CONFIG, config.bytes),
    layers: described,
  });
  layout.top(...tags.map((tag) => ({
    ...image,
    annotations: {
      "io.containerd.image.name": `docker.io/library/${tag}`,
      "org.opencontainers.image.ref.name": tag.split(":")[1] ?? "latest",
    },
  })));
  const path = ({ digest }: Blob) => blobPath(digest);
  return [
    { path: "blobs/", type: "directory" },
    { path: "blobs/sha256/", type: "directory" },
    ...layout.entries(),
    manifest(path(config), layers.map(path), tags),
  ];
}
