import { assertEquals } from "@std/assert";
import { isAtLeast, parseRelease } from "../../src/kernel_release.ts";

Deno.test("a release is its version and revision, whatever follows", () => {
  assertEquals(parseRelease("6.1.0-18-amd64"), [6, 1]);
  assertEquals(parseRelease("5.19-rc3"), [5, 19]);
  assertEquals(parseRelease("none"), [0, 0]);
});

Deno.test("versions are compared by their numbers", () => {
  const isNew = (release: string) => isAtLeast(parseRelease(release), [5, 10]);
  assertEquals(["5.9.1", "5.10.0", "5.11.2", "4.20.0", "6.0.0"].map(isNew), [false, true, true, false, true]);
});
