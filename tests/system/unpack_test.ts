import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { succeed } from "../support/process.ts";
import { type Store, storeTest } from "../support/store.ts";
import { assertSameTree, describeTree, makeTree } from "../support/tree.ts";
import type { TarEntry } from "../support/tar.ts";
import { xattr } from "../support/xattr.ts";

/** Makes a folder, tars it, loads that as a layer; returns both folders. */
async function throughTar(store: Store, options: readonly string[], gzip = false) {
  const tree = store.file("tree");
  Deno.mkdirSync(tree);
  await makeTree(tree);
  await succeed(["tar", "-C", tree, "--numeric-owner", ...options, "-cf", store.file("layer.tar"), "."]);
  const [layer] = await store.layers({ layers: [Deno.readFileSync(store.file("layer.tar"))], gzip });
  return { tree, layer: layer! };
}

const PAX = ["--format=pax", "--xattrs", "--xattrs-include=*"];

storeTest(
  "a layer in pax format is unpacked with owners, modes, times, links, devices and xattrs",
  async (store) => {
    const { tree, layer } = await throughTar(store, PAX);
    assertSameTree(await describeTree(layer), await describeTree(tree));
  },
);

storeTest("a gzip layer is unpacked like a plain one", async (store) => {
  const { tree, layer } = await throughTar(store, PAX, true);
  assertSameTree(await describeTree(layer), await describeTree(tree));
});

storeTest(
  "a layer in GNU format is unpacked with its long names, large ids and negative times",
  async (store) => {
    const { tree, layer } = await throughTar(store, ["--format=gnu"]);
    // the format has whole seconds only
    assertSameTree(await describeTree(layer, false), await describeTree(tree, false));
  },
);

for (const version of ["gnu", "0.0", "0.1", "1.0"]) {
  storeTest(`a sparse file in format ${version} keeps its size, its holes and its data`, async (store) => {
    Deno.mkdirSync(store.file("tree"));
    const path = store.file("tree/sparse");
    // more pieces than the header of the old format has room for; a hole at the end
    await succeed([
      "sh",
      "-euc",
      'for i in $(seq 40); do printf "piece $i" | dd of="$0" bs=64k seek="$i" conv=notrunc; done',
      path,
    ]);
    await Deno.truncate(path, 8 << 20);
    const format = version === "gnu" ? ["--format=gnu"] : ["--format=pax", `--sparse-version=${version}`];
    await succeed([
      "tar",
      "-C",
      store.file("tree"),
      "-S",
      ...format,
      "-cf",
      store.file("layer.tar"),
      "sparse",
    ]);
    assert(Deno.statSync(store.file("layer.tar")).size < 4 << 20, "the tar has the holes as data");

    const [layer] = await store.layers({ layers: [Deno.readFileSync(store.file("layer.tar"))] });

    await succeed(["cmp", path, join(layer!, "sparse")]);
    const { size, blocks } = Deno.statSync(join(layer!, "sparse"));
    assert(blocks! * 512 < size / 2, "the holes were filled");
  });
}

/** `path mode uid:gid` of everything in a layer, sorted. */
async function listing(layer: string): Promise<string[]> {
  const text = await succeed(["find", layer, "-mindepth", "1", "-printf", "%P %y %m %U:%G\n"]);
  return text.trimEnd().split("\n").sort();
}

function isWhiteout(path: string): boolean {
  const { isCharDevice, rdev } = Deno.lstatSync(path);
  return isCharDevice === true && rdev === 0;
}

storeTest("folders that a layer does not mention are root's, with mode 755", async (store) => {
  const [layer] = await store.layers({
    layers: [[{ path: "a/b/c", content: "c", mode: 0o600, uid: 7, gid: 8 }]],
  });
  assertEquals(await listing(layer!), ["a d 755 0:0", "a/b d 755 0:0", "a/b/c f 600 7:8"]);
});

storeTest("the entry of a layer's root gives the layer's folder its mode and owner", async (store) => {
  const [layer] = await store.layers({
    layers: [[{ path: "./", type: "directory", mode: 0o711, uid: 1, gid: 2 }]],
  });
  const { mode, uid, gid } = Deno.statSync(layer!);
  assertEquals([mode! & 0o7777, uid, gid], [0o711, 1, 2]);
});

storeTest("a folder's attributes are those of its last entry", async (store) => {
  const [layer] = await store.layers({
    layers: [[
      { path: "d/", type: "directory", mode: 0o755, uid: 3, gid: 3 },
      { path: "d/f", content: "f" },
      { path: "d/", type: "directory", mode: 0o2750, mtime: 1_500_000_000 },
    ]],
  });
  assertEquals(await listing(layer!), ["d d 2750 0:0", "d/f f 644 0:0"]);
  assertEquals(Deno.statSync(join(layer!, "d")).mtime, new Date(1_500_000_000_000));
});

const OPAQUE = "trusted.overlay.opaque";

storeTest("a whiteout becomes overlay's character device 0/0", async (store) => {
  const [layer] = await store.layers({ layers: [[{ path: "etc/.wh.gone" }, { path: ".wh.usr" }]] });
  assertEquals(await listing(layer!), ["etc d 755 0:0", "etc/gone c 0 0:0", "usr c 0 0:0"]);
  assert(isWhiteout(join(layer!, "usr")));
});

