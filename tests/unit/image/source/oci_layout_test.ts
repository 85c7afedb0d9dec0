import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { ImageError } from "../../../../src/errors.ts";
import { parsePlatform } from "../../../../src/image/platform.ts";
import { called, CONFIG, type Descriptor, Layout, MACHINE, MANIFEST, on } from "../../../support/layout.ts";
import { sha256 } from "../../../support/image.ts";
import { asFile, asFolder, type Options, readSource } from "../../../support/source.ts";
import { tar } from "../../../support/tar.ts";

const LAYERS = [tar([{ path: "a", content: "1" }]), tar([{ path: "b", content: "22" }])];
const OTHER = MACHINE === "amd64" ? "arm64" : "amd64";

const ways = (layout: Layout) => [asFile(layout.archive()), asFolder(layout)];

/** Reads a layout as an archive and as a folder; both must give the same. */
async function read(layout: Layout, options?: Options) {
  const archived = await readSource(asFile(layout.archive()), options);
  const folder = await readSource(asFolder(layout), options);
  const parts = ({ images, contents }: typeof folder) => [
    images.map(({ tags, manifest, configText }) => [...tags, manifest?.text, configText]),
    contents,
  ];
  assertEquals(parts(archived), parts(folder));
  return folder;
}

const platform = (text: string): Options => ({ platform: parsePlatform(text) });
const tags = async (layout: Layout, options?: Options) =>
  (await read(layout, options)).images.map(({ tags }) => tags);

/** What of several images was chosen, by the command in their configs. */
async function commands(layout: Layout, options?: Options): Promise<string[]> {
  return (await read(layout, options)).images.map(({ config }) => config.cmd.join(" "));
}

/** An image that says which one it is. */
function image(layout: Layout, name: string, architecture?: string, variant?: string): Descriptor {
  return layout.image({
    layers: [LAYERS[0]!],
    config: { Cmd: [name] },
    ...(architecture === undefined ? {} : { architecture }),
    ...(variant === undefined ? {} : { variant }),
  });
}

Deno.test("a layout of one image is read, from an archive and from a folder", async () => {
  const layout = new Layout();
  const descriptor = layout.image({ layers: LAYERS, config: { Cmd: ["sh"] } });
  layout.top(called(descriptor, "docker.io/library/box:1"));
  const { images: [image, ...others], contents } = await read(layout);
  assertEquals(others, []);
  assertEquals(image!.tags, ["box:1"]);
  assertEquals(image!.config.cmd, ["sh"]);
  assertEquals(image!.id, `sha256:${sha256(new TextEncoder().encode(image!.configText))}`);
  assertEquals(image!.manifest?.digest, descriptor.digest);
  assertEquals(image!.manifest?.mediaType, MANIFEST);
  assertEquals(sha256(new TextEncoder().encode(image!.manifest!.text)), descriptor.digest.slice(7));
  assertEquals(image!.layers.map(({ diffId }) => diffId), LAYERS.map((layer) => `sha256:${sha256(layer)}`));
  assertEquals(contents, [LAYERS]);
});

Deno.test("layers are given as they are stored, under their names in the layout", async () => {
  const layout = new Layout();
  const stored = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes));
  layout.top(
    layout.image({ layers: LAYERS, stored, layerType: "application/vnd.oci.image.layer.v1.tar+gzip" }),
  );
  const { images: [image], contents } = await read(layout);
  assertEquals(contents, [LAYERS.map(stored)]);
  assertEquals(
    image!.layers.map(({ name }) => name),
    LAYERS.map((each) => `blobs/sha256/${sha256(stored(each))}`),
  );
});

for (
  const layerType of [
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
  ]
) {
  Deno.test(`a layer of the type ${layerType} is taken`, async () => {
    const layout = new Layout();
    layout.top(layout.image({ layers: LAYERS, layerType }));
    assertEquals((await read(layout)).contents, [LAYERS]);
  });
}

Deno.test("docker's own types of manifests, lists and configs are taken", async () => {
  const layout = new Layout();
  const mediaType = "application/vnd.docker.distribution.manifest.v2+json";
  const configType = "application/vnd.docker.container.image.v1+json";
  const described = { ...layout.image({ layers: LAYERS, configType, manifest: { mediaType } }), mediaType };
  const list = "application/vnd.docker.distribution.manifest.list.v2+json";
  layout.top(layout.blob(list, { schemaVersion: 2, mediaType: list, manifests: [on(described, MACHINE)] }));
  assertEquals((await read(layout)).images[0]!.manifest?.mediaType, mediaType);
});

