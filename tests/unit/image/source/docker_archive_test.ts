import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { archive, type ImageOptions, sha256 } from "../../../support/image.ts";
import { asFile, type Options, readSource } from "../../../support/source.ts";
import { tar, type TarEntry } from "../../../support/tar.ts";

const read = (content: Uint8Array, options?: Options) => readSource(asFile(content), options);

const LAYERS = [tar([{ path: "a", content: "1" }]), tar([{ path: "b", content: "22" }])];
const OPTIONS: ImageOptions = { layers: LAYERS, tags: ["box:1", "box:latest"], config: { Cmd: ["sh"] } };

for (const layout of ["legacy", "oci"] as const) {
  Deno.test(`an archive in docker's ${layout} layout is read`, async () => {
    const { images: [image, ...others], contents } = await read(archive({ ...OPTIONS, layout }));
    assertEquals(others, []);
    assertEquals(image!.tags, ["box:1", "box:latest"]);
    assertEquals(image!.config.cmd, ["sh"]);
    assertEquals(image!.id, `sha256:${sha256(new TextEncoder().encode(image!.configText))}`);
    assertEquals(image!.layers.map(({ diffId }) => diffId), LAYERS.map((layer) => `sha256:${sha256(layer)}`));
    assertEquals(contents, [LAYERS]);
  });
}

/** The entries of an archive with one image and one layer, made by hand. */
function parts({ manifest = {}, config = {} }: { manifest?: unknown; config?: unknown } = {}) {
  const document = {
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(LAYERS[0]!)}`] },
    ...config as Record<string, unknown>,
  };
  return {
    config: { path: "config.json", content: JSON.stringify(document) },
    layer: { path: "1/layer.tar", content: LAYERS[0]! },
    manifest: {
      path: "manifest.json",
      content: JSON.stringify([
        {
          Config: "config.json",
          RepoTags: null,
          Layers: ["1/layer.tar"],
          ...manifest as Record<string, unknown>,
        },
      ]),
    },
  };
}

Deno.test("several images in one archive are all read", async () => {
  const { config, layer } = parts();
  const item = (tag: string) => ({ Config: "config.json", RepoTags: [tag], Layers: ["1/layer.tar"] });
  const manifest = { path: "manifest.json", content: JSON.stringify([item("a:1"), item("b")]) };
  assertEquals((await read(tar([config, layer, manifest]))).images.map(({ tags }) => tags), [["a:1"], [
    "b:latest",
  ]]);
});

for (
  const [what, links] of [
    ["a symlink to another folder", [{ path: "2/layer.tar", type: "symlink", target: "../1/layer.tar" }]],
    ["a hard link", [{ path: "2/layer.tar", type: "hardlink", target: "1/layer.tar" }]],
    ["a link to a link", [
      { path: "2/layer.tar", type: "symlink", target: "../3/layer.tar" },
      { path: "3/layer.tar", type: "hardlink", target: "./1/layer.tar" },
    ]],
  ] as [string, TarEntry[]][]
) {
  Deno.test(`a layer may be ${what} in the archive`, async () => {
    const { config, layer, manifest } = parts({ manifest: { Layers: ["2/layer.tar"] } });
    assertEquals((await read(tar([config, layer, ...links, manifest]))).contents, [[LAYERS[0]!]]);
  });
}

Deno.test("of two entries with one name the later counts", async () => {
  const { config, layer, manifest } = parts();
  const { contents } = await read(tar([config, { path: "./1/layer.tar", content: "old" }, layer, manifest]));
  assertEquals(contents, [[LAYERS[0]!]]);
});

/** Something with such first bytes. */
function startingWith(magic: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(1000).fill(1);
  bytes.set(magic);
  return bytes;
}

const { config, layer, manifest } = parts();
const changed = (change: unknown) => tar([config, layer, parts({ manifest: change }).manifest]);
const REFUSED: [what: string, archive: Uint8Array, why: string][] = [
  ["is empty", new Uint8Array(), "it is empty"],
  ["is not a tar", new TextEncoder().encode("text".repeat(1000)), "it is not a tar archive"],
  ["is cut", archive(OPTIONS).subarray(0, 5000), "truncated"],
  [
    "is a tar of something else",
    tar([{ path: "etc/passwd" }]),
    "it is not an image: there is no manifest.json and no index.json in it; make one with: docker save -o FILE IMAGE; " +
    "or of a tar of a file system, with: dhow import FILE NAME",
  ],
  ["is compressed with xz", startingWith([0xfd, 0x37, 0x7a, 0x58, 0x5a]), "uncompress it first, with: unxz"],
  ["is compressed with bzip2", startingWith([0x42, 0x5a, 0x68]), "uncompress it first, with: bunzip2"],
  ["is older than docker 1.10", tar([{ path: "repositories", content: "{}" }]), "before version 1.10"],
  [
    "has a manifest that is not JSON",
    tar([{ path: "manifest.json", content: "{" }]),
    "manifest.json is not JSON",
  ],
  ["has a manifest that is no list", tar([{ path: "manifest.json", content: "{}" }]), "not a list of images"],
  ["has no image", tar([{ path: "manifest.json", content: "[]" }]), "not a list of images"],
  ["has null for an image", tar([{ path: "manifest.json", content: "[null]" }]), "without a Config"],
  ["has an image without a config", changed({ Config: null }), "without a Config"],
  ["has an image without layers", changed({ Layers: "x" }), "without a list of Layers"],
  ["has names that are none", changed({ RepoTags: [1] }), "RepoTags"],
  [
    "has a name that is not valid",
    changed({ RepoTags: ["../x:1"] }),
    'calls an image "../x:1", which is not',
  ],
  [
    "has a name with a digest",
    changed({ RepoTags: [`x@sha256:${"0".repeat(64)}`] }),
    "not a valid reference",
  ],
  ["lacks a layer", tar([config, manifest]), 'manifest.json names "1/layer.tar", which is no file in it'],
  ["lacks the config", tar([layer, manifest]), 'manifest.json names "config.json", which is no file in it'],
  ["has more layers than its config", changed({ Layers: ["1/layer.tar", "1/layer.tar"] }), "lists 2 layers"],
  ["names a folder as a layer", changed({ Layers: ["."] }), "which is no file in it"],
  ["names a file of the host", changed({ Layers: ["/etc/passwd"] }), "which is no file in it"],
  ["names something outside", changed({ Layers: ["../../etc/passwd"] }), "which is no file in it"],
  [
    "has a layer that is a link out of it",
    tar([config, { path: "1/layer.tar", type: "symlink", target: "/etc/passwd" }, manifest]),
    "which is no file in it",
  ],
  [
    "has a layer that is a link to itself",
    tar([config, { path: "1/layer.tar", type: "symlink", target: "layer.tar" }, manifest]),
    "which is no file in it",
  ],
  [
    "has a huge manifest",
    tar([{ path: "manifest.json", content: " ".repeat((4 << 20) + 1) }]),
    "more than 4194304",
  ],
  [
    "has a config that is not UTF-8",
    tar([{ ...config, content: Uint8Array.of(0xff) }, layer, manifest]),
    "not UTF-8",
  ],
];

for (const [what, content, why] of REFUSED) {
  Deno.test(`an archive is refused that ${what}`, async () => {
    const error = await assertRejects(() => read(content), ImageError);
    assertStringIncludes(error.message, why);
    if (!why.includes("reference")) assertStringIncludes(error.message, "image.tar");
  });
}
