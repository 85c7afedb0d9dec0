import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../src/errors.ts";
import { formatReference, parseReference } from "../../../src/image/reference.ts";

for (
  const [text, repository, tag] of [
    ["busybox", "busybox", "latest"],
    ["busybox:1.36", "busybox", "1.36"],
    ["team/app:V_1.x-y", "team/app", "V_1.x-y"],
    ["example.com/team/app", "example.com/team/app", "latest"],
    ["localhost:5000/app", "localhost:5000/app", "latest"],
    ["localhost:5000/app:2", "localhost:5000/app", "2"],
    ["[::1]:5000/app", "[::1]:5000/app", "latest"],
    ["a--b__c.d", "a--b__c.d", "latest"],
  ] as const
) {
  Deno.test(`${text} is repository ${repository} and tag ${tag}`, () => {
    assertEquals(parseReference(text), { repository, tag });
    assertEquals(formatReference(parseReference(text)), `${repository}:${tag}`);
  });
}

for (
  const text of [
    "",
    "UPPER",
    "a/B",
    ":tag",
    "name:",
    "name:-x",
    `name:${"t".repeat(129)}`,
    "a b",
    "/a",
    "a/",
    "a//b",
    "../a",
  ]
    .concat(["-a", "a_-b", "name\n", "name@sha256:00", `${"n".repeat(256)}`, "é", `${"a/".repeat(5000)}a`])
) {
  Deno.test(`${JSON.stringify(text.slice(0, 40))} is no valid reference`, () => {
    assertThrows(() => parseReference(text), ImageError, "not a valid reference");
  });
}

Deno.test("who writes capitals in a name is told so", () => {
  assertThrows(() => parseReference("BusyBox:1"), ImageError, "the name must be lowercase");
});
