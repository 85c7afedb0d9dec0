import { assertEquals } from "@std/assert";
import { verifyImages } from "../../../../src/cli/image/verify.ts";
import type { CheckedLayer } from "../../../../src/image/store/verify.ts";
import { ImageError } from "../../../../src/errors.ts";
import { id, type Sample, sample } from "./sample.ts";

const good: CheckedLayer = { diffId: id("1"), ok: true, found: id("1") };
const damaged: CheckedLayer = { diffId: id("2"), ok: false, found: id("3") };
const gone: CheckedLayer = { diffId: id("4"), ok: false, found: undefined };
const IMAGES = [sample("a", { tags: ["box:latest"] }), sample("b")];

async function verify(layers: Record<string, readonly CheckedLayer[]>, ...names: string[]) {
  let text = "";
  const images = {
    list: () => IMAGES,
    get(name: string): Sample {
      const found = IMAGES.find(({ tags }) => tags.includes(name));
      if (found === undefined) throw new ImageError({ what: "No such image", why: name });
      return found;
    },
    async *verify(image: Sample) {
      yield* layers[image.id.at(-1)!] ?? [];
    },
  };
  const code = await verifyImages(images, names, (line) => text += line);
  return { code, text };
}

Deno.test("each layer of each image is told to be well or damaged", async () => {
  assertEquals(await verify({ a: [good], b: [damaged, gone, good] }), {
    code: 1,
    text: `box:latest\n  ${id("1")} ok\n${id("b")}\n  ${id("2")} damaged: is ${id("3")}\n` +
      `  ${id("4")} damaged: cannot be read\n  ${id("1")} ok\n`,
  });
});

Deno.test("only what is named is verified, and layers that are well are no failure", async () => {
  assertEquals(await verify({ a: [good], b: [damaged] }, "box:latest"), {
    code: 0,
    text: `box:latest\n  ${id("1")} ok\n`,
  });
});

Deno.test("a name that is not there is an error before anything is read", async () => {
  let said = "";
  await verify({ a: [good] }, "box:latest", "nope").catch((error) => said = error.message);
  assertEquals(said, "No such image: nope");
});
