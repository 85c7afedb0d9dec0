import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { recoverStore } from "../../../../src/image/store/recover.ts";
import { ImageStore } from "../../../../src/image/store/store.ts";
import { Database } from "../../../../src/state/database.ts";
import { pathsUnder } from "../../../../src/state/paths.ts";

const CONFIG = JSON.stringify({
  architecture: "amd64",
  os: "linux",
  rootfs: { diff_ids: [`sha256:${"0".repeat(64)}`] },
});
const IDS = ["ab1", "ab2", "cd"].map((start) => `sha256:${start.padEnd(64, "0")}`);

const DIGEST = `sha256:${"d".repeat(64)}`;

function withStore(work: (store: ImageStore) => void): void {
  const folder = Deno.makeTempDirSync();
  const paths = pathsUnder(folder);
  const database = Database.open(paths);
  try {
    for (const id of IDS) database.run("INSERT INTO images (id, config, size) VALUES (?, ?, 1)", id, CONFIG);
    database.run(
      "INSERT INTO tags (reference, image) VALUES ('box:latest', ?), ('cd:1', ?)",
      IDS[0]!,
      IDS[0]!,
    );
    database.run(
      "INSERT INTO digests (repository, digest, image) VALUES ('box', ?, ?), ('localhost:5000/a', ?, ?)",
      DIGEST,
      IDS[1]!,
      DIGEST,
      IDS[2]!,
    );
    work(
      new ImageStore(paths, database, { storage: "unpacked", describe: () => Promise.resolve(undefined) }),
    );
  } finally {
    database.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("an image is found by its names, its id, and the start of its id", () => {
  withStore((store) => {
    const found = (name: string) => store.find(name)?.id;
    assertEquals(["box", "box:latest", "cd:1"].map(found), [IDS[0], IDS[0], IDS[0]]);
    assertEquals(["cd", "sha256:cd", "ab2", IDS[1]!].map(found), [IDS[2], IDS[2], IDS[1], IDS[1]]);
    assertEquals(["box:1", "ce", "", "sha256:", "%", "ab_", "../box"].map(found), Array(7).fill(undefined));
    assertEquals(store.find("box")?.tags, ["box:latest", "cd:1"]);
  });
});

Deno.test("an image is found by the digest that a repository has of it, whatever tag stands before", () => {
  withStore((store) => {
    const found = (name: string) => store.find(name)?.id;
    const names = ["box", "docker.io/library/box", "box:latest", "box:none"].map((name) =>
      `${name}@${DIGEST}`
    );
    assertEquals(names.map(found), Array(4).fill(IDS[1]));
    assertEquals(found(`localhost:5000/a@${DIGEST}`), IDS[2]);
    const unknown = [
      `cd@${DIGEST}`,
      `box@${IDS[1]}`,
      "box@sha256:d",
      DIGEST,
      `@${DIGEST}`,
      `box@${DIGEST}@${DIGEST}`,
    ];
    assertEquals(unknown.map(found), Array(6).fill(undefined));
  });
});

Deno.test("a tag cannot pass for an id", () => {
  withStore((store) => {
    store.database.run("INSERT INTO tags (reference, image) VALUES (?, ?)", IDS[2]!, IDS[0]!);
    assertEquals(store.find(IDS[2]!)?.id, IDS[2]);
  });
});

Deno.test("the start of several ids is refused", () => {
  withStore((store) => {
    assertThrows(() => store.find("ab"), ImageError, "several ids start like that");
  });
});

Deno.test("cleaning up a store that has never held a layer does nothing", () => {
  withStore((store) => {
    recoverStore(store.database, store.paths);
    assertEquals(store.list().length, 3);
  });
});
