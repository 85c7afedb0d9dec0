// The same image, kept and mounted in every way that dhow has, seen from inside a container.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { archive, type ImageOptions } from "../support/image.ts";
import { LAYERED, PATHS } from "../support/layered.ts";
import { succeed } from "../support/process.ts";
import { skip } from "../support/system_test.ts";
import { mountsErofs, type Store, storeTest } from "../support/store.ts";
import { assertSameTree, describeTree, makeTree } from "../support/tree.ts";
import type { TarEntry } from "../support/tar.ts";
import { View, VIEWER } from "../support/view.ts";

/** How an image gets to a container: where it is kept, and what `run` is given. */
const WAYS = [
  { way: "in place", storage: "erofs", isLoaded: false },
  { way: "erofs", storage: "erofs", isLoaded: true },
  { way: "in place, by loop devices", storage: "loop", isLoaded: false },
  { way: "loop", storage: "loop", isLoaded: true },
  { way: "unpacked", storage: "unpacked", isLoaded: true },
] as const;

type Layers = ImageOptions["layers"];

/** The same test for each way; `image` makes an image of layers, and returns what to give to `run`. */
function eachWay(
  name: string,
  test: (store: Store, image: (layers: Layers, gzip?: boolean) => Promise<string>) => Promise<void>,
): void {
  for (const { way, storage, isLoaded } of WAYS) {
    const run = (store: Store) =>
      test(store, async (layers, gzip = false) => {
        const tags = ["test:latest"];
        const path = store.write("image.tar", archive({ layers: [...layers, VIEWER], gzip, tags }));
        if (!isLoaded) return path;
        assertEquals((await store.dhow("load", "-q", "-i", path)).stderr, "");
        return "test:latest";
      });
    storeTest(`${way}: ${name}`, run, storage);
  }
}

/** Makes a folder, tars it, makes that a layer; compares what a container sees with the folder. */
async function throughTar(
  store: Store,
  image: (layers: Layers, gzip?: boolean) => Promise<string>,
  options: readonly string[],
  { gzip = false, attributes = true } = {},
): Promise<void> {
  const tree = store.file("tree");
  Deno.mkdirSync(tree);
  await makeTree(tree);
  const flags = ["--numeric-owner", ...options, "-cf", store.file("layer.tar"), "tree"];
  await succeed(["tar", "-C", store.folder, ...flags]);
  const name = await image([Deno.readFileSync(store.file("layer.tar"))], gzip);
  await using view = await View.open(store, name);
  const seen = await describeTree(join(view.root, "tree"), attributes);
  assertSameTree(seen, await describeTree(tree, attributes));
}

const PAX = ["--format=pax", "--xattrs", "--xattrs-include=*"];

eachWay(
  "everything in a pax layer is there: owners, modes, times, links, devices, xattrs",
  (store, image) => throughTar(store, image, PAX),
);

eachWay(
  "everything in a gzip layer is there",
  (store, image) => throughTar(store, image, PAX, { gzip: true }),
);

eachWay("everything in a GNU layer is there: long names, large ids, negative times", (store, image) =>
  // the format has whole seconds only
  throughTar(store, image, ["--format=gnu"], { attributes: false }));

for (const version of ["gnu", "0.0", "0.1", "1.0"]) {
  eachWay(`a sparse file in format ${version} keeps its size and its data`, async (store, image) => {
    const path = store.file("sparse");
    await succeed([
      "sh",
      "-euc",
      'for i in $(seq 40); do printf "piece $i" | dd of="$0" bs=64k seek="$i" conv=notrunc; done',
      path,
    ]);
    await Deno.truncate(path, 8 << 20);
    const format = version === "gnu" ? ["--format=gnu"] : ["--format=pax", `--sparse-version=${version}`];
    await succeed(["tar", "-C", store.folder, "-S", ...format, "-cf", store.file("layer.tar"), "sparse"]);
    const name = await image([Deno.readFileSync(store.file("layer.tar"))]);
    await using view = await View.open(store, name);
    await succeed(["cmp", path, join(view.root, "sparse")]);
  });
}

