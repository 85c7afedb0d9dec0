import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../src/errors.ts";
import { matchesReference } from "../../../src/image/pattern.ts";

const CASES: readonly [pattern: string, reference: string, fits: boolean][] = [
  ["busybox", "busybox:latest", true],
  ["busybox:latest", "busybox:latest", true],
  ["busybox:1", "busybox:latest", false],
  ["busy", "busybox:latest", false],
  ["busy*", "busybox:latest", true],
  ["*box", "busybox:latest", true],
  ["*", "busybox:latest", true],
  ["*", "team/app:latest", false],
  ["*/*", "team/app:latest", true],
  ["*/*", "a/team/app:1", false],
  ["*/app", "team/app:1", true],
  ["t*/a*", "team/app:1", true],
  ["t*/b*", "team/app:1", false],
  ["*/a*", "x/y/ab:1", false],
  ["busybo?", "busybox:1", true],
  ["?eam?app", "team/app:1", false],
  ["[a-c]usybox", "busybox:1", true],
  ["[^a-c]usybox", "busybox:1", false],
  ["[^x]usybox", "busybox:1", true],
  ["[xyb]usybox", "busybox:1", true],
  ["\\busybox", "busybox:1", true],
  ["bu\\*", "busybox:1", false],
  ["[\\-b]usybox", "busybox:1", true],
  ["app@*", "app@sha256:0", true],
  ["app", "app@sha256:0", true],
  ["h:5000/*", "h:5000/app:1", true],
  ["**sy**x", "busybox:1", true],
  ["", "busybox:1", false],
];

for (const [pattern, reference, fits] of CASES) {
  Deno.test(`the pattern ${JSON.stringify(pattern)} ${fits ? "fits" : "does not fit"} ${reference}`, () => {
    assertEquals(matchesReference(pattern, reference), fits);
  });
}

for (const pattern of ["[", "a[", "[]", "[a", "[a-", "[-a]", "[a-]", "[^", "a\\", "[\\"]) {
  Deno.test(`the pattern ${JSON.stringify(pattern)} is malformed`, () => {
    assertThrows(() => matchesReference(pattern, "busybox:1"), ImageError, "syntax error in pattern");
  });
}

Deno.test("a pattern of many stars is decided at once", () => {
  const name = "a".repeat(250);
  assertEquals(matchesReference(`${"*a".repeat(500)}b`, `${name}:1`), false);
  assertEquals(matchesReference(`${"*a".repeat(100)}*`, `${name}:1`), true);
});