Deno.test("a manifest need not say its own type, nor need the layout have a version", async () => {
  const layout = new Layout();
  layout.top(layout.image({ layers: LAYERS, manifest: { mediaType: undefined } }));
  layout.files.delete("oci-layout");
  assertEquals((await read(layout)).images.length, 1);
});

Deno.test("images with names of their own are several images", async () => {
  const layout = new Layout();
  layout.top(called(image(layout, "one"), "x/one:1"), called(image(layout, "two"), "x/two:1"));
  assertEquals(await tags(layout), [["x/one:1"], ["x/two:1"]]);
  assertEquals(await commands(layout), ["one", "two"]);
});

Deno.test("several names of one image are its tags", async () => {
  const layout = new Layout();
  const descriptor = image(layout, "one");
  layout.top(called(descriptor, "x/one:1"), called(descriptor, "x/one:latest"), called(descriptor, "1"));
  assertEquals(await tags(layout), [["x/one:1", "x/one:latest"]]);
});

Deno.test("images without names are several images, unless they are for other machines", async () => {
  const layout = new Layout();
  const [one, two, other] = [image(layout, "one"), image(layout, "two"), image(layout, "other", OTHER)];
  layout.top(one, two, other, on(one, MACHINE));
  assertEquals(await commands(layout), ["one", "two"]);
});

/** One name, several machines: as an index of its own, or listed beside each other. */
function manyPlatforms(nested: boolean): Layout {
  const layout = new Layout();
  const offers = [
    on(image(layout, "other", OTHER), OTHER),
    on(image(layout, "v6", "arm", "v6"), "arm", "v6"),
    on(image(layout, "v5", "arm", "v5"), "arm", "v5"),
    on(image(layout, "mine"), MACHINE),
  ];
  return nested
    ? layout.top(called(layout.index(offers), "x/app:1"))
    : layout.top(...offers.map((offer) => called(offer, "x/app:1")));
}

for (const nested of [true, false]) {
  const kind = nested ? "of an index in the index" : "of one name";

  Deno.test(`of the platforms ${kind} this machine's is chosen, or the one that is asked for`, async () => {
    const layout = manyPlatforms(nested);
    assertEquals(await commands(layout), ["mine"]);
    assertEquals(await tags(layout), [["x/app:1"]]);
    assertEquals(await commands(layout, platform(`linux/${OTHER}`)), ["other"]);
    assertEquals(await commands(layout, platform("linux/arm/v7")), ["v6"]);
    assertEquals(await commands(layout, platform("linux/arm/v5")), ["v5"]);
  });

  Deno.test(`when none of the platforms ${kind} fits, the error lists what there is`, async () => {
    const error = await assertRejects(() => read(manyPlatforms(nested), platform("linux/s390x")), ImageError);
    assertStringIncludes(
      error.message,
      `there is no image for linux/s390x in it, only for linux/${OTHER}, linux/arm/v6, linux/arm/v5, linux/${MACHINE};`,
    );
  });
}

Deno.test("a platform that the index does not say is that of the config", async () => {
  const layout = new Layout();
  layout.top(layout.index([image(layout, "other", OTHER), image(layout, "mine")]));
  assertEquals(await commands(layout), ["mine"]);
  assertEquals(await commands(layout, platform(`linux/${OTHER}`)), ["other"]);
});

Deno.test("a single image is taken whatever it is for, unless a platform is asked for", async () => {
  const layout = new Layout();
  layout.top(layout.index([on(image(layout, "other", OTHER), OTHER)]));
  assertEquals(await commands(layout), ["other"]);
  await assertRejects(
    () => read(layout, platform(`linux/${MACHINE}`)),
    ImageError,
    `only for linux/${OTHER}`,
  );
});

