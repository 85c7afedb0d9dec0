import { assert, assertEquals, assertRejects } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { sha256 } from "../../../../src/image/digest.ts";
import { parsePlatform } from "../../../../src/image/platform.ts";
import { QUIET } from "../../../../src/image/progress.ts";
import { parseImageName } from "../../../../src/image/reference.ts";
import { MEDIA_TYPES } from "../../../../src/image/registry/manifest.ts";
import { openRemoteImage, type RemoteImage } from "../../../../src/image/registry/remote_image.ts";
import { readAt } from "../../../../src/image/read_at.ts";
import { type Answer, digestOf, DOMAIN, openRegistry } from "./fake.ts";

sha256(); // loads a library, which then is not the first test's

type Json = Readonly<Record<string, unknown>>;

const encoder = new TextEncoder();

/** A registry's content, made by hand: each document is put under its digest. */
class Content {
  readonly answers: Record<string, Answer> = {};

  blob(content: string): { digest: string; size: number } {
    const digest = digestOf(content);
    this.answers[`team/app/blobs/${digest}`] = () => new Response(content);
    return { digest, size: encoder.encode(content).length };
  }

  manifest(document: Json, tag?: string): { mediaType: string; digest: string; size: number } {
    const text = JSON.stringify(document);
    const mediaType = document.mediaType as string;
    const answer = () => new Response(text, { headers: { "content-type": mediaType } });
    for (const name of [digestOf(text), ...(tag === undefined ? [] : [tag])]) {
      this.answers[`team/app/manifests/${name}`] = answer;
    }
    return { mediaType, digest: digestOf(text), size: text.length };
  }

  /** An image of layers with these texts. @param change overrides members of the manifest */
  image(layers: readonly string[], tag?: string, change: Json = {}, config: Json = {}) {
    const document = {
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: layers.map((_, index) => diffId(index)) },
      ...config,
    };
    return this.manifest({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, ...this.blob(JSON.stringify(document)) },
      layers: layers.map((text) => ({ mediaType: MEDIA_TYPES.ociLayer, ...this.blob(text) })),
      ...change,
    }, tag);
  }

  index(manifests: readonly Json[], tag?: string) {
    return this.manifest({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }, tag);
  }
}

function diffId(index: number): string {
  return `sha256:${String(index).padStart(64, "0")}`;
}

interface Options {
  readonly name?: string;
  readonly platform?: string;
  readonly stored?: readonly string[];
}

