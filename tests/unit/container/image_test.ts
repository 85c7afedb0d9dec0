import { assertEquals, assertThrows } from "@std/assert";
import { onlyImage } from "../../../src/container/image.ts";
import { ImageError } from "../../../src/errors.ts";
import type { ImageSource, SourceImage } from "../../../src/image/source/source.ts";

function sourceOf(...images: Pick<SourceImage, "id" | "tags">[]): ImageSource {
  return { label: "x", images: images as SourceImage[], [Symbol.dispose]: () => {} };
}

const image = (id: string, ...tags: string[]) => ({ id: `sha256:${id}`, tags });

Deno.test("of an archive of one image that one is run, whatever it is called", () => {
  for (const only of [image("1"), image("1", "a:1", "b:1")]) {
    assertEquals(onlyImage(sourceOf(only), "./x.tar").id, "sha256:1");
  }
});

Deno.test("of an archive of several, the error lists what there is to choose from", () => {
  const several = sourceOf(image("1", "a:1", "b:1"), image("2"));
  assertThrows(
    () => onlyImage(several, "./x.tar"),
    ImageError,
    'cannot run "./x.tar": it holds 2 images (a:1, sha256:2); load them with: dhow load -i ./x.tar, and run one by its name or id',
  );
});

Deno.test("of an archive of thousands, the error lists the first", () => {
  const many = sourceOf(...Array.from({ length: 4096 }, (_, index) => image(`${index}`, `a:${index}`)));
  assertThrows(() => onlyImage(many, "x"), ImageError, "it holds 4096 images (a:0, a:1, ");
  const { message } = assertThrows(() => onlyImage(many, "x"), ImageError);
  assertEquals(message.length < 300, true, message);
});
