import { assertEquals, assertRejects } from "@std/assert";
import { SystemCallError } from "../../../ffi/errno.ts";
import { pathExists } from "../../../ffi/files.ts";
import { carryOut } from "../../../src/plan/undo.ts";

Deno.test("a cgroup that cannot be removed is named, and does not keep the others", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const [full, missing, empty] = ["full", "missing", "empty"].map((name) => `${folder}/${name}`) as [
      string,
      string,
      string,
    ];
    Deno.mkdirSync(`${full}/below`, { recursive: true });
    Deno.mkdirSync(empty);
    const undo = { undo: "remove-cgroups", folders: [full, missing, empty] } as const;
    const error = await assertRejects(() => carryOut(undo, { quick: true }), SystemCallError);
    assertEquals(error.message, `rmdir "${full}": directory not empty (ENOTEMPTY)`);
    assertEquals([pathExists(full), pathExists(empty)], [true, false]);
    Deno.removeSync(`${full}/below`);
    await carryOut(undo, { quick: true });
    assertEquals(pathExists(full), false);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
