import { assertEquals, assertRejects } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { parsePlatform } from "../../../../src/image/platform.ts";
import { CONFIG, type Descriptor, INDEX, LAYER, Layout, MACHINE, on } from "../../../support/layout.ts";
import { sha256 } from "../../../support/image.ts";
import { type Options, readSource } from "../../../support/source.ts";
import { tar } from "../../../support/tar.ts";

const TAR = tar([{ path: "a", content: "1" }]);
const OTHER = MACHINE === "amd64" ? "arm64" : "amd64";

/** Turns an image of a layout into what skopeo's `dir:` would have of it. */
function folderOf(layout: Layout, manifest: Descriptor, folder: string): string {
  Deno.mkdirSync(folder);
  for (const [path, bytes] of layout.files) {
    const hex = /^blobs\/sha256\/(\w+)$/.exec(path)?.[1];
    if (hex === undefined) continue;
    const isManifest = layout.types.get(hex)?.includes("manifest") === true;
    const isTop = manifest.digest === `sha256:${hex}`;
    const name = isTop ? "manifest.json" : isManifest ? `${hex}.manifest.json` : hex;
    Deno.writeFileSync(`${folder}/${name}`, bytes);
  }
  Deno.writeTextFileSync(`${folder}/version`, "Directory Transport Version: 1.1\n");
  return folder;
}

function read(layout: Layout, manifest: Descriptor, options?: Options, prefix = "") {
  return readSource((folder) => prefix + folderOf(layout, manifest, `${folder}/dir`), options);
}

Deno.test("a folder of skopeo's is read, as it is and with its transport", async () => {
  const layout = new Layout();
  const manifest = layout.image({ layers: [TAR], config: { Cmd: ["sh"] } });
  for (const prefix of ["", "dir:"]) {
    const { images: [image, ...others], contents } = await read(layout, manifest, {}, prefix);
    assertEquals(others, []);
    assertEquals([image!.tags, image!.config.cmd], [[], ["sh"]]);
    assertEquals(image!.manifest?.digest, manifest.digest);
    assertEquals(image!.layers.map(({ name }) => name), [sha256(TAR)]);
    assertEquals(contents, [[TAR]]);
  }
});

Deno.test("of a folder with several platforms one is chosen", async () => {
  const layout = new Layout();
  const image = (architecture: string) =>
    on(layout.image({ layers: [TAR], architecture, config: { Cmd: [architecture] } }), architecture);
  const index = layout.index([image(OTHER), image(MACHINE)]);
  const chosen = async (options?: Options) => (await read(layout, index, options)).images[0]!.config.cmd;
  assertEquals(await chosen(), [MACHINE]);
  assertEquals(await chosen({ platform: parsePlatform(`linux/${OTHER}`) }), [OTHER]);
  await assertRejects(
    () => chosen({ platform: parsePlatform("linux/s390x") }),
    ImageError,
    "no image for linux/s390x",
  );
});

Deno.test("of a folder with a single platform no other can be chosen", async () => {
  const layout = new Layout();
  const manifest = layout.image({ layers: [TAR] });
  const options = { platform: parsePlatform("linux/s390x") };
  await assertRejects(() => read(layout, manifest, options), ImageError, "no image for linux/s390x");
});

const GOOD = { layers: [TAR] };
const REFUSED: [what: string, make: (layout: Layout) => Descriptor, why: string][] = [
  ["has a list for a manifest", (layout) => layout.blob(INDEX, []), "it is not an object"],
  ["has an empty manifest", (layout) => layout.blob(INDEX, {}), "it has no config"],
  [
    "lacks a layer",
    (layout) => {
      const manifest = layout.image(GOOD);
      layout.files.delete(`blobs/sha256/${sha256(TAR)}`);
      return manifest;
    },
    "is missing from it",
  ],
  [
    "has a config that was changed",
    (layout) => {
      const config = layout.blob(CONFIG, { os: "linux" });
      layout.files.set(`blobs/sha256/${config.digest.slice(7)}`, new Uint8Array(config.size).fill(32));
      return layout.blob(INDEX, { schemaVersion: 2, config, layers: [layout.blob(LAYER, TAR)] });
    },
    "the digest of",
  ],
  [
    "has a manifest of docker's first version",
    (layout) =>
      layout.blob(INDEX, {
        schemaVersion: 1,
        mediaType: "application/vnd.docker.distribution.manifest.v1+json",
      }),
    "it has no config",
  ],
];

for (const [what, make, why] of REFUSED) {
  Deno.test(`a folder of skopeo's is refused that ${what}`, async () => {
    const layout = new Layout();
    const manifest = make(layout);
    await assertRejects(() => read(layout, manifest), ImageError, why);
  });
}
