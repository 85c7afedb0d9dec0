import { assertEquals, assertRejects } from "@std/assert";
import type { SavableImage } from "../../../../src/image/archive/layout.ts";
import { saveImages, type SaveOptions, type StoredTar } from "../../../../src/image/archive/save.ts";
import type { Selection } from "../../../../src/image/archive/selection.ts";
import { parseImageConfig } from "../../../../src/image/config.ts";
import { sha256 as digester } from "../../../../src/image/digest.ts";
import { QUIET } from "../../../../src/image/progress.ts";
import { TarWriter } from "../../../../src/image/tar/writer.ts";
import { sha256 } from "../../../support/image.ts";
import { succeed } from "../../../support/process.ts";
import { tar } from "../../../support/tar.ts";
import { Memory } from "../../../support/tar_writer.ts";
import { asFile, withSource } from "../../../support/source.ts";

// OpenSSL stays open once it is: no test of these is to blame
digester();

const LAYERS = ["one", "two", "three"].map((content) => tar([{ path: "file", content }]));
const [ONE, TWO, THREE] = LAYERS.map((bytes) => `sha256:${sha256(bytes)}`) as [string, string, string];

function image(diffIds: readonly string[], tags: readonly string[]): Selection<SavableImage> {
  const configText = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { diff_ids: diffIds } });
  const id = `sha256:${sha256(new TextEncoder().encode(configText))}`;
  return { image: { id, tags, config: parseImageConfig(configText, "it"), configText }, tags };
}

/** Layers as the store has them; `change` may damage one. */
function tars(change: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes) {
  const opened: string[] = [];
  const isOpen = new Set<StoredTar>();
  const openTar = (diffId: string): StoredTar => {
    opened.push(diffId);
    const bytes = LAYERS[[ONE, TWO, THREE].indexOf(diffId)]!;
    const stored: StoredTar = {
      size: bytes.length,
      async *chunks() {
        const content = change(bytes);
        for (let start = 0; start < content.length; start += 700) yield content.slice(start, start + 700);
        await Promise.resolve();
      },
      [Symbol.dispose]: () => void isOpen.delete(stored),
    };
    isOpen.add(stored);
    return stored;
  };
  return { openTar, opened, isOpen };
}

async function saved(
  images: readonly Selection<SavableImage>[],
  options: Partial<SaveOptions> = {},
  layers = tars(),
): Promise<Uint8Array> {
  const memory = new Memory();
  await using writer = new TarWriter(memory);
  const all = {
    format: "docker" as const,
    progress: QUIET,
    signal: new AbortController().signal,
    ...options,
  };
  await saveImages(images, layers, writer, all);
  await writer.finish();
  return memory.bytes;
}

async function withFile<T>(bytes: Uint8Array, work: (path: string) => T | Promise<T>): Promise<T> {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, bytes);
    return await work(path);
  } finally {
    Deno.removeSync(path);
  }
}

const document = async (bytes: Uint8Array, name: string) =>
  JSON.parse(await withFile(bytes, (path) => succeed(["tar", "-xOf", path, name])));

const IMAGES = [
  image([ONE, TWO], ["app:1", "app:latest"]),
  image([ONE, THREE], ["example.com/team/b:x"]),
  image([TWO], []),
];

Deno.test("what is saved is read back: configs, names and layers", async () => {
  const archive = await saved(IMAGES);
  await withSource(asFile(archive), {}, async (source) => {
    assertEquals(
      source.images.map(({ id, configText, tags }) => ({ id, configText, tags })),
      IMAGES.map(({ image, tags }) => ({ id: image.id, configText: image.configText, tags })),
    );
    for (const { diffId, size, range } of source.images.flatMap(({ layers }) => layers)) {
      const { offset } = await range();
      assertEquals(`sha256:${sha256(archive.subarray(offset, offset + size))}`, diffId);
    }
  });
});

