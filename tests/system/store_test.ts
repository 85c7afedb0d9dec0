import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/eventually.ts";
import { archive, type ImageOptions } from "../support/image.ts";
import { run } from "../support/process.ts";
import type { Storage } from "../../src/image/store/storage.ts";
import { eachStorage, type Store } from "../support/store.ts";
import { VIEWER } from "../support/view.ts";
import type { TarEntry } from "../support/tar.ts";

/** A layer that takes a while: many files, and some with much in them. */
function largeLayer(seed: string): TarEntry[] {
  const content = new Uint8Array(100_000).fill(seed.charCodeAt(0));
  return Array.from({ length: 1500 }, (_, index) => ({ path: `files/${seed}-${index}`, content }));
}

function writeLarge(store: Store): string {
  return store.write("large.tar", archive({ layers: [[...largeLayer("a"), ...VIEWER]], tags: ["large:1"] }));
}

/** Waits until a load is in the middle of its first layer. */
async function isLoading(store: Store, storage: Storage): Promise<void> {
  await eventually(() => {
    if (storage === "erofs") assert(Deno.statSync(join(store.root, "layers/1.tar")).size > 0);
    else assert(Array.from(Deno.readDirSync(join(store.root, "layers/1/files"))).length > 0);
  });
}

const SMALL: ImageOptions = { layers: [[{ path: "f", content: "f" }]], tags: ["small:1", "small:latest"] };

