import { assertStringIncludes, assertThrows } from "@std/assert";
import { LayerTree, NOTHING, pathOf } from "../../../../src/image/layer/tree.ts";
import type { TarEntry } from "../../../../src/image/tar/decoder.ts";
import { TarError } from "../../../../src/image/tar/fields.ts";

function entry(name: string, type: TarEntry["type"] = "file", link = ""): TarEntry {
  const numbers = { mode: 0o644, uid: 0, gid: 0, mtime: 0, mtimeNanoseconds: 0, major: 0, minor: 0, size: 0 };
  return { type, name, link, ...numbers, sparse: undefined, xattrs: undefined };
}

Deno.test("a layer with an absurd number of entries is refused", () => {
  const tree = new LayerTree(NOTHING);
  const again = entry("f");
  const error = assertThrows(() => {
    while (true) tree.add(again, 0);
  }, TarError);
  assertStringIncludes(error.message, "more than 4000000 entries");
});

Deno.test("a path that is longer than Linux takes is refused", () => {
  const tree = new LayerTree(NOTHING);
  const error = assertThrows(() => tree.add(entry("a/".repeat(2048)), 0), TarError);
  assertStringIncludes(error.message, "longer than 4095 bytes");
});

Deno.test("a path that symlinks make longer than Linux takes is refused", () => {
  const tree = new LayerTree(NOTHING, ({ parent }) => pathOf(parent));
  const name = "d".repeat(250);
  const long = Array(10).fill(name).join("/");
  tree.add(entry("s", "symlink", long), 0);
  const error = assertThrows(() => tree.add(entry(`s/${long}/f`), 0), TarError);
  assertStringIncludes(error.message, "longer than 4095 bytes");
});

Deno.test("a symlink with a target that is longer than Linux takes is refused", () => {
  const error = assertThrows(
    () => new LayerTree(NOTHING).add(entry("s", "symlink", "t".repeat(4096)), 0),
    TarError,
  );
  assertStringIncludes(error.message, "its target is longer");
});
