import { assertEquals } from "@std/assert";
import { isCalled, isTag, tagOf } from "../../../../src/image/source/names.ts";

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
    [{ [CONTAINERD]: "docker.io/localhost/app:1" }, "docker.io/localhost/app:1"],
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

for (
  const [tag, reference, expected] of [
    ["app:1", "app:1", true],
    ["app:1", "docker.io/library/app:1", true],
    ["app:latest", "app", true],
    ["app:1", "app", false],
    ["team/app:1", "docker.io/team/app:1", true],
    ["localhost/app:1", "docker.io/localhost/app:1", false],
    ["app:1", "no name", false],
    [undefined, "app:1", false],
  ] as const
) {
  Deno.test(`the image ${tag} is ${expected ? "" : "not "}what is called ${reference}`, () => {
    assertEquals(isTag(tag, reference), expected);
  });
}
