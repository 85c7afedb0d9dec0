import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { archive } from "../support/image.ts";
import { eachStorage, type Store, storeTest } from "../support/store.ts";
import { tar, type TarEntry } from "../support/tar.ts";

/** Loads an image that must be refused. Returns the error; nothing may be left of it. */
async function refused(store: Store, ...layers: (readonly TarEntry[] | Uint8Array)[]): Promise<string> {
  const { code, stdout, stderr } = await store.load({ layers });
  assertEquals([code, stdout], [1, ""], stderr);
  await assertNothingLeft(store);
  return stderr;
}

async function assertNothingLeft(store: Store): Promise<void> {
  assertEquals(store.layerFiles(), []);
  assertEquals((await store.dhow("images", "-q")).stdout, "");
}

/** A folder of the host that an image wants to get at. */
function victim(store: Store): string {
  Deno.mkdirSync(store.file("victim"));
  Deno.writeTextFileSync(store.file("victim/secret"), "the host's own");
  return store.file("victim");
}

function assertUnharmed(store: Store): void {
  assertEquals(Array.from(Deno.readDirSync(store.file("victim")), ({ name }) => name), ["secret"]);
  assertEquals(Deno.readTextFileSync(store.file("victim/secret")), "the host's own");
  assertEquals(Deno.statSync(store.file("victim/secret")).nlink, 1);
}

storeTest("a name that leads out of the layer with .. is refused, and the error names it", async (store) => {
  const error = await refused(store, [{ path: "a/../../escaped", content: "x" }]);
  assertStringIncludes(error, '"a/../../escaped"');
  assertStringIncludes(error, "leads out of the layer");
});

storeTest("a name with .. that stays in the layer is taken", async (store) => {
  const [layer] = await store.layers({ layers: [[{ path: "a/../b", content: "x" }]] });
  assertEquals(Deno.readTextFileSync(join(layer!, "b")), "x");
});

storeTest("an absolute name is one below the layer's root", async (store) => {
  const path = join(victim(store), "new");
  const [layer] = await store.layers({ layers: [[{ path, content: "x" }]] });
  assertEquals(Deno.readTextFileSync(join(layer!, path)), "x");
  assertUnharmed(store);
});

for (
  const [what, target] of [
    ["absolute", (victim: string) => victim],
    [
      "relative, with more .. than the path has parts,",
      (victim: string) => `${"../".repeat(9)}${victim.slice(1)}`,
    ],
  ] as const
) {
  storeTest(`what is written below an ${what} symlink stays in the layer`, async (store) => {
    const folder = victim(store);
    const [layer] = await store.layers({
      layers: [[{ path: "link", type: "symlink", target: target(folder) }, {
        path: "link/secret",
        content: "x",
      }]],
    });
    assertEquals(Deno.readTextFileSync(join(layer!, folder, "secret")), "x");
    assertUnharmed(store);
  });
}

storeTest("a file that takes the place of a symlink does not go where that pointed", async (store) => {
  const target = join(victim(store), "secret");
  await store.layers({ layers: [[{ path: "f", type: "symlink", target }, { path: "f", content: "x" }]] });
  assertUnharmed(store);
});

storeTest("attributes of a symlink are never those of its target", async (store) => {
  const target = join(victim(store), "secret");
  const before = Deno.statSync(target);
  const pax = { "SCHILY.xattr.trusted.x": "1" };
  await store.layers({
    layers: [[{ path: "f", type: "symlink", target, mode: 0o777, uid: 5, gid: 6, pax }]],
  });
  assertEquals(Deno.statSync(target), before);
});

storeTest("a hard link to a file of the host is refused", async (store) => {
  const target = join(victim(store), "secret");
  const error = await refused(store, [{ path: "f", type: "hardlink", target }]);
  assertStringIncludes(error, "which is not in the layer");
  assertUnharmed(store);
});

