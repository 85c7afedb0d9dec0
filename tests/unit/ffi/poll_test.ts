import { assertEquals } from "@std/assert";
import { makePipe } from "../../../ffi/process.ts";
import { poll } from "../../../ffi/poll.ts";
import { libcCall } from "../../../ffi/table.ts";

Deno.test("poll tells what can be read, and whose other end is closed", async () => {
  const [one, other, silent] = [makePipe(), makePipe(), makePipe()];
  const readers = [one.reader, other.reader, silent.reader];
  assertEquals(await poll(readers, 0), new Set());
  const first = poll(readers, 60_000);
  libcCall("write", one.writer, "x", 1);
  assertEquals(await first, new Set([one.reader]));
  libcCall("close", other.writer);
  assertEquals(await poll(readers, 60_000), new Set([one.reader, other.reader]));
  for (const fd of [...readers, one.writer, silent.writer]) libcCall("close", fd);
});
