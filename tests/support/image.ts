import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
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
  const descriptor = (mediaType: string, { digest, bytes }: Blob) => ({
    mediaType,
    digest: `sha256:${digest}`,
    size: bytes.length,
  });
  const layerType = `application/vnd.oci.image.layer.v1.tar${gzip ? "+gzip" : ""}`;
  const imageManifest = blob({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((layer) => descriptor(layerType, layer)),
  });
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: tags.map((tag) => ({
      ...descriptor("application/vnd.oci.image.manifest.v1+json", imageManifest),
      annotations: {
        "io.containerd.image.name": `docker.io/library/${tag}`,
        "org.opencontainers.image.ref.name": tag.split(":")[1],
      },
    })),
  };
  const distinct = new Map([...layers, config, imageManifest].map((each) => [each.digest, each]));
  const path = ({ digest }: Blob) => `blobs/sha256/${digest}`;
  return [
    { path: "blobs/", type: "directory" },
    { path: "blobs/sha256/", type: "directory" },
    ...[...distinct.values()].map((each) => ({ path: path(each), content: each.bytes })),
    { path: "index.json", content: JSON.stringify(index) },
    manifest(path(config), layers.map(path), tags),
    { path: "oci-layout", content: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
  ];
}
