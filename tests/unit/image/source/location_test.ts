import { assertEquals } from "@std/assert";
import { isSourcePath, parseLocation } from "../../../../src/image/source/location.ts";

for (
  const [name, transport, path, reference] of [
    ["./a.tar", undefined, "./a.tar", undefined],
    ["busybox:1", undefined, "busybox:1", undefined],
    ["./docker:dind.tar", undefined, "./docker:dind.tar", undefined],
    ["oci:layout", "oci", "layout", undefined],
    ["oci:layout:1.0", "oci", "layout", "1.0"],
    ["oci:/x/layout:localhost:5000/app:1", "oci", "/x/layout", "localhost:5000/app:1"],
    ["oci-archive:a.tar:app", "oci-archive", "a.tar", "app"],
    ["docker-archive:./a.tar:app:1", "docker-archive", "./a.tar", "app:1"],
    ["dir:/x:y", "dir", "/x:y", undefined],
    ["oci:", undefined, "oci:", undefined],
    ["docker:busybox", undefined, "docker:busybox", undefined],
  ] as const
) {
  Deno.test(`${name} is ${path}${transport === undefined ? "" : `, read as ${transport}`}`, () => {
    assertEquals(parseLocation(name), { transport, path, reference });
  });
}

for (
  const name of [
    "/a.tar",
    "./a.tar",
    "../a.tar",
    "/",
    "./busybox",
    "oci:./x",
    "dir:/x",
    "oci-archive:a/b.tar:x",
  ]
) {
  Deno.test(`${name} can only be a path`, () => assertEquals(isSourcePath(name), true));
}

for (
  const name of [
    "busybox",
    "busybox:1",
    "a/b",
    ".a/b",
    "...",
    ".../x",
    "",
    "localhost:5000/x",
    "oci:1",
    "dir:latest",
  ]
) {
  Deno.test(`${JSON.stringify(name)} may be the name of an image`, () =>
    assertEquals(isSourcePath(name), false));
}
