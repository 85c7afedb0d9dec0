import { assert, assertEquals, assertThrows } from "@std/assert";
import { requireSource } from "../../../src/container/image.ts";
import { ImageError } from "../../../src/errors.ts";

/** Runs `work` in a new folder that holds a file `a.tar` and a folder `folder`. */
function inFolder(work: () => void): void {
  const before = Deno.cwd();
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  Deno.writeTextFileSync(`${folder}/a.tar`, "");
  Deno.mkdirSync(`${folder}/folder`);
  try {
    Deno.chdir(folder);
    work();
  } finally {
    Deno.chdir(before);
    Deno.removeSync(folder, { recursive: true });
  }
}

for (const name of ["missing:latest", "folder", "a.tar/x", "oci:missing"]) {
  Deno.test(`${name}, neither in the store nor a file, is said to be neither`, () =>
    inFolder(() => {
      const error = assertThrows(() => requireSource(name), ImageError, JSON.stringify(name));
      assert(/dhow images/.test(error.message) && /dhow load/.test(error.message));
    }));
}

Deno.test("a file in the current folder can be named without ./", () =>
  inFolder(() => assertEquals(requireSource("a.tar"), undefined)));

Deno.test("a folder in the current folder is meant when a transport says so", () =>
  inFolder(() => assertEquals(requireSource("oci:folder:latest"), undefined)));
