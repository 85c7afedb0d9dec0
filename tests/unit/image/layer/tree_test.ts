import { assert, assertStringIncludes, assertThrows } from "@std/assert";
import { Budget } from "../../../../src/image/layer/budget.ts";
import { LayerTree, NOTHING, pathOf } from "../../../../src/image/layer/tree.ts";
import type { TarEntry } from "../../../../src/image/tar/decoder.ts";
import { TarError } from "../../../../src/image/tar/fields.ts";

function entry(name: string, type: TarEntry["type"] = "file", link = ""): TarEntry {
  const numbers = { mode: 0o644, uid: 0, gid: 0, mtime: 0, mtimeNanoseconds: 0, major: 0, minor: 0, size: 0 };
  return { type, name, link, ...numbers, sparse: undefined, xattrs: undefined };
}

Deno.test("a layer with an absurd number of entries is refused", () => {
  const tree = new LayerTree(NOTHING, new Budget());
  const again = entry("f");
  const error = assertThrows(() => {
    while (true) tree.add(again, 0);
  }, TarError);
  assertStringIncludes(error.message, "more than 1000000 entries");
});

Deno.test("a path that is longer than Linux takes is refused", () => {
  const tree = new LayerTree(NOTHING, new Budget());
  const error = assertThrows(() => tree.add(entry("a/".repeat(2048)), 0), TarError);
  assertStringIncludes(error.message, "longer than 4095 bytes");
});

Deno.test("a path that symlinks make longer than Linux takes is refused", () => {
  const tree = new LayerTree(NOTHING, new Budget(), ({ parent }) => pathOf(parent));
  const name = "d".repeat(250);
  const long = Array(10).fill(name).join("/");
  tree.add(entry("s", "symlink", long), 0);
  const error = assertThrows(() => tree.add(entry(`s/${long}/f`), 0), TarError);
  assertStringIncludes(error.message, "longer than 4095 bytes");
});

Deno.test("a symlink with a target that is longer than Linux takes is refused", () => {
  const error = assertThrows(
    () => new LayerTree(NOTHING, new Budget()).add(entry("s", "symlink", "t".repeat(4096)), 0),
    TarError,
  );
  assertStringIncludes(error.message, "its target is longer");
});

Deno.test("the layers of an image share one budget, and what names and attributes take is bounded", () => {
  const budget = new Budget();
  const trees = [new LayerTree(NOTHING, budget), new LayerTree(NOTHING, budget)];
  const xattrs = new Map([["user.large", new Uint8Array(1 << 20)]]);
  const error = assertThrows(() => {
    for (let index = 0;; index++) trees[index % 2]!.add({ ...entry(`f${index}`), xattrs }, 0);
  }, TarError);
  assertStringIncludes(error.message, "more than 268435456 bytes");
  assert(trees.every(({ root }) => root.children.size > 100));
});

Deno.test("directories that only a name asks for count as well", () => {
  const tree = new LayerTree(NOTHING, new Budget());
  const error = assertThrows(() => {
    for (let index = 0;; index++) tree.add(entry(`${index}${"/d".repeat(2000)}/f`), 0);
  }, TarError);
  assertStringIncludes(error.message, "take more than 268435456 bytes");
});

Deno.test("attributes and maps of holes count for what they take in memory", () => {
  const none = new Uint8Array();
  const xattrs = new Map(Array.from({ length: 10_000 }, (_, index) => [`user.${index}`, none]));
  const sparse = { size: 0, pieces: Array(100_000).fill(0) };
  for (const large of [{ ...entry("f"), xattrs }, { ...entry("f"), sparse }]) {
    const tree = new LayerTree(NOTHING, new Budget());
    for (let index = 0; index < 20; index++) tree.add(large, 0);
    const error = assertThrows(() => {
      for (let index = 0; index < 40; index++) tree.add(large, 0);
    }, TarError);
    assertStringIncludes(error.message, "take more than 268435456 bytes");
  }
});

Deno.test("a layer whose holes add up to more than a number holds exactly is refused", () => {
  const tree = new LayerTree(NOTHING, new Budget());
  const hole = { ...entry("hole"), sparse: { size: Number.MAX_SAFE_INTEGER, pieces: [] } };
  tree.add(hole, 0);
  const error = assertThrows(() => tree.add({ ...hole, name: "another" }, 0), TarError);
  assertStringIncludes(error.message, "more than 9007199254740991 bytes");
});

Deno.test("a whiteout may hide the longest of names, and no longer one", () => {
  const tree = new LayerTree(NOTHING, new Budget());
  tree.add(entry(`.wh.${"n".repeat(255)}`), 0);
  assert(tree.root.children.get("n".repeat(255))?.kind === "whiteout");
  const error = assertThrows(() => tree.add(entry(`.wh.${"n".repeat(256)}`), 0), TarError);
  assertStringIncludes(error.message, "longer than 255 bytes");
});
