import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { type ArchiveCache, identityOf } from "../../../../src/image/store/archives.ts";
import { ImageStore } from "../../../../src/image/store/store.ts";
import { Database } from "../../../../src/state/database.ts";
import { pathsUnder } from "../../../../src/state/paths.ts";

interface Case {
  readonly archives: ArchiveCache;
  /** Enters an archive, whose index has 5 bytes. */
  readonly use: (path: string) => void;
  readonly file: (name: string) => string;
}

function withArchives(work: (here: Case) => void): void {
  const folder = Deno.makeTempDirSync();
  const paths = pathsUnder(join(folder, "store"));
  const database = Database.open(paths);
  try {
    const describe = () => Promise.resolve(undefined);
    const { archives, indexes } = new ImageStore(paths, database, { storage: undefined, describe });
    const use = (path: string) => {
      const number = indexes.reserve([]);
      Deno.writeTextFileSync(indexes.path(number), "index");
      archives.add(path, identityOf(path)!, { image: "sha256:0", config: "{}", facts: null, index: number });
    };
    work({ archives, use, file: (name) => join(folder, name) });
  } finally {
    database.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

function write(path: string): string {
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeTextFileSync(path, "archive");
  return path;
}

Deno.test("an archive whose folder became a circle of symlinks is forgotten, and others can be used", () => {
  withArchives(({ archives, use, file }) => {
    const [gone, there] = [write(file("folder/a.tar")), write(file("b.tar"))];
    use(gone);
    Deno.removeSync(file("folder"), { recursive: true });
    Deno.symlinkSync("folder", file("folder"));
    assertEquals(identityOf(gone), undefined);
    use(there);
    assertEquals(archives.find(there, identityOf(there)!)?.image, "sha256:0");
    assertEquals(archives.pathOf("sha256:0"), there);
  });
});

Deno.test("an index that somebody removed gives back nothing when its archive is forgotten", () => {
  withArchives(({ archives, use, file }) => {
    const paths = ["a.tar", "b.tar"].map((name) => write(file(name)));
    paths.forEach(use);
    Deno.removeSync(archives.indexes.path(1));
    for (const path of paths) Deno.removeSync(path);
    assertEquals(archives.prune(), 5);
    assertEquals(archives.pathOf("sha256:0"), undefined);
    assertEquals(archives.prune(), 0);
  });
});