eachStorage("load prints the names that an image has, and images lists them", async (store) => {
  const { stdout } = await store.load(SMALL);
  assertEquals(stdout, "Loaded image: small:1\nLoaded image: small:latest\n");
  const rows = (await store.dhow("images")).stdout.trimEnd().split("\n").map((row) => row.split(/ {3,}/));
  assertEquals(rows[0], ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
  assertEquals(rows.slice(1).map(([repository, tag, , , size]) => [repository, tag, size]), [
    ["small", "1", "1B"],
    ["small", "latest", "1B"],
  ]);
  assertMatch(rows[1]![2]!, /^[0-9a-f]{12}$/);
  assertMatch(rows[1]![3]!, /^\d+ (months|years) ago$/);
  assertEquals((await store.dhow("images", "-q", "small:1")).stdout.length, 13);
});

eachStorage("load says from which image it takes a name, as docker does", async (store) => {
  await store.load(SMALL);
  const old = (await store.dhow("images", "-q", "--no-trunc", "small:1")).stdout.trim();
  const other: ImageOptions = { ...SMALL, layers: [[{ path: "g", content: "g" }]], tags: ["small:1"] };
  const moved = `The image small:1 already exists, renaming the old one with ID ${old} to empty string\n`;
  assertEquals((await store.load(other)).stdout, `${moved}Loaded image: small:1\n`);
  assertEquals((await store.load(other)).stdout, "Loaded image: small:1\n");
});

eachStorage("load prints the id of an image without a name", async (store) => {
  const { stdout } = await store.load({ ...SMALL, tags: [] });
  assertMatch(stdout, /^Loaded image ID: sha256:[0-9a-f]{64}\n$/);
  assertMatch((await store.dhow("images")).stdout, /\n<none> +<none> /);
});

eachStorage("load reads standard input when that is a file", async (store) => {
  const path = store.write("image.tar", archive(SMALL));
  const { code } = await run(["sh", "-c", 'exec "$@" <"$0"', path, ...store.command("load")]);
  assertEquals(code, 0);
  assertEquals(store.layerFolders().length, 1);
});

eachStorage("loading an image again unpacks nothing again", async (store) => {
  const [layer] = await store.layers(SMALL);
  const before = Deno.statSync(layer!);
  assertEquals((await store.load(SMALL)).code, 0);
  assertEquals(store.layerFolders(), [layer!]);
  assertEquals(Deno.statSync(layer!).ino, before.ino);
});

eachStorage("a layer that the store has is not read again", async (store) => {
  await store.load(SMALL);
  const content = archive(SMALL);
  // the layer's one byte of data: whoever reads it finds that the digest is wrong
  const data = content.findLastIndex((byte, index) =>
    byte === 0x66 && content[index - 1] === 0 && content[index + 1] === 0
  );
  content[data] = 0x67;
  const { code, stderr } = await store.dhow("load", "-q", "-i", store.write("changed.tar", content));
  assertEquals([code, stderr], [0, ""]);
});

eachStorage("a layer that two images share, or that one has twice, is kept once", async (store) => {
  const base = [{ path: "dir/base", content: "base" }];
  await store.load({ layers: [base, [{ path: "dir/one" }], base, VIEWER], tags: ["one:1"] });
  await store.load({ layers: [base, [{ path: "dir/two" }], VIEWER], tags: ["two:1"] });
  assertEquals(store.layerFolders().length, 4);
  assertEquals(await store.listing("one:1", "dir"), ["base", "one"]);
  assertEquals(await store.listing("two:1", "dir"), ["base", "two"]);
});

eachStorage("a name moves to the image that was loaded with it last", async (store) => {
  await store.layers({ layers: [[{ path: "one" }]], tags: ["name:1"] });
  await store.layers({ layers: [[{ path: "two" }]], tags: ["name:1"] });
  const rows = (await store.dhow("images")).stdout.trimEnd().split("\n").slice(1).map((row) =>
    row.split(/ +/)
  );
  assertEquals(rows.map(([repository, tag]) => [repository, tag]).sort(), [["<none>", "<none>"], [
    "name",
    "1",
  ]]);
});

eachStorage(
  "of several loads of one image at once, all succeed and one copy of each layer remains",
  async (store) => {
    const path = writeLarge(store);
    const outputs = await Promise.all(Array.from({ length: 4 }, () => store.dhow("load", "-q", "-i", path)));
    assertEquals(outputs.map(({ code, stderr }) => [code, stderr]), Array(4).fill([0, ""]));
    assertEquals(store.layerFolders().length, 1);
    assertEquals((await store.listing("large:1", "files")).length, 1500);
  },
);

eachStorage("what a killed load has left behind is removed by the next command", async (store, storage) => {
  const path = writeLarge(store);
  await using load = store.start("load", "-q", "-i", path);
  await isLoading(store, storage);
  Deno.kill(load.pid, "SIGKILL");
  assertEquals((await load.output()).code, 137);
  assertEquals(store.layerFolders().length, storage === "erofs" ? 1 : 2); // the layer, and what it replaces

  assertEquals((await store.dhow("images", "-q")).stdout, "");
  assertEquals(store.layerFiles(), []);
  assertEquals((await store.dhow("load", "-q", "-i", path)).code, 0);
});

eachStorage("a command leaves alone what another load is making", async (store, storage) => {
  const path = writeLarge(store);
  await using load = store.start("load", "-q", "-i", path);
  await isLoading(store, storage);
  Deno.kill(load.pid, "SIGSTOP");
  await store.dhow("images");
  Deno.kill(load.pid, "SIGCONT");
  assertEquals((await load.output()).code, 0);
  assertEquals(store.layerFolders().length, 1);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  eachStorage(`a load that ${signal} ends removes at once what it has made`, async (store, storage) => {
    await using load = store.start("load", "-q", "-i", writeLarge(store));
    await isLoading(store, storage);
    Deno.kill(load.pid, signal);
    const { code, stderr } = await load.output();
    assertEquals([code, stderr], [1, `dhow: cannot load image large:1: interrupted (${signal})\n`]);
    assertEquals(store.layerFiles(), []);
  });
}

eachStorage(
  "when the disk is full, load says so, names the layer, and removes what it has made",
  async (store, storage) => {
    const path = writeLarge(store);
    Deno.mkdirSync(store.root);
    // a file system of its own, in a mount namespace that goes with the shell
    const script =
      'truncate -s 20m "$0.img"; mkfs.ext4 -q -O ^has_journal "$0.img"; mount "$0.img" "$0"; "$@"; echo "code $?"; ls "$0/layers"; du -sm "$0" | cut -f 1';
    const { stdout, stderr } = await run(
      ["unshare", "--mount", "sh", "-c", script, store.root, ...store.command("load", "-q", "-i", path)],
    );
    // what is full first: a file of the layer, or what is kept beside it of its tar
    const work = storage === "erofs" ? "cannot write layer" : 'cannot unpack ("files/a-[^"]*" of )?layer';
    assertMatch(stderr, new RegExp(`^dhow: no space left: ${work} `));
    assertStringIncludes(stderr, "layer.tar");
    assertStringIncludes(stderr, "no space left on device (ENOSPC)");
    const [code, megabytes, ...rest] = stdout.trimEnd().split("\n");
    assertEquals([code, rest], ["code 1", []]);
    assert(Number(megabytes) < 5, `${megabytes} MiB are left`);
  },
);

eachStorage("users of the host cannot get at programs in layers", async (store) => {
  await store.layers({ layers: [[{ path: "su", content: "x", mode: 0o4755 }]] });
  assertEquals(Deno.statSync(join(store.root, "layers")).mode! & 0o7777, 0o700);
});