/** A sparse file in GNU's format 0.1. */
function sparse(path: string, size: number, pieces: readonly [offset: number, data: string][]): TarEntry {
  const map = pieces.flatMap(([offset, data]) => [offset, data.length]).join(",");
  const pax = {
    "GNU.sparse.size": String(size),
    "GNU.sparse.numblocks": String(pieces.length),
    "GNU.sparse.map": map,
  };
  return { path, content: pieces.map(([, data]) => data).join(""), pax };
}

eachWay("the pieces of a sparse file may lie at any offset, in files of any size", async (store, image) => {
  const far = 300 * 2 ** 30; // as lastlog(8) has it where user ids are large
  const name = await image([[
    sparse("odd", 3001, [[7, "seven"], [512, "at a block"], [2990, "to the end."]]),
    sparse("hole", 5000, []),
    sparse("ends in a hole", 70_000, [[1, "x"]]),
    sparse("far", far, [[far - 3, "end"], [far, ""]]),
  ]]);
  await using view = await View.open(store, name);
  const expected = new Uint8Array(3001);
  const put = (at: number, text: string) => expected.set(new TextEncoder().encode(text), at);
  put(7, "seven");
  put(512, "at a block");
  put(2990, "to the end.");
  assertEquals(Deno.readFileSync(join(view.root, "odd")), expected);
  assertEquals(Deno.readFileSync(join(view.root, "hole")), new Uint8Array(5000));
  assertEquals(Deno.readFileSync(join(view.root, "ends in a hole")).indexOf(0x78), 1);
  assertEquals(Deno.statSync(join(view.root, "far")).size, far);
  assertEquals(await succeed(["tail", "-c", "4", join(view.root, "far")]), "\0end");
});

eachWay(
  "the layers are merged: whiteouts, opaque folders, files in place of folders",
  async (store, image) => {
    // a device in place of the folder /dev is no image that can be run
    const name = await image(LAYERED.map((layer) => layer.filter(({ path }) => path !== "dev")));
    const script =
      'for path; do if [ -f "$path" ]; then /.viewer/busybox cat "$path"; else printf -; fi; echo; done';
    const paths = PATHS.filter(([path]) => path !== "/dev");
    const command = ["/.viewer/busybox", "sh", "-c", script, "sh", ...paths.map(([path]) => path)];
    const { stdout, stderr } = await store.dhow("run", "--network", "none", name, ...command);
    assertEquals(stderr, "");
    const seen = stdout.split("\n").slice(0, -1).map((line) => line === "-" ? undefined : line);
    assertEquals(
      paths.map(([path], index) => [path, seen[index]]),
      paths.map(([path, content]) => [path, content]),
    );
  },
);

eachWay("what an opaque directory hides anyway leaves no name behind", async (store, image) => {
  const name = await image([
    [{ path: "d/hidden" }, { path: "d/sub/hidden" }],
    [
      { path: "d/.wh.hidden" },
      { path: "d/new" },
      { path: "d/sub/new" },
      { path: "d/sub/.wh.hidden" },
      { path: "d/.wh..wh..opq" },
    ],
  ]);
  await using view = await View.open(store, name);
  const names = (path: string) =>
    Array.from(Deno.readDirSync(join(view.root, path)), ({ name }) => name).sort();
  assertEquals([names("d"), names("d/sub")], [["new", "sub"], ["new"]]);
});

eachWay("a folder has the attributes of the highest layer that has it", async (store, image) => {
  const folder = (mode: number, uid: number): TarEntry => ({ path: "d/", type: "directory", mode, uid });
  const name = await image([
    [folder(0o700, 1), { path: "d/low" }, { path: "implied/low" }],
    [folder(0o1777, 2), { path: "d/high" }, { path: "implied/high" }],
  ]);
  await using view = await View.open(store, name);
  const { mode, uid, nlink } = Deno.statSync(join(view.root, "d"));
  assertEquals([mode! & 0o7777, uid, nlink! <= 2], [0o1777, 2, true]);
  const implied = Deno.statSync(join(view.root, "implied"));
  assertEquals([implied.mode! & 0o7777, implied.uid], [0o755, 0]);
  assertEquals(Array.from(Deno.readDirSync(join(view.root, "d")), ({ name }) => name).sort(), [
    "high",
    "low",
  ]);
});

