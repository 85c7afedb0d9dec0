import { assertEquals, assertThrows } from "@std/assert";
import { SystemCallError } from "../../../ffi/errno.ts";
import { readSmallFiles, readText } from "../../../ffi/files.ts";

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

Deno.test("a file is read whole, however long it is, and one that is missing told apart", () => {
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  try {
    const path = `${folder}/file`;
    for (const text of ["", "é\n", "x".repeat(65_536), "y".repeat(65_537), "z".repeat(200_000)]) {
      Deno.writeTextFileSync(path, text);
      assertEquals(readText(path) === text, true, `${text.length} characters`);
    }
    assertEquals(readText(`${folder}/missing`), undefined);
    assertEquals(readText("/proc/4194305/stat"), undefined);
    assertEquals(readText("/proc/self/mountinfo"), Deno.readTextFileSync("/proc/self/mountinfo"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("what cannot be read is an error, not a missing file", () => {
  assertThrows(() => readSmallFiles(["/proc"], 64), SystemCallError, "read");
  const descriptors = () => Array.from(Deno.readDirSync("/proc/self/fd")).length;
  const before = descriptors();
  assertThrows(() => readText("/proc"), SystemCallError, '"/proc"');
  assertThrows(() => readText(`/${"x".repeat(5000)}`), RangeError, "too long");
  assertEquals(descriptors(), before);
});