Deno.test("attestations and artifacts beside an image are passed over", async () => {
  const layout = new Layout();
  const attestation = layout.image({ layers: [LAYERS[1]!], layerType: "application/vnd.in-toto+json" });
  const unknown = { os: "unknown", architecture: "unknown" };
  const artifact = layout.blob("application/vnd.oci.artifact.manifest.v1+json", {});
  layout.top(
    layout.index([
      { ...attestation, platform: unknown },
      { ...attestation, annotations: { "vnd.docker.reference.type": "attestation-manifest" } },
      { ...attestation, artifactType: "application/vnd.example" },
      artifact,
      image(layout, "mine"),
    ]),
  );
  assertEquals(await commands(layout), ["mine"]);
});

Deno.test("charts and signatures with names of their own do not keep the images beside them from being loaded", async () => {
  const layout = new Layout();
  const chart = { layers: [LAYERS[1]!], configType: "application/vnd.cncf.helm.config.v1+json" };
  const signature = {
    layers: [LAYERS[1]!],
    layerType: "application/vnd.dev.cosign.simplesigning.v1+json",
  };
  layout.top(
    called(layout.image(chart), "example.com/chart:1"),
    called(image(layout, "first"), "example.com/first:1"),
    layout.image(signature),
    called(image(layout, "second"), "example.com/second:1"),
  );
  assertEquals(await tags(layout), [["example.com/first:1"], ["example.com/second:1"]]);
  const chosen = (folder: string) => `oci:${layout.write(`${folder}/layout`)}:example.com/chart:1`;
  await assertRejects(() => readSource(chosen), ImageError, "it is no image, but an artifact of type");
});

Deno.test("platforms that were not saved are not offered", async () => {
  const layout = manyPlatforms(true);
  const gone = { mediaType: MANIFEST, digest: `sha256:${"7".repeat(64)}`, size: 7 };
  const kept = image(layout, "kept", OTHER);
  layout.top(layout.index([on(gone, MACHINE), on(kept, OTHER), layout.index([on(gone, MACHINE)])]));
  assertEquals(await commands(layout), ["kept"]);
  await assertRejects(
    () => read(layout, platform(`linux/${MACHINE}`)),
    ImageError,
    `only for linux/${OTHER}`,
  );
});

Deno.test("indexes may be nested, and name one image again and again", async () => {
  const layout = new Layout();
  let index = layout.index([image(layout, "deep")]);
  for (let depth = 0; depth < 6; depth++) index = layout.index([index, index]);
  layout.top(called(index, "x/deep:1"));
  assertEquals(await commands(layout), ["deep"]);
});

Deno.test("one of several images can be chosen by its name", async () => {
  const layout = new Layout();
  layout.top(
    called(image(layout, "one"), "x/one:1"),
    called(image(layout, "two"), "2"),
    image(layout, "none"),
  );
  const chosen = async (reference: string) => {
    const write = (folder: string) => `oci:${layout.write(`${folder}/layout`)}:${reference}`;
    return (await readSource(write)).images.map(({ config }) => config.cmd[0]);
  };
  assertEquals(await chosen("x/one:1"), ["one"]);
  assertEquals(await chosen("2"), ["two"]);
  const error = await assertRejects(() => chosen("three"), ImageError, 'there is no image "three" in it');
  assertStringIncludes(error.message, "it holds x/one:1, 2");
});

/** Layouts that tell lies, or are of another kind. */
const GOOD = { layers: [LAYERS[0]!] };
const ZEROS = `sha256:${"0".repeat(64)}`;
type Make = (layout: Layout) => unknown;
const change = (layout: Layout, changes: Partial<Descriptor>) =>
  layout.top({ ...layout.image(GOOD), ...changes });
const replace = (layout: Layout, digest: string, bytes: Uint8Array) =>
  layout.files.set(`blobs/sha256/${digest.slice(7)}`, bytes);

/** An image of which one blob is another than its descriptor says, but as long. */
function swapped(
  layout: Layout,
  which: (manifest: { config: Descriptor; layers: Descriptor[] }) => Descriptor,
): void {
  const descriptor = layout.image(GOOD);
  layout.top(descriptor);
  const text = new TextDecoder().decode(layout.files.get(`blobs/sha256/${descriptor.digest.slice(7)}`));
  const { digest, size } = which(JSON.parse(text));
  replace(layout, digest, new Uint8Array(size).fill(32));
}

