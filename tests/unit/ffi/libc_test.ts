import { assert, assertEquals, assertThrows } from "@std/assert";
import { mapShared, walkerAddress } from "../../../ffi/libc.ts";

Deno.test("memory that cannot be mapped is an error", () => {
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
