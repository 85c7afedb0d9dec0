import { assertEquals } from "@std/assert";
import { ImageCatalog } from "../../../../src/image/store/catalog.ts";
import { ImageStore } from "../../../../src/image/store/store.ts";
import { Database } from "../../../../src/state/database.ts";
import { pathsUnder } from "../../../../src/state/paths.ts";

const DIFF_ID = `sha256:${"0".repeat(64)}`;
const CONFIG = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { diff_ids: [DIFF_ID] } });

Deno.test("a layer that is not there is damage, unless its image was removed meanwhile", async () => {
  const folder = Deno.makeTempDirSync();
  const paths = pathsUnder(folder);
  const database = Database.open(paths);
  try {
    database.run("INSERT INTO images (id, config, size) VALUES ('sha256:a', ?, 1)", CONFIG);
    const describe = () => Promise.resolve(undefined);
    const catalog = new ImageCatalog(new ImageStore(paths, database, { storage: "unpacked", describe }));
    const image = catalog.list()[0]!;
    const lost = [{ diffId: DIFF_ID, ok: false, found: undefined }];
    assertEquals(await Array.fromAsync(catalog.verify(image)), lost);
    database.run("DELETE FROM images");
    assertEquals(await Array.fromAsync(catalog.verify(image)), []);
  } finally {
    database.close();
    Deno.removeSync(folder, { recursive: true });
  }
});
