import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../src/errors.ts";
import {
  formatFullName,
  formatImageName,
  formatReference,
  parseImageName,
  parseReference,
  saysNoTag,
} from "../../../src/image/reference.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

// what docker's own library makes of them (github.com/distribution/reference)
for (
  const [text, domain, path, familiar] of [
    ["busybox", "docker.io", "library/busybox", "busybox:latest"],
    ["busybox:1.36", "docker.io", "library/busybox", "busybox:1.36"],
    ["library/busybox", "docker.io", "library/busybox", "busybox:latest"],
    ["docker.io/busybox", "docker.io", "library/busybox", "busybox:latest"],
    ["docker.io/library/busybox:1", "docker.io", "library/busybox", "busybox:1"],
    ["index.docker.io/library/busybox", "docker.io", "library/busybox", "busybox:latest"],
    ["index.docker.io/team/app", "docker.io", "team/app", "team/app:latest"],
    ["docker.io/library/a/b", "docker.io", "library/a/b", "library/a/b:latest"],
    ["team/app:V_1.x-y", "docker.io", "team/app", "team/app:V_1.x-y"],
    ["example.com/app", "example.com", "app", "example.com/app:latest"],
    ["example.com/team/app", "example.com", "team/app", "example.com/team/app:latest"],
    ["example.com/library/app", "example.com", "library/app", "example.com/library/app:latest"],
    ["localhost/app", "localhost", "app", "localhost/app:latest"],
    ["localhost:5000/app", "localhost:5000", "app", "localhost:5000/app:latest"],
    ["localhost:5000/app:2", "localhost:5000", "app", "localhost:5000/app:2"],
    ["127.0.0.1/app", "127.0.0.1", "app", "127.0.0.1/app:latest"],
    ["[::1]:5000/app", "[::1]:5000", "app", "[::1]:5000/app:latest"],
    ["Host/app", "Host", "app", "Host/app:latest"],
    ["a--b__c.d", "docker.io", "library/a--b__c.d", "a--b__c.d:latest"],
    ["localhost", "docker.io", "library/localhost", "localhost:latest"],
    ["docker.io/localhost/app", "docker.io", "localhost/app", "docker.io/localhost/app:latest"],
    ["docker.io/docker.io/app:1", "docker.io", "docker.io/app", "docker.io/docker.io/app:1"],
  ] as const
) {
  Deno.test(`${text} is ${path} at ${domain}, and printed as ${familiar}`, () => {
    const reference = parseReference(text);
    assertEquals([reference.domain, reference.path], [domain, path]);
    assertEquals(formatReference(reference), familiar);
    assertEquals(formatFullName(reference), `${domain}/${path}:${reference.tag}`);
    assertEquals(parseReference(formatFullName(reference)), reference);
    assertEquals(parseReference(familiar), reference);
  });
}

for (
  const [text, tag, familiar, full] of [
    [`busybox@${DIGEST}`, undefined, `busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
    [`busybox:1@${DIGEST}`, "1", `busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
    [
      `localhost:5000/app@${DIGEST}`,
      undefined,
      `localhost:5000/app@${DIGEST}`,
      `localhost:5000/app@${DIGEST}`,
    ],
  ] as const
) {
  Deno.test(`${text.slice(0, 30)}… names an image by its digest`, () => {
    const name = parseImageName(text);
    assertEquals([name.tag, name.digest], [tag, DIGEST]);
    assertEquals(formatImageName(name), familiar);
    assertEquals(formatFullName(name), full);
    assertThrows(() => parseReference(text), ImageError, "it has a digest");
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
    "docker.io/",
    "ex_ample.com/a",
    "[::1/a",
    "-host.tld/a",
    "host.tld:port/a",
    `a@${DIGEST}@${DIGEST}`,
    `a@${DIGEST.toUpperCase()}`,
    "a@md5:00000000000000000000000000000000",
  ]
    .concat(["-a", "a_-b", "name\n", "name@sha256:00", `${"n".repeat(256)}`, "é", `${"a/".repeat(5000)}a`])
) {
  Deno.test(`${JSON.stringify(text.slice(0, 40))} is no valid reference`, () => {
    assertThrows(() => parseImageName(text), ImageError, "not a valid reference");
    assertThrows(() => parseReference(text), ImageError, "not a valid reference");
  });
}

Deno.test("who writes capitals in a name is told so", () => {
  assertThrows(() => parseReference("BusyBox:1"), ImageError, "the name must be lowercase");
});

Deno.test("an image's id is no name", () => {
  assertThrows(() => parseReference("0a".repeat(32)), ImageError, "an image's id");
  for (const name of [DIGEST, "sha256:abc", "sha256", "docker.io/library/sha256:1"]) {
    assertThrows(() => parseImageName(name), ImageError, "an image's id");
  }
  assertEquals(parseReference("localhost:5000/sha256:1").path, "sha256");
});

for (
  const [text, expected] of [
    ["busybox", true],
    ["localhost:5000/app", true],
    ["busybox:1", false],
    ["localhost:5000/app:1", false],
    [`busybox@${DIGEST}`, false],
  ] as const
) {
  Deno.test(`${text.slice(0, 20)} ${expected ? "leaves the tag open" : "says which image of the repository"}`, () => {
    assertEquals(saysNoTag(text), expected);
  });
}