storeTest("a hard link through a symlink out of the layer is refused", async (store) => {
  const folder = victim(store);
  await refused(store, [
    { path: "link", type: "symlink", target: folder },
    { path: "f", type: "hardlink", target: "link/secret" },
  ]);
  assertUnharmed(store);
});

for (
  const [what, entries, why] of [
    [
      "a hard link out of the layer with ..",
      [{ path: "f", type: "hardlink", target: "../x" }],
      "leads out of the layer",
    ],
    [
      "a hard link to a folder",
      [{ path: "d/f" }, { path: "l", type: "hardlink", target: "d" }],
      "is a directory",
    ],
    [
      "a hard link to a file in the folder that it replaces",
      [{ path: "d/f" }, { path: "d", type: "hardlink", target: "d/f" }],
      "the link itself replaces",
    ],
    [
      "a hard link to a whiteout",
      [{ path: ".wh.w" }, { path: "l", type: "hardlink", target: "w" }],
      "is not in the layer",
    ],
    ["a whiteout of ..", [{ path: "d/.wh..." }], "a whiteout of nothing"],
    ["a whiteout of .", [{ path: "d/.wh.." }], "a whiteout of nothing"],
    ["a whiteout of nothing", [{ path: "d/.wh." }], "a whiteout of nothing"],
    ["an entry below a file", [{ path: "f" }, { path: "f/g" }], "is not a directory"],
    ["symlinks in a circle", [
      { path: "a", type: "symlink", target: "b" },
      { path: "b", type: "symlink", target: "a" },
      { path: "a/f" },
    ], "too many symlinks"],
    ["a file in place of the root", [{ path: "./", content: "x" }], "is no directory"],
  ] as [string, TarEntry[], string][]
) {
  eachStorage(`a layer is refused as a whole for ${what}`, async (store) => {
    const error = await refused(store, [{ path: "good", content: "x" }], [{ path: "good too" }, ...entries]);
    assertStringIncludes(error, why);
    assertStringIncludes(error, "cannot use layer");
  });
}

storeTest("a layer whose digest is not its diff id is refused, with both named", async (store) => {
  const diffId = `sha256:${"ab".repeat(32)}`;
  const { code, stderr } = await store.load({ layers: [[{ path: "f", content: "x" }]], diffIds: [diffId] });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "layer digest wrong");
  assertStringIncludes(stderr, `expected ${diffId}, found sha256:`);
  assertStringIncludes(stderr, "layer.tar");
  await assertNothingLeft(store);
});

storeTest("bytes after the end of a layer's tar count for its digest", async (store) => {
  const layer = tar([{ path: "f", content: "x" }]);
  const longer = new Uint8Array([...layer, ...new Array(512).fill(1)]);
  assertEquals((await store.load({ layers: [longer] })).code, 0);
});

storeTest("an archive that is cut at any place is refused", async (store) => {
  const whole = archive({
    layers: [[{ path: "f", content: "x".repeat(3000) }], [{ path: "g", content: "y" }]],
  });
  // the last entry, which no image needs, takes two blocks, the end mark two more, and what pads the last that it needs, one
  for (let size = 0; size < whole.length - 2560; size += 507) {
    const path = store.write("cut.tar", whole.subarray(0, size));
    const { code, stderr } = await store.dhow("load", "-q", "-i", path);
    assertEquals(code, 1, `${size} of ${whole.length} bytes`);
    assert(!stderr.includes("bug"), stderr);
  }
  await assertNothingLeft(store);
});

storeTest("a layer that is cut is refused, plain or gzip", async (store) => {
  const layer = tar([{ path: "f", content: "x".repeat(30000) }]);
  assertStringIncludes(await refused(store, layer.subarray(0, 20000)), "truncated");
  const { code, stderr } = await store.load({ layers: [layer.subarray(0, 20000)], gzip: true });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "truncated");
  await assertNothingLeft(store);
});
