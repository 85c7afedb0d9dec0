import { assertEquals, assertThrows } from "@std/assert";
import { SystemCallError } from "../../../ffi/errno.ts";
import { readSmallFiles } from "../../../ffi/files.ts";

Deno.test("many small files are read, each to its size, and those that are missing told apart", () => {
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  try {
    const paths = Array.from({ length: 200 }, (_, index) => `${folder}/${index}`);
    paths.forEach((path, index) => {
      if (index % 3 !== 0) Deno.writeTextFileSync(path, index % 3 === 1 ? `é${index}` : "");
    });
    const expected = paths.map((_, index) => [undefined, `é${index}`, ""][index % 3]);
    assertEquals(readSmallFiles(paths, 64), expected);
    assertEquals(readSmallFiles(paths.slice(100, 101), 3), ["é1"]);
    assertEquals(readSmallFiles([], 64), []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("what cannot be read is an error, not a missing file", () => {
  assertThrows(() => readSmallFiles(["/proc"], 64), SystemCallError, "read");
});
