import { assert, assertEquals, assertThrows } from "@std/assert";
import { isPath, requireArchive } from "../../../src/container/image.ts";
import { ImageError } from "../../../src/errors.ts";

for (const name of ["/a.tar", "./a.tar", "../a.tar", "/", "./busybox"]) {
  Deno.test(`${name} can only be a path`, () => assert(isPath(name)));
}

for (const name of ["busybox", "busybox:1", "a/b", ".a/b", "...", ".../x", "", "localhost:5000/x"]) {
  Deno.test(`${JSON.stringify(name)} may be the name of an image`, () => assert(!isPath(name)));
}

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

for (const name of ["missing:latest", "folder", "a.tar/x"]) {
  Deno.test(`${name}, neither in the store nor a file, is said to be neither`, () =>
    inFolder(() => {
      const error = assertThrows(() => requireArchive(name), ImageError, JSON.stringify(name));
      assert(/dhow images/.test(error.message) && /dhow load/.test(error.message));
    }));
}

Deno.test("a file in the current folder can be named without ./", () =>
  inFolder(() => assertEquals(requireArchive("a.tar"), undefined)));