storeTest("an opaque folder gets overlay's attribute, and keeps what the layer has in it", async (store) => {
  const [layer] = await store.layers({
    layers: [[{ path: "d/kept" }, { path: "d/.wh..wh..opq" }, { path: "d/.wh..wh.plnk" }, {
      path: "e/",
      type: "directory",
    }]],
  });
  assertEquals(await listing(layer!), ["d d 755 0:0", "d/kept f 644 0:0", "e d 755 0:0"]);
  assertEquals(xattr(join(layer!, "d"), OPAQUE), "y");
  assertEquals(xattr(join(layer!, "e"), OPAQUE), undefined);
});

const FILE: TarEntry = { path: "x", content: "new" };
const DIRECTORY: TarEntry[] = [{ path: "x/", type: "directory" }, { path: "x/f" }];
const WHITEOUT: TarEntry = { path: ".wh.x" };

for (const [order, entries] of [["before", [WHITEOUT, FILE]], ["after", [FILE, WHITEOUT]]] as const) {
  storeTest(`a file wins over a whiteout of its name ${order} it`, async (store) => {
    const [layer] = await store.layers({ layers: [entries] });
    assertEquals(await listing(layer!), ["x f 644 0:0"]);
    assertEquals(Deno.readTextFileSync(join(layer!, "x")), "new");
  });
}

for (
  const [what, entries] of [
    ["after its whiteout", [WHITEOUT, ...DIRECTORY]],
    ["before its whiteout", [...DIRECTORY, WHITEOUT]],
    ["that is not mentioned, after its whiteout", [WHITEOUT, { path: "x/f" }]],
  ] as const
) {
  storeTest(`a folder ${what} hides what lower layers have there`, async (store) => {
    const [layer] = await store.layers({ layers: [entries] });
    assertEquals(await listing(layer!), ["x d 755 0:0", "x/f f 644 0:0"]);
    assertEquals(xattr(join(layer!, "x"), OPAQUE), "y");
  });
}

for (
  const [what, entries, expected] of [
    ["a file by a file", [{ path: "x", content: "old and longer" }, FILE], ["x f 644 0:0"]],
    ["a folder with files by a file", [...DIRECTORY, FILE], ["x f 644 0:0"]],
    ["a file by a folder", [FILE, ...DIRECTORY], ["x d 755 0:0", "x/f f 644 0:0"]],
    ["a folder by a file by a folder", [...DIRECTORY, FILE, ...DIRECTORY], [
      "x d 755 0:0",
      "x/f f 644 0:0",
    ]],
    ["a symlink by a file", [{ path: "x", type: "symlink", target: "y" }, FILE], ["x f 644 0:0"]],
    ["a symlink by a folder", [{ path: "x", type: "symlink", target: "y" }, ...DIRECTORY], [
      "x d 755 0:0",
      "x/f f 644 0:0",
    ]],
    ["a file by a symlink", [FILE, { path: "x", type: "symlink", target: "y" }], ["x l 777 0:0"]],
    ["a file by a device", [FILE, { path: "x", type: "character", major: 1, minor: 3, mode: 0o666 }], [
      "x c 666 0:0",
    ]],
    ["a file by a hard link", [{ path: "y", mode: 0o600 }, FILE, {
      path: "x",
      type: "hardlink",
      target: "y",
    }], [
      "x f 600 0:0",
      "y f 600 0:0",
    ]],
    ["a folder by a symlink, under another spelling of its name", [
      { path: "x/f" },
      { path: "x/.", type: "symlink", target: "y" },
      { path: "x/g" },
    ], ["x l 777 0:0", "y d 755 0:0", "y/g f 644 0:0"]],
    ["a file by a hard link to itself", [FILE, { path: "./x", type: "hardlink", target: "x" }], [
      "x f 644 0:0",
    ]],
  ] as [string, TarEntry[], string[]][]
) {
  storeTest(`a later entry of the same name replaces the earlier: ${what}`, async (store) => {
    const [layer, ...others] = await store.layers({ layers: [entries] });
    assertEquals(await listing(layer!), expected);
    assertEquals(others, []);
  });
}

storeTest("entries below a symlink of the same layer end up where it points to", async (store) => {
  const [layer] = await store.layers({
    layers: [[
      { path: "usr/lib/", type: "directory" },
      { path: "lib", type: "symlink", target: "usr/lib" },
      { path: "lib/a", content: "a" },
      { path: "opt/bin", type: "symlink", target: "/usr/bin" }, // its target is not in the layer
      { path: "opt/bin/b", content: "b" },
      { path: "c", type: "hardlink", target: "lib/a" },
    ]],
  });
  assertEquals(await listing(layer!), [
    "c f 644 0:0",
    "lib l 777 0:0",
    "opt d 755 0:0",
    "opt/bin l 777 0:0",
    "usr d 755 0:0",
    "usr/bin d 755 0:0",
    "usr/bin/b f 644 0:0",
    "usr/lib d 755 0:0",
    "usr/lib/a f 644 0:0",
  ]);
});

storeTest("attributes in overlay's own language are left out", async (store) => {
  const [layer] = await store.layers({
    layers: [[
      {
        path: "d/",
        type: "directory",
        pax: {
          "SCHILY.xattr.trusted.overlay.opaque": "y",
          "SCHILY.xattr.trusted.overlay.redirect": "/etc",
          "SCHILY.xattr.user.overlay.opaque": "y",
          "SCHILY.xattr.user.kept": "yes",
        },
      },
    ]],
  });
  const names = ["trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.opaque", "user.kept"];
  assertEquals(names.map((name) => xattr(join(layer!, "d"), name)), [undefined, undefined, undefined, "yes"]);
});
