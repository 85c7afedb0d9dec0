import { assertEquals, assertThrows } from "@std/assert";
import { locateImage, registryName } from "../../../src/container/locate.ts";
import { ImageError } from "../../../src/errors.ts";
import { type Platform } from "../../../src/image/platform.ts";
import type { StoredImage } from "../../../src/image/store/store.ts";
import { CONFIG } from "./sample.ts";

const ID = `sha256:${"a".repeat(64)}`;
const BOX: StoredImage = {
  id: ID,
  config: CONFIG,
  configText: "",
  tags: ["box:latest"],
  digests: [],
  size: 0,
  mediaType: null,
};
const STORE = { find: (name: string) => ["box", "aaa", ID].includes(name) ? BOX : undefined };
const AMD64: Platform = { os: "linux", architecture: "amd64" };
const ARM64: Platform = { os: "linux", architecture: "arm64" };

/** Runs `work` in a new folder that holds files `a.tar` and `box`, a folder `folder`, and a symlink to itself. */
function inFolder(work: () => void): void {
  const before = Deno.cwd();
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  for (const name of ["a.tar", "box"]) Deno.writeTextFileSync(`${folder}/${name}`, "");
  Deno.mkdirSync(`${folder}/folder`);
  Deno.symlinkSync("circle", `${folder}/circle`);
  try {
    Deno.chdir(folder);
    work();
  } finally {
    Deno.chdir(before);
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Where a name leads; for one that would be pulled, as what. */
function where(text: string, platform?: Platform): string {
  const found = locateImage(STORE, text, platform);
  return found.kind === "registry" ? `${found.name.domain}/${found.name.path}` : found.kind;
}

for (
  const [text, expected] of [
    ["box", "store"],
    ["aaa", "store"],
    [ID, "store"],
    ["./box", "file"],
    ["/nowhere/a.tar", "file"],
    ["a.tar", "file"],
    ["oci:folder:latest", "file"],
    // a folder is not meant, unless a transport says so
    ["folder", "docker.io/library/folder"],
    ["missing:1", "docker.io/library/missing"],
    ["circle", "docker.io/library/circle"],
    ["localhost:5000/team/app", "localhost:5000/team/app"],
    ["folder/missing", "docker.io/folder/missing"],
  ] as const
) {
  Deno.test(`${text.slice(0, 30)} is looked for here: ${expected}`, () =>
    inFolder(() => assertEquals(where(text), expected)));
}

for (const text of ["oci:missing", "Missing", "a.tar/X", `sha256:${"b".repeat(64)}`, "b".repeat(64)]) {
  Deno.test(`${text.slice(0, 30)}, neither in the store nor a file, cannot be pulled`, () =>
    inFolder(() => {
      for (const locate of [where, registryName]) {
        const { message } = assertThrows(() => locate(text), ImageError, JSON.stringify(text));
        assertEquals([message.includes("dhow images"), message.includes("dhow load")], [true, true]);
      }
    }));
}

Deno.test("what no file can be called, or leads in circles, is no file", () =>
  inFolder(() => {
    assertEquals(where("circle"), "docker.io/library/circle");
    assertThrows(() => where("x".repeat(300)), ImageError, "no such file");
  }));

Deno.test("a path is not pulled, even when that is always done", () => {
  for (const text of ["./box", "/box", "oci:./x"]) {
    assertThrows(() => registryName(text), ImageError, "it is a path");
  }
});

Deno.test("an image for another platform counts as missing, but not when it was named by its id", () => {
  assertEquals([where("box", AMD64), where("box", ARM64)], ["store", "docker.io/library/box"]);
  const said = "does not match the specified platform: wanted linux/arm64, actual: linux/amd64";
  const found = locateImage(STORE, "box", ARM64);
  assertEquals(found.kind === "registry" && found.absence.message.endsWith(said), true);
  for (const id of [ID, "aaa"]) assertThrows(() => where(id, ARM64), ImageError, said);
});

Deno.test("what is missing is said in docker's words", () => {
  const found = locateImage(STORE, "nope", undefined);
  assertEquals(
    found.kind === "registry" && found.absence.message,
    "No such image: nope:latest; download it with: dhow pull nope:latest",
  );
});