/** Opens an image, and does something with it. */
async function withImage<T>(
  { answers }: Content,
  work: (image: RemoteImage) => T | Promise<T>,
  { name = "latest", platform, stored = [] }: Options = {},
): Promise<T> {
  const network = openRegistry(answers);
  const registry = await network.connect();
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  try {
    await using image = await openRemoteImage({
      registry,
      name: parseImageName(`${DOMAIN}/team/app${name.includes(":") ? "@" : ":"}${name}`),
      platform: platform === undefined ? undefined : parsePlatform(platform),
      folder,
      isStored: (diffId) => stored.includes(diffId),
      progress: QUIET,
      signal: network.controller.signal,
    });
    return await work(image);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function refused(content: Content, said: string, options?: Options): Promise<Error> {
  return assertRejects(() => withImage(content, () => {}, options), ImageError, said);
}

async function textOf(image: RemoteImage, layer: number): Promise<string> {
  const { file, offset, size } = await image.images[0].layers[layer]!.range();
  const bytes = new Uint8Array(size);
  readAt(file, offset, bytes);
  return new TextDecoder().decode(bytes);
}

Deno.test("an image of a registry has its manifest, its config and its layers, which are fetched when wanted", async () => {
  const content = new Content();
  const { digest } = content.image(["one", "two"], "latest");
  await withImage(content, async (image) => {
    const [{ tags, manifest, layers, config }] = image.images;
    assertEquals([image.digest, manifest!.digest, manifest!.mediaType], [
      digest,
      digest,
      MEDIA_TYPES.ociManifest,
    ]);
    assertEquals(tags, [`${DOMAIN}/team/app:latest`]);
    assertEquals(config.architecture, "amd64");
    assertEquals(layers.map(({ name, diffId, size }) => [name, diffId, size]), [
      [digestOf("one"), diffId(0), 3],
      [digestOf("two"), diffId(1), 3],
    ]);
    assertEquals([await textOf(image, 1), await textOf(image, 0), await textOf(image, 1)], [
      "two",
      "one",
      "two",
    ]);
  });
});

Deno.test("an image that is named by its digest gets no tag", async () => {
  const content = new Content();
  const { digest } = content.image(["one"]);
  await withImage(content, ({ images }) => assertEquals(images[0].tags, []), { name: digest });
});

for (
  const [platform, expected] of [
    ["linux/amd64", 0],
    ["linux/x86_64", 0],
    ["linux/arm64", 1],
    ["linux/arm64/v8", 1],
    ["linux/arm/v7", 3],
    ["linux/arm", 3],
    ["linux/arm/v6", 2],
    ["linux/arm/v8", 3],
    ["linux/s390x", undefined],
    ["linux/arm/v5", undefined],
    ["windows/amd64", undefined],
  ] as const
) {
  Deno.test(`of an index, ${platform} is ${expected === undefined ? "refused" : `variant ${expected}`}`, async () => {
    const content = new Content();
    const architectures = [["amd64"], ["arm64", "v8"], ["arm", "v6"], ["arm", "v7"]] as const;
    const variants = architectures.map(([architecture, variant]) => ({
      ...content.image([`for ${architecture} ${variant}`], undefined, {}, { architecture, variant }),
      platform: { os: "linux", architecture, ...(variant === undefined ? {} : { variant }) },
    }));
    const attestation = { ...variants[0]!, platform: { os: "unknown", architecture: "unknown" } };
    const { digest } = content.index([attestation, ...variants], "latest");
    if (expected === undefined) {
      const { message } = await refused(content, "only for linux/amd64, linux/arm64/v8, linux/arm/v6", {
        platform,
      });
      assert(!message.includes("unknown"));
      return;
    }
    await withImage(content, (image) => {
      assertEquals(image.digest, digest);
      assertEquals(image.images[0].manifest!.digest, variants[expected]!.digest);
    }, { platform });
  });
}

Deno.test("an index within an index is followed, but not for ever", async () => {
  const content = new Content();
  let inner: Json = content.image(["one"]);
  for (let depth = 0; depth < 4; depth++) inner = content.index([inner], depth === 3 ? "latest" : undefined);
  await withImage(content, ({ images }) => assertEquals(images[0].layers.length, 1));
  content.index([inner], "deep");
  await refused(content, "an index in more than 4 others", { name: "deep" });
});

Deno.test("an index of what is for no platform is told as that: an artifact, or what a builder keeps for itself", async () => {
  const content = new Content();
  const cache = [content.image(["one"]), content.image(["two"])];
  content.index(cache, "latest");
  await refused(content, "it is an index that names no image for any platform");
});

Deno.test("an image for another platform than was asked for is refused", async () => {
  const content = new Content();
  content.image(["one"], "latest", {}, { architecture: "s390x" });
  await refused(content, "it is for linux/s390x, not for linux/arm64", { platform: "linux/arm64" });
  // nobody asked: it can be kept, if not run
  await withImage(content, ({ images }) => assertEquals(images[0].config.architecture, "s390x"));
});

Deno.test("an index that lies about the type of what it lists is refused", async () => {
  const content = new Content();
  content.index([{ ...content.image(["one"]), mediaType: MEDIA_TYPES.dockerManifest }], "latest");
  await refused(content, "says that it is application/vnd.docker");
});

const ONE = { digest: digestOf("one"), size: 3 };

for (
  const [what, change, said] of [
    ["with a foreign layer of docker's", {
      layers: [{
        mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ...ONE,
        urls: ["https://x/"],
      }],
    }, "foreign"],
    ["with a layer that may not be distributed", {
      layers: [{ mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", ...ONE }],
    }, "nondistributable"],
    ["with an encrypted layer", {
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", ...ONE }],
    }, "encrypted"],
    ["that is a chart", {
      config: { mediaType: "application/vnd.cncf.helm.config.v1+json", ...ONE },
    }, "application/vnd.cncf.helm.config.v1+json"],
    ["with more layers than its config has", {
      layers: [1, 2].map(() => ({ mediaType: MEDIA_TYPES.ociLayer, ...ONE })),
    }, "lists 2 layers, its config 1"],
    ["with a layer of a negative size", {
      layers: [{ mediaType: MEDIA_TYPES.ociLayer, ...ONE, size: -1 }],
    }, "number of bytes"],
    ["with a layer whose digest leads out", {
      layers: [{ mediaType: MEDIA_TYPES.ociLayer, digest: "sha256:../../x", size: 3 }],
    }, "no sha256 digest"],
    ["that is an index as well", { manifests: [] }, "at once"],
  ] as const
) {
  Deno.test(`an image ${what} is refused`, async () => {
    const content = new Content();
    content.image(["one"], "latest", change);
    await refused(content, said);
  });
}

Deno.test("the first layer that is wanted brings the others that the store lacks, three at once", async () => {
  const content = new Content();
  const texts = ["0", "1", "2", "3", "4", "5", "6"];
  content.image(texts, "latest");
  const begun: string[] = [];
  const gate = Promise.withResolvers<void>();
  const three = Promise.withResolvers<void>();
  for (const text of texts) {
    content.answers[`team/app/blobs/${digestOf(text)}`] = async () => {
      begun.push(text);
      if (begun.length === 3) three.resolve();
      await gate.promise;
      return new Response(text);
    };
  }
  await withImage(content, async (image) => {
    const first = textOf(image, 0);
    await three.promise;
    assertEquals(begun, ["0", "2", "3"]);
    gate.resolve();
    assertEquals(await first, "0");
    for (const layer of [2, 3, 4, 6]) assertEquals(await textOf(image, layer), texts[layer]);
    assertEquals(begun, ["0", "2", "3", "4", "6"]);
    // one that the store has lost since then
    assertEquals(await textOf(image, 1), "1");
  }, { stored: [diffId(1), diffId(5)] });
});

Deno.test("a layer that occurs twice is fetched once", async () => {
  const content = new Content();
  content.image(["same", "same"], "latest");
  let fetched = 0;
  content.answers[`team/app/blobs/${digestOf("same")}`] = () => {
    fetched++;
    return new Response("same");
  };
  await withImage(content, async (image) => {
    assertEquals([await textOf(image, 0), await textOf(image, 1)], ["same", "same"]);
  });
  assertEquals(fetched, 1);
});

Deno.test("an image that is closed breaks its downloads off", async () => {
  const content = new Content();
  content.image(["one"], "latest");
  const asked = Promise.withResolvers<void>();
  let isBrokenOff = false;
  content.answers[`team/app/blobs/${digestOf("one")}`] = ({ signal }) => {
    asked.resolve();
    return new Promise((_, reject) => {
      signal!.addEventListener("abort", () => {
        isBrokenOff = true;
        reject(signal!.reason);
      });
    });
  };
  await withImage(content, async (image) => {
    image.images[0].layers[0]!.range().catch(() => {});
    await asked.promise;
  });
  assert(isBrokenOff);
});

Deno.test("who waits for a layer can break its download off", async () => {
  const content = new Content();
  content.image(["one"], "latest");
  const controller = new AbortController();
  content.answers[`team/app/blobs/${digestOf("one")}`] = ({ signal }) => {
    return new Promise((_, reject) => {
      signal!.addEventListener("abort", () => reject(signal!.reason));
      controller.abort(new Error("interrupted"));
    });
  };
  await withImage(content, async (image) => {
    await assertRejects(() => image.images[0].layers[0]!.range(controller.signal), Error, "interrupted");
  });
});
