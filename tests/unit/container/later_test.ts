import { assert, assertEquals, assertMatch } from "@std/assert";
import { startSleeper } from "../../../src/container/later.ts";
import { waitForExit } from "../../../ffi/process.ts";
import { eventually } from "../../support/eventually.ts";
import { memoryOf } from "../../support/memory.ts";

Deno.test("a sleeper waits without Deno, and then becomes the command", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  try {
    const fifo = `${folder}/fifo`;
    await new Deno.Command("mkfifo", { args: [fifo] }).output();
    // it cannot go on before the fifo has a reader
    const { pid } = startSleeper(1, ["/bin/sh", "-c", `ls /proc/self/fd | wc -l >${fifo}`]);
    assertEquals((await Deno.readTextFile(fifo)).trim(), "4");
    assertEquals(await waitForExit(pid), { code: 0 });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a sleeper keeps less than 100 KiB", async () => {
  const { pid } = startSleeper(1_000_000, ["/bin/true"]);
  try {
    await eventually(() => assertMatch(Deno.readTextFileSync(`/proc/${pid}/comm`), /^dhow-sleeper/));
    const kept = memoryOf(`/proc/${pid}`);
    assert(kept > 0 && kept < 100, `${kept} KiB`);
  } finally {
    Deno.kill(pid, "SIGKILL");
    assertEquals(await waitForExit(pid), { signal: 9 });
  }
});
