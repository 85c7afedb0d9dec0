import { assert, assertEquals, assertThrows } from "@std/assert";
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../../../ffi/constants.ts";
import { mapFile, mapShared, unmap, walkerAddress } from "../../../ffi/libc.ts";
import { libcCall } from "../../../ffi/table.ts";

Deno.test("mapFile shows a file's content, also after its descriptor was closed", () => {
  const path = Deno.makeTempFileSync();
  try {
    const content = new Uint8Array(10_000).map((_, index) => index % 251);
    Deno.writeFileSync(path, content);
    const fd = libcCall("openat", AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    const { address, buffer } = mapFile(fd, content.length);
    libcCall("close", fd);
    assertEquals(new Uint8Array(buffer), content);
    unmap(address, content.length);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("memory that cannot be mapped is an error", () => {
  assertThrows(() => mapFile(-1, 4096), Error, "cannot map 4096 bytes of memory");
  assertThrows(() => mapShared(2 ** 52), Error, "cannot map 4503599627370496 bytes of memory");
});

Deno.test("no memory of the walker is writable and executable at once", () => {
  const line = Deno.readTextFileSync("/proc/self/maps").split("\n").find((line) => {
    const [start = 0, end = 0] = (line.split(" ")[0] ?? "").split("-").map((text) => parseInt(text, 16));
    return start <= walkerAddress && walkerAddress < end;
  });
  assert(line !== undefined);
  assertEquals(line.split(" ")[1], "r-xp");
});