eachWay("a folder may have any number of files, with names of any length and order", async (store, image) => {
  const names = [
    "!",
    "-",
    "..a",
    "a".repeat(255),
    "\x01",
    "~",
    ...Array.from({ length: 3000 }, (_, n) => `f${n}`),
  ];
  const name = await image([
    names.map((name) => ({ path: "d/f", pax: { path: `d/${name}` }, content: name })),
  ]);
  await using view = await View.open(store, name);
  const folder = join(view.root, "d");
  assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(), names.toSorted());
  for (const path of ["!", "..a", "a".repeat(255), "f0", "f2999"]) {
    assertEquals(Deno.readTextFileSync(join(folder, path)), path);
  }
});

eachWay(
  "hard links are one file with several names, and a link to a symlink is one too",
  async (store, image) => {
    const name = await image([
      [{ path: "d/a", content: "x" }, { path: "d/b", type: "hardlink", target: "d/a" }],
      [
        { path: "d/s", type: "symlink", target: "a" },
        { path: "d/t", type: "hardlink", target: "d/s" },
        { path: "d/gone", content: "y" },
        { path: "d/stays", type: "hardlink", target: "d/gone" },
      ],
      [{ path: "d/.wh.gone" }],
    ]);
    await using view = await View.open(store, name);
    const stat = (path: string) => Deno.lstatSync(join(view.root, "d", path));
    assertEquals([stat("a").ino, stat("a").nlink], [stat("b").ino, 2]);
    assert(stat("t").isSymlink);
    assertEquals([stat("s").ino, stat("s").nlink], [stat("t").ino, 2]);
    assertEquals(Deno.readTextFileSync(join(view.root, "d/stays")), "y");
  },
);

eachWay("a container writes into its own layer, not into the image", async (store, image) => {
  const name = await image([[{ path: "d/f", content: "image" }]]);
  const write = "echo changed >/d/f; /.viewer/busybox rm -r /d/f; echo >/d/new; /.viewer/busybox ls /d";
  for (let time = 0; time < 2; time++) {
    const { stdout, stderr } = await store.dhow(
      "run",
      "--network",
      "none",
      name,
      "/.viewer/busybox",
      "sh",
      "-c",
      write,
    );
    assertEquals([stdout, stderr], ["new\n", ""]);
  }
});

const inPlace = (name: string, test: (store: Store) => Promise<void>) => storeTest(name, test, "erofs");

const ONE = { layers: [[{ path: "d/one" }], VIEWER] };
const TWO = { layers: [[{ path: "d/two" }], VIEWER] };

inPlace("an archive that is run is not copied, and is known again", async (store) => {
  const path = store.write("image.tar", archive(ONE));
  assertEquals(await store.listing(path, "d"), ["one"]);
  const indexes = () => Array.from(Deno.readDirSync(join(store.root, "indexes")), ({ name }) => name);
  const [index] = indexes();
  assertEquals(await store.listing(path, "d"), ["one"]);
  assertEquals([indexes(), store.layerFolders()], [[index], []]);
  assertEquals((await store.dhow("images", "-q")).stdout, "");
});

inPlace("an archive that was changed since it was run is read anew", async (store) => {
  const path = store.write("image.tar", archive(ONE));
  assertEquals(await store.listing(path, "d"), ["one"]);
  store.write("image.tar", archive(TWO));
  assertEquals(await store.listing(path, "d"), ["two"]);
  store.write("other.tar", archive(ONE));
  Deno.renameSync(store.file("other.tar"), path);
  assertEquals(await store.listing(path, "d"), ["one"]);
  assertEquals([...Deno.readDirSync(join(store.root, "indexes"))].length, 1);
});

inPlace("of many first runs of one archive at once, all succeed and one index remains", async (store) => {
  const path = store.write("image.tar", archive(ONE));
  const command = ["run", "--network", "none", path, "/.viewer/busybox", "ls", "/d"];
  const outputs = await Promise.all(Array.from({ length: 8 }, () => store.dhow(...command)));
  assertEquals(outputs.map(({ stdout, stderr }) => [stdout, stderr]), Array(8).fill(["one\n", ""]));
  assertEquals([...Deno.readDirSync(join(store.root, "indexes"))].length, 1);
});