const REFUSED: [what: string, make: Make, why: string][] = [
  ["lists no images", (layout) => layout.top(), "its index.json lists no images"],
  [
    "has an index.json that is no index",
    (layout) => layout.json("index.json", {}),
    "it has no list of manifests",
  ],
  ["has an index.json that is a list", (layout) => layout.json("index.json", []), "it is not an object"],
  [
    "has manifests that are no list",
    (layout) => layout.json("index.json", { manifests: {} }),
    "manifests is not a list",
  ],
  [
    "has null for a manifest",
    (layout) => layout.json("index.json", { manifests: [null] }),
    "manifests[0] is not an object",
  ],
  [
    "has an index.json that says it is a manifest",
    (layout) => layout.json("index.json", { mediaType: MANIFEST, manifests: [] }),
    `its type is "${MANIFEST}"`,
  ],
  [
    "has another version",
    (layout) => change(layout.json("oci-layout", { imageLayoutVersion: "2.0.0" }), {}),
    '"2.0.0"',
  ],
  [
    "has a digest that is a path",
    (layout) => change(layout, { digest: "sha256:../../../etc/passwd" }),
    "no sha256 digest",
  ],
  [
    "has a digest of another kind",
    (layout) => change(layout, { digest: `sha512:${"0".repeat(128)}` }),
    "no sha256 digest",
  ],
  ["lacks a manifest", (layout) => change(layout, { digest: ZEROS }), "is missing from it"],
  ["has a negative size", (layout) => change(layout, { size: -1 }), "size is not a number of bytes"],
  ["has a manifest of a wrong size", (layout) => change(layout, { size: 5 }), "but should have 5"],
  [
    "has a manifest of a huge size",
    (layout) => change(layout, { size: 2 ** 52 }),
    "but should have 4503599627370496",
  ],
  [
    "has a manifest that is too large",
    (layout) => layout.top(layout.blob(MANIFEST, new Uint8Array((4 << 20) + 1).fill(32))),
    "has 4194305 bytes, more than 4194304",
  ],
  [
    "has a manifest that is not JSON",
    (layout) => layout.top(layout.blob(MANIFEST, new Uint8Array(5))),
    "it is not JSON",
  ],
  [
    "has a manifest that is not UTF-8",
    (layout) => layout.top(layout.blob(MANIFEST, Uint8Array.of(0xff))),
    "is not UTF-8",
  ],
  [
    "has a manifest that was changed",
    (layout) => {
      const descriptor = layout.image(GOOD);
      replace(layout, descriptor.digest, new Uint8Array(descriptor.size).fill(32));
      layout.top(descriptor);
    },
    "the digest of",
  ],
  ["has a config that was changed", (layout) => swapped(layout, ({ config }) => config), "the digest of"],
  [
    "has a layer that is longer than it should be",
    (layout) => {
      layout.top(layout.image(GOOD));
      replace(layout, `sha256:${sha256(LAYERS[0]!)}`, new Uint8Array(LAYERS[0]!.length + 1));
    },
    "but should have",
  ],
  [
    "lacks a layer",
    (layout) => {
      layout.top(layout.image(GOOD));
      layout.files.delete(`blobs/sha256/${sha256(LAYERS[0]!)}`);
    },
    "is missing from it",
  ],
  [
    "has fewer diff ids than layers",
    (layout) => layout.top(layout.image({ layers: LAYERS, diffIds: [ZEROS] })),
    "lists 2 layers",
  ],
  [
    "has more diff ids than layers",
    (layout) => layout.top(layout.image({ ...GOOD, diffIds: [ZEROS, ZEROS] })),
    "lists 1 layers",
  ],
  [
    "has a foreign layer",
    (layout) =>
      layout.top(
        layout.image({ ...GOOD, layerType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }),
      ),
    "it is a foreign layer, which is somewhere else",
  ],
  [
    "has a layer that may not be distributed",
    (layout) =>
      layout.top(
        layout.image({ ...GOOD, layerType: "application/vnd.oci.image.layer.nondistributable.v1.tar" }),
      ),
    "it may not be distributed",
  ],
  [
    "has an encrypted layer",
    (layout) =>
      layout.top(
        layout.image({ ...GOOD, layerType: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted" }),
      ),
    "it is encrypted",
  ],
  [
    "has a layer of a type that nobody knows",
    (layout) => layout.top(layout.image({ ...GOOD, layerType: "text/plain" })),
    'has the type "text/plain": dhow does not know that type',
  ],
  [
    "holds an artifact",
    (layout) => layout.top(layout.image({ ...GOOD, configType: "application/vnd.cncf.helm.config.v1+json" })),
    'no image, but an artifact of type "application/vnd.cncf.helm.config.v1+json"',
  ],
  [
    "holds an artifact of today's kind",
    (layout) => change(layout, { artifactType: "application/vnd.example.sbom" }),
    'it holds no image, but "application/vnd.example.sbom"',
  ],
  [
    "holds a manifest of docker's first version",
    (layout) => change(layout, { mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws" }),
    "manifest.v1+prettyjws",
  ],
  [
    "holds a manifest that says it is something else",
    (layout) => layout.top(layout.image({ ...GOOD, manifest: { mediaType: "text/plain" } })),
    'its type is "text/plain"',
  ],
  [
    "holds a manifest that is an index, too",
    (layout) => layout.top(layout.image({ ...GOOD, manifest: { manifests: [] } })),
    "an index and a manifest at once",
  ],
  [
    "holds an index that is a manifest, too",
    (layout) => layout.json("index.json", { manifests: [layout.image(GOOD)], layers: [] }),
    "an index and a manifest at once",
  ],
  [
    "holds a manifest without a config",
    (layout) => layout.top(layout.image({ ...GOOD, manifest: { config: null } })),
    "no config",
  ],
  ["is for another system", (layout) => layout.top(layout.image({ ...GOOD, os: "windows" })), '"windows"'],
  [
    "has a platform that is no text",
    (layout) => layout.json("index.json", { manifests: [{ ...layout.image(GOOD), platform: { os: 1 } }] }),
    "manifests[0].platform.os is not a string",
  ],
  [
    "has indexes in indexes without an end",
    (layout) => {
      let index = layout.index([layout.image(GOOD)]);
      for (let depth = 0; depth < 20; depth++) index = layout.index([index]);
      layout.top(index);
    },
    "nested more than 8 deep",
  ],
  [
    "has an index that is in itself",
    (layout) => layout.top({ mediaType: "application/vnd.oci.image.index.v1+json", digest: ZEROS, size: 9 }),
    "is missing from it",
  ],
  [
    "has indexes that double what they list, again and again",
    (layout) => {
      let index = layout.index(Array.from({ length: 100 }, () => on(layout.image(GOOD), MACHINE)));
      for (let depth = 0; depth < 7; depth++) index = layout.index([index, index, index]);
      layout.top(index);
    },
    "list more than 4096 manifests",
  ],
  [
    "has 100,000 manifests",
    (layout) => {
      const descriptors = Array.from({ length: 10_000 }, () => on(layout.image(GOOD), MACHINE));
      layout.top(...Array.from({ length: 10 }, () => layout.index(descriptors)));
    },
    "list more than 4096 manifests",
  ],
];

for (const [what, make, why] of REFUSED) {
  for (const [index, kind] of ["archive", "folder"].entries()) {
    Deno.test(`a layout is refused, as ${kind}, that ${what}`, async () => {
      const layout = new Layout();
      make(layout);
      const error = await assertRejects(() => readSource(ways(layout)[index]!), ImageError);
      assertStringIncludes(error.message, why);
      assertStringIncludes(error.message, kind === "archive" ? "image.tar" : "layout");
    });
  }
}

Deno.test("manifests and configs that are large, and many, are refused before they fill the memory", async () => {
  const layout = new Layout();
  const padding = "x".repeat(3 << 20);
  const configs = Array.from(
    { length: 25 },
    (_, index) => layout.image({ ...GOOD, config: { Labels: { index, padding } } }),
  );
  layout.top(...configs.map((descriptor, index) => called(descriptor, `x/app:${index}`)));
  await assertRejects(
    () => readSource(asFile(layout.archive())),
    ImageError,
    "more than 67108864 bytes together",
  );
});

Deno.test("an image's config is what its descriptor says, though another lies beside it", async () => {
  const layout = new Layout();
  layout.top(layout.image({ ...GOOD, config: { Cmd: ["true"] } }));
  layout.blob(CONFIG, { os: "linux", architecture: MACHINE, rootfs: { diff_ids: [ZEROS] } });
  assertEquals(await commands(layout), ["true"]);
});