Deno.test("blobs are sorted, and each is there once", async () => {
  const archive = await saved(IMAGES);
  const names = (await withFile(archive, (path) => succeed(["tar", "-tf", path]))).trimEnd().split("\n");
  const blobs = names.slice(2, -4);
  assertEquals(names.slice(0, 2), ["blobs/", "blobs/sha256/"]);
  assertEquals(names.slice(-4), ["index.json", "manifest.json", "oci-layout", "repositories"]);
  assertEquals([blobs.length, blobs], [9, [...new Set(blobs)].sort()]);
});

Deno.test("the index has one entry for each name, in the words of OCI and of containerd", async () => {
  const { manifests } = await document(await saved(IMAGES), "index.json");
  // deno-lint-ignore no-explicit-any -- a parsed document
  assertEquals(manifests.map(({ annotations }: any) => annotations), [
    { "io.containerd.image.name": "docker.io/library/app:1", "org.opencontainers.image.ref.name": "1" },
    {
      "io.containerd.image.name": "docker.io/library/app:latest",
      "org.opencontainers.image.ref.name": "latest",
    },
    { "io.containerd.image.name": "example.com/team/b:x", "org.opencontainers.image.ref.name": "x" },
    undefined,
  ]);
  assertEquals(manifests[0].digest, manifests[1].digest);
});

Deno.test("docker's own documents name the same blobs", async () => {
  const archive = await saved(IMAGES);
  const path = (digest: string) => `blobs/${digest.replace(":", "/")}`;
  assertEquals(
    await document(archive, "manifest.json"),
    IMAGES.map(({ image, tags }) => ({
      Config: path(image.id),
      RepoTags: tags.length > 0 ? tags : null,
      Layers: image.config.diffIds.map(path),
    })),
  );
  assertEquals(await document(archive, "repositories"), {
    app: { 1: TWO.slice(7), latest: TWO.slice(7) },
    "example.com/team/b": { x: THREE.slice(7) },
  });
});

Deno.test("an OCI archive has none of docker's documents, and an image without a name no list of names", async () => {
  const list = async (bytes: Uint8Array) =>
    (await withFile(bytes, (path) => succeed(["tar", "-tf", path]))).split("\n").filter((name) =>
      /^[^b]/.test(name)
    );
  assertEquals(await list(await saved(IMAGES, { format: "oci" })), ["index.json", "oci-layout"]);
  assertEquals(await list(await saved([image([TWO], [])])), ["index.json", "manifest.json", "oci-layout"]);
});

Deno.test("the same images give the same bytes", async () => {
  assertEquals(sha256(await saved(IMAGES)), sha256(await saved(IMAGES)));
});

for (
  const [what, change, why] of [
    [
      "other bytes",
      (bytes) => bytes.map((byte, index) => index === 600 ? 1 : byte),
      "has changed to sha256:",
    ],
    ["fewer bytes", (bytes) => bytes.subarray(512), "has changed its size"],
    ["more bytes", (bytes) => new Uint8Array([...bytes, 0]), "has changed its size"],
  ] as [string, (bytes: Uint8Array) => Uint8Array, string][]
) {
  Deno.test(`a layer that has ${what} than it should is an error, and is closed`, async () => {
    const layers = tars(change);
    const error = await assertRejects(() => saved(IMAGES, {}, layers), Error, why);
    assertEquals([/^cannot save layer sha256:[0-9a-f]{64}: /.test(error.message), layers.isOpen.size], [
      true,
      0,
    ]);
  });
}

Deno.test("progress tells of each layer once, with all of its bytes", async () => {
  const told: unknown[] = [];
  const progress = {
    layer(id: string, action: string, total: number | undefined) {
      let sum = 0;
      return {
        advance: (bytes: number) => void (sum += bytes),
        done: (how: string) => void told.push([id, action, total === sum, how]),
      };
    },
  };
  await saved(IMAGES, { progress });
  assertEquals(told, [ONE, TWO, THREE].sort().map((id) => [id, "Saving", true, "Saved"]));
});

Deno.test("a save that is broken off stops, with the reason", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => saved(IMAGES, { signal }), Error, "enough");
});
