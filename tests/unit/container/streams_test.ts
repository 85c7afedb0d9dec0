import { assertEquals } from "@std/assert";
import { AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_WRONLY } from "../../../ffi/constants.ts";
import { ENOSPC, EPIPE } from "../../../ffi/errno.ts";
import { makePipe } from "../../../ffi/process.ts";
import { libcCall } from "../../../ffi/table.ts";
import { copy, Writer } from "../../../src/container/streams.ts";

const open = (path: string, flags: number) => libcCall("openat", AT_FDCWD, path, flags | O_CLOEXEC);

Deno.test("all is written to who takes it slowly, whether the descriptor waits or not", async () => {
  // more than a pipe holds, and than is written at once
  const bytes = new Uint8Array(300_000).map((_, index) => index % 251);
  const path = Deno.makeTempFileSync({ prefix: "dhow-unit-" });
  using writer = new Writer();
  try {
    for (const flags of [0, O_NONBLOCK]) {
      const pipe = makePipe();
      const end = open(`/proc/self/fd/${pipe.writer}`, O_WRONLY | flags);
      libcCall("close", pipe.writer);
      const written = writer.write(end, bytes);
      const file = open(path, O_WRONLY);
      const copied = copy(pipe.reader, file);
      assertEquals(await written, 0);
      libcCall("close", end);
      await copied;
      assertEquals(Deno.readFileSync(path), bytes);
      for (const fd of [pipe.reader, file]) libcCall("close", fd);
      Deno.truncateSync(path);
    }
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("who takes no more is told apart by why", async () => {
  using writer = new Writer();
  const pipe = makePipe();
  libcCall("close", pipe.reader);
  assertEquals(await writer.write(pipe.writer, new Uint8Array(1)), EPIPE);
  libcCall("close", pipe.writer);
  const full = open("/dev/full", O_WRONLY);
  assertEquals(await writer.write(full, new Uint8Array(1)), ENOSPC);
  libcCall("close", full);
});
