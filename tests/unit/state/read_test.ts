import { assertEquals, assertMatch } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";
import { cloneWalking, STACK_SIZE, waitForExit } from "../../../ffi/process.ts";
import { CallTable } from "../../../ffi/table.ts";
import { readIfThere } from "../../../src/state/read.ts";
import { eventually } from "../../support/eventually.ts";

Deno.test("what the kernel tells of a process that ends, or has ended, is nothing", async () => {
  const table = new CallTable(new Arena((256 << 10) + STACK_SIZE), 1);
  table.call("_exit", [0]);
  const pid = cloneWalking(table, 0);
  try {
    await eventually(() => assertMatch(readIfThere(`/proc/${pid}/stat`) ?? "", /\) Z /));
    assertEquals(readIfThere(`/proc/${pid}/mountinfo`), undefined);
  } finally {
    await waitForExit(pid);
  }
  assertEquals(readIfThere(`/proc/${pid}/mountinfo`), undefined);
});
