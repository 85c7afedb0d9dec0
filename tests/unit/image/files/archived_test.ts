import { assertEquals, assertRejects } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { archivedFiles } from "../../../../src/image/files/archived.ts";
import type { ImageFiles } from "../../../../src/image/files/merged.ts";
import { archive, type ImageOptions } from "../../../support/image.ts";
import { LAYERED, PATHS } from "../../../support/layered.ts";
import { asFile, withSource } from "../../../support/source.ts";

async function withFiles(options: ImageOptions, work: (files: ImageFiles) => Promise<void>): Promise<void> {
  await withSource(
    asFile(archive(options)),
    {},
    ({ images }) => work(archivedFiles(images[0]!.layers.map((blob) => ({ blob })))),
  );
}

for (const gzip of [false, true]) {
  Deno.test(`files of an archive with ${gzip ? "gzip" : "plain"} layers are what a container would see`, async () => {
    await withFiles({ layers: LAYERED, gzip }, async (files) => {
      for (const [path, expected] of PATHS) {
        const bytes = await files.read(path, 1000);
        assertEquals([path, bytes && new TextDecoder().decode(bytes)], [path, expected]);
      }
    });
  });
}

Deno.test("a file that is larger than the limit is refused, not read", async () => {
  await withFiles({ layers: [[{ path: "etc/passwd", content: "12345" }]] }, async (files) => {
    assertEquals((await files.read("/etc/passwd", 5))?.length, 5);
    await assertRejects(() => files.read("/etc/passwd", 4), ImageError, "it has 5 bytes, more than 4");
  });
});

Deno.test("a layer that is no tar is refused when a file is looked for in it", async () => {
  await withFiles({ layers: [new Uint8Array(2000).fill(1)] }, async (files) => {
    await assertRejects(() => files.read("/etc/passwd", 1000), ImageError, "cannot read layer");
  });
});

Deno.test("a layer that nobody has to ask is not read", async () => {
  await withFiles(
    { layers: [new Uint8Array(2000).fill(1), [{ path: "etc/.wh..wh..opq" }]] },
    async (files) => {
      assertEquals(await files.read("/etc/passwd", 1000), undefined);
    },
  );
});
