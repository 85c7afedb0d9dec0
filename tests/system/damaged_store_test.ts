// What somebody else has removed from the store, or changed in it: image verify finds it, and save says what it is.
import { assertEquals } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { eachStorage, type Store, storeTest } from "../support/store.ts";

const LARGE = "x".repeat(20_000);

/** Loads an image whose one layer has a large file in a folder. Returns the layer's folder, or its tar. */
async function layerOf(store: Store): Promise<string> {
  const [layer] = await store.layers({ layers: [[{ path: "d/large", content: LARGE }]], tags: ["app:1"] });
  return layer!;
}

/** What verify says of the layer. */
async function verified(store: Store): Promise<string> {
  const { code, stdout, stderr } = await store.dhow("image", "verify", "app:1");
  assertEquals(stderr, "");
  return `${code} ${stdout.trimEnd().replace(/^app:1\n {2}sha256:[0-9a-f]{64} /, "")}`;
}

const DAMAGES: Readonly<Record<string, readonly [(layer: string) => void, why: RegExp]>> = {
  "a file that is gone": [(layer) => Deno.removeSync(`${layer}/d/large`), /d\/large: no such file .*ENOENT/],
  "a folder that is gone": [
    (layer) => Deno.removeSync(`${layer}/d`, { recursive: true }),
    /d\/large: .*ENOENT/,
  ],
  "a file that is shorter": [
    (layer) => Deno.truncateSync(`${layer}/d/large`, 9),
    /d\/large is not what it was/,
  ],
  "a symlink for a file": [(layer) => {
    Deno.removeSync(`${layer}/d/large`);
    Deno.symlinkSync("/etc/passwd", `${layer}/d/large`);
  }, /d\/large: .*ELOOP/],
  "a tar without its rest": [
    (layer) => Deno.removeSync(`${layer}.skeleton`),
    /the rest of its tar: .*ENOENT/,
  ],
  "a tar with less than its rest": [
    (layer) => Deno.truncateSync(`${layer}.skeleton`, 700),
    /the rest of its tar is not what it was/,
  ],
};

for (const [what, [damage, why]] of Object.entries(DAMAGES)) {
  storeTest(`${what} in an unpacked layer is found by verify, and save says so`, async (store) => {
    const layer = await layerOf(store);
    assertEquals(await verified(store), "0 ok");
    damage(layer);
    assertEquals(await verified(store), "1 damaged: cannot be read");
    const saved = await store.dhow("save", "-q", "-o", store.file("saved.tar"), "app:1");
    assertFailure(
      saved,
      1,
      /^dhow: cannot put the layer in ".*" together: /,
      why,
      /; remove the image, and load/,
    );
  });
}

eachStorage("a layer that is gone as a whole is found by verify", async (store) => {
  Deno.removeSync(await layerOf(store), { recursive: true });
  assertEquals(await verified(store), "1 damaged: cannot be read");
});
