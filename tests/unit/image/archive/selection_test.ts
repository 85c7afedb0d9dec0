import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { type ImageIndex, type NamedImage, selectImages } from "../../../../src/image/archive/selection.ts";
import { formatImageName, readImageName } from "../../../../src/image/reference.ts";

const ONE = { id: `sha256:${"1".repeat(64)}`, tags: ["box:1", "box:latest", "example.com:5000/a/b:x"] };
const TWO = { id: `sha256:${"2".repeat(64)}`, tags: ["box:2"] };
const NAMELESS = { id: `sha256:${"3".repeat(64)}`, tags: [] };
const IMAGES: readonly NamedImage[] = [TWO, ONE, NAMELESS];

const INDEX: ImageIndex<NamedImage> = {
  list: () => IMAGES,
  find(name) {
    const byId = IMAGES.find(({ id }) => id.startsWith(name) || id.startsWith(`sha256:${name}`));
    const parsed = readImageName(name);
    return byId ?? IMAGES.find(({ tags }) => parsed !== undefined && tags.includes(formatImageName(parsed)));
  },
};

const select = (...names: string[]) => selectImages(names, INDEX).map(({ image, tags }) => [image, ...tags]);

for (
  const [what, names, expected] of [
    ["a tag means that name alone", ["box:1"], [[ONE, "box:1"]]],
    ["a repository means all of its tags, in their order", ["box"], [[ONE, "box:1", "box:latest"], [
      TWO,
      "box:2",
    ]]],
    ["a port is no tag", ["example.com:5000/a/b"], [[ONE, "example.com:5000/a/b:x"]]],
    ["an id means the image without a name", [ONE.id, "222"], [[ONE], [TWO]]],
    ["images come in the order of their names, each once", ["box:2", "333", "box:1", "box:2", "box:latest"], [
      [TWO, "box:2"],
      [NAMELESS],
      [ONE, "box:1", "box:latest"],
    ]],
    ["an id takes no name away", ["box:1", ONE.id], [[ONE, "box:1"]]],
  ] as [string, string[], unknown[][]][]
) {
  Deno.test(what, () => {
    assertEquals(select(...names), expected as ReturnType<typeof select>);
  });
}

Deno.test("a name that is none of an image is refused", () => {
  for (const name of ["missing", "box:3", "sha256:4"]) {
    const error = assertThrows(() => select("box", name), ImageError, "there is no image of that name or id");
    assertEquals(error.message.startsWith(`cannot save "${name}": `), true);
  }
});
