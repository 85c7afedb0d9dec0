// Sizes that no number holds exactly, and what they would do to the list of images.
import { assertEquals } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { archive } from "../support/image.ts";
import { eachStorage } from "../support/store.ts";
import { tar } from "../support/tar.ts";

const hole = (path: string, size: number) => ({
  path,
  pax: { "GNU.sparse.size": `${size}`, "GNU.sparse.map": "" },
});

eachStorage(
  "holes of more bytes than a number holds are refused, and images can be listed",
  async (store) => {
    const most = Number.MAX_SAFE_INTEGER;
    const inOne = tar([hole("a", most), hole("b", most)]);
    const [lower, upper] = [tar([hole("a", most)]), tar([hole("b", most)])];
    for (const layers of [[inOne], [lower, upper], [lower, lower]]) {
      const path = store.write("image.tar", archive({ layers }));
      // unpacked, the file system refuses such a file before
      assertFailure(await store.dhow("load", "-q", "-i", path), 1, /bytes|too large|invalid argument/);
      assertEquals(store.layerFiles(), []);
      const { code, stdout, stderr } = await store.dhow("images", "-q");
      assertEquals([code, stdout, stderr], [0, "", ""]);
    }
  },
);
