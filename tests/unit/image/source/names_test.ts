import { assertEquals } from "@std/assert";
import { familiar, isCalled, tagOf } from "../../../../src/image/source/names.ts";

for (
  const [name, shown] of [
    ["docker.io/library/busybox:1", "busybox:1"],
    ["docker.io/team/app:1", "team/app:1"],
    ["docker.io/library/team/app:1", "library/team/app:1"],
    ["busybox", "busybox"],
    ["localhost/app:1", "localhost/app:1"],
    ["example.com/library/app", "example.com/library/app"],
  ] as const
) {
  Deno.test(`${name} is shown as ${shown}`, () => assertEquals(familiar(name), shown));
}

const REFERENCE = "org.opencontainers.image.ref.name";
const CONTAINERD = "io.containerd.image.name";

for (
  const [annotations, tag] of [
    [{}, undefined],
    [{ [REFERENCE]: "docker.io/library/app:1" }, "app:1"],
    [{ [REFERENCE]: "localhost/app" }, "localhost/app:latest"],
    [{ [REFERENCE]: "app:1" }, "app:1"],
    [{ [REFERENCE]: "1.0" }, undefined],
    [{ [REFERENCE]: "latest" }, undefined],
    [{ [REFERENCE]: "No/Name:1" }, undefined],
    [{ [REFERENCE]: `app@sha256:${"0".repeat(64)}` }, undefined],
    [{ [CONTAINERD]: "docker.io/library/app:1", [REFERENCE]: "1" }, "app:1"],
    [{ [CONTAINERD]: "app" }, "app:latest"],
    [{ other: "app:1" }, undefined],
  ] as const
) {
  Deno.test(`the annotations ${JSON.stringify(annotations)} give the tag ${tag}`, () => {
    assertEquals(tagOf(new Map(Object.entries(annotations))), tag);
  });
}

Deno.test("an image of a layout is found by its name there, and by its whole name, with and without defaults", () => {
  const annotations = new Map([[CONTAINERD, "docker.io/library/app:1"], [REFERENCE, "1"]]);
  for (const name of ["1", "app:1", "docker.io/library/app:1"]) {
    assertEquals(isCalled(annotations, name), true);
  }
  for (const name of ["app", "2", "app:2", "x/app:1"]) assertEquals(isCalled(annotations, name), false);
  const latest = new Map([[REFERENCE, "localhost/app:latest"]]);
  for (const name of ["localhost/app", "localhost/app:latest"]) assertEquals(isCalled(latest, name), true);
  assertEquals(isCalled(latest, "app"), false);
});
