/** Archives that ask for more than anybody has. They are made in parts: most are too large for memory. */
import { createHash } from "node:crypto";
import { succeed } from "./process.ts";
import type { Store } from "./store.ts";
import { tar, type TarEntry } from "./tar.ts";

const encoder = new TextEncoder();
const HEADER = 512;
/** Blocks that are written at once. */
const BATCH = 4096;

/** Headers of files, or of what else the type flag says, that differ in their names only. */
export function* headers(count: number, name: (index: number) => string, flag = "0"): Generator<Uint8Array> {
  const block = tar([{ path: "x" }]).slice(0, HEADER);
  block.fill(0, 0, 100);
  block[156] = flag.charCodeAt(0);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  for (let made = 0; made < count; made += BATCH) {
    const batch = new Uint8Array(HEADER * Math.min(BATCH, count - made));
    for (let index = 0; index * HEADER < batch.length; index++) {
      const at = index * HEADER;
      const bytes = encoder.encode(name(made + index));
      const total = sum + bytes.reduce((all, byte) => all + byte, 0);
      batch.set(block, at);
      batch.set(bytes, at);
      batch.set(encoder.encode(`${total.toString(8).padStart(6, "0")}\0 `), at + 148);
    }
    yield batch;
  }
}

/** The same entry so often, with another name each time. */
export function* entries(count: number, entry: (index: number) => TarEntry): Generator<Uint8Array> {
  for (let index = 0; index < count; index++) yield tar([entry(index)]).subarray(0, -2 * HEADER);
}

/** An archive of docker save with one layer, which zstd compresses; its path. */
export async function bombArchive(store: Store, layer: Iterable<Uint8Array>): Promise<string> {
  const path = store.file("layer.tar");
  const hash = createHash("sha256");
  {
    using file = Deno.openSync(path, { write: true, create: true, truncate: true });
    for (const part of layerParts(layer)) {
      hash.update(part);
      for (let done = 0; done < part.length;) done += file.writeSync(part.subarray(done));
    }
  }
  await succeed(["zstd", "-q1f", "--rm", path]);
  return store.write("image.tar", dockerArchive(Deno.readFileSync(`${path}.zst`), hash.digest("hex")));
}

function* layerParts(layer: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield* layer;
  yield new Uint8Array(2 * HEADER);
}

/** @param hex sha256 of the layer's tar */
export function dockerArchive(stored: Uint8Array, hex: string): Uint8Array {
  const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
  const rootfs = { type: "layers", diff_ids: [`sha256:${hex}`] };
  return tar([
    { path: "layer.tar", content: stored },
    { path: "config.json", content: JSON.stringify({ architecture, os: "linux", config: {}, rootfs }) },
    {
      path: "manifest.json",
      content: JSON.stringify([{ Config: "config.json", RepoTags: ["test:latest"], Layers: ["layer.tar"] }]),
    },
  ]);
}