inPlace("contents that are not what the config says are found by --verify", async (store) => {
  const content = archive({ layers: [[{ path: "d/f", content: "original" }], VIEWER] });
  const at = content.findIndex((_, index) =>
    new TextDecoder().decode(content.subarray(index, index + 8)) === "original"
  );
  content[at] = "O".charCodeAt(0);
  const path = store.write("image.tar", content);
  const command = [path, "/.viewer/busybox", "cat", "/d/f"];
  assertEquals((await store.dhow("run", "--network", "none", ...command)).stdout, "Original");
  const { code, stderr } = await store.dhow("run", "--network", "none", "--verify", ...command);
  assertEquals([code, stderr.includes("layer digest wrong")], [125, true]);
});

storeTest(
  "an image that was loaded unpacked can be run from an index, and the other way round",
  async (store) => {
    if (!mountsErofs()) return skip("an image that was loaded unpacked", "needs Linux 6.12");
    const globals = (storage: string) => ["--root", store.root, "--storage", storage];
    for (const [first, second] of [["unpacked", "erofs"], ["erofs", "unpacked"]] as const) {
      const tag = `from-${first}:1`;
      const path = store.write(
        "image.tar",
        archive({ layers: [[{ path: `d/${first}` }], VIEWER], tags: [tag] }),
      );
      const dhow = (storage: string, ...args: string[]) =>
        succeed([store.command()[0]!, ...globals(storage), ...args]);
      await dhow(first, "load", "-q", "-i", path);
      const listing = ["run", "--network", "none", tag, "/.viewer/busybox", "ls", "/d"];
      assertEquals(await dhow(second, ...listing), `${first}\n`);
      assertEquals(await dhow(first, ...listing), `${first}\n`);
    }
  },
);

storeTest("the tar of an unpacked layer comes back byte for byte, replaced files and all", async (store) => {
  const name = "the tar of an unpacked layer comes back byte for byte";
  if (!mountsErofs()) return skip(name, "needs Linux 6.12");
  const large = (seed: string) => seed.repeat(50_000);
  const layer: TarEntry[] = [
    { path: "d/replaced", content: large("a") },
    { path: "d/replaced", content: large("b") },
    { path: "folder/inside", content: large("c") },
    { path: "folder", content: "a file" },
    { path: "d/linked", content: large("d") },
    { path: "d/link", type: "hardlink", target: "d/linked" },
    { path: "d/linked", content: "small" },
    { path: "d/same", content: large("e") },
    { path: "d/same", type: "hardlink", target: "d/same" },
  ];
  assertEquals((await store.load({ layers: [layer, VIEWER] })).code, 0);
  // an index can only be made of the tar, whose digest is verified
  const command = ["--storage", "erofs", "run", "--network", "none", "test", "/.viewer/busybox", "cat"];
  const { stdout, stderr } = await store.dhow(...command, "/d/replaced", "/folder", "/d/link", "/d/same");
  assertEquals([stdout, stderr], [`${large("b")}a file${large("d")}${large("e")}`, ""]);
});

/** Attributes of 300 kB: more than EROFS can hold of one file, and than ext4 can. */
const TOO_LARGE = Object.fromEntries(
  Array.from({ length: 5 }, (_, index) => [`SCHILY.xattr.user.${index}`, "x".repeat(60_000)]),
);

for (const type of ["directory", "file"] as const) {
  inPlace(
    `a ${type} whose attributes EROFS cannot hold is named, and its image is unpacked`,
    async (store) => {
      const layers = [[{ path: "odd", type, pax: TOO_LARGE, content: "" }], VIEWER];
      const loaded = await store.load({ layers });
      assertEquals(loaded.code, 0);
      const warning =
        /^dhow: warning: image .* has to be unpacked: "odd": its extended attributes have \d+ bytes\n/;
      assertMatch(loaded.stderr, warning);
      for (const image of ["test", store.file("image.tar")]) {
        const { code, stderr } = await store.dhow(
          "run",
          "--network",
          "none",
          image,
          "/.viewer/busybox",
          "true",
        );
        // the file system that it is unpacked to may be able to hold them, or says that it is not
        if (code !== 0) assertMatch(stderr, /\ndhow: .*cannot unpack "odd" of .*\n$/);
        assertMatch(stderr, warning);
      }
    },
  );
}
