import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { join } from "@std/path";
import { databasePath, pathsUnder } from "../../src/state/paths.ts";
import { assertSuccess } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxLayer } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

/** All that the store has: the rows of its database, and its files, by path, inode, size and times. */
function contents(host: Host): string[] {
  const rows = rowsOf(host.path(databasePath(pathsUnder())));
  assert(rows.length > 0);
  return [...rows, ...filesBelow(host.path(pathsUnder().state))];
}

/** Of a copy: SQLite would follow /proc/PID/root to the machine's own files. */
function rowsOf(path: string): string[] {
  const folder = Deno.makeTempDirSync({ prefix: "dhow-test-" });
  try {
    for (const suffix of ["", "-wal"]) Deno.copyFileSync(`${path}${suffix}`, `${folder}/db${suffix}`);
    const database = new DatabaseSync(`${folder}/db`);
    const rows = (query: string) => database.prepare(query).all().map((row) => JSON.stringify(row));
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
      .all();
    const all = tables.flatMap(({ name }) => rows(`SELECT * FROM "${name}"`).map((row) => `${name}: ${row}`));
    database.close();
    return all;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The database itself is compared by its rows. */
function filesBelow(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder)).filter(({ name }) => !name.startsWith("dhow.db"))
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap(({ name, isDirectory }) => {
      const path = join(folder, name);
      const { ino, size, mtime, ctime } = Deno.lstatSync(path);
      const line = `${path} ${ino} ${size} ${mtime?.getTime()} ${ctime?.getTime()}`;
      return [line, ...(isDirectory ? filesBelow(path) : [])];
    });
}

/** Each layer has something to say about the one below it. */
const LAYERS = [
  busyboxLayer(),
  [
    { path: "d/", type: "directory" },
    { path: "d/hidden", content: "" },
    { path: "gone", content: "" },
    { path: "etc/passwd", content: "ann:x:7:8::/home/ann:/bin/sh\n" },
  ],
  [
    { path: "d/", type: "directory" },
    { path: "d/.wh..wh..opq", content: "" },
    { path: "d/seen", content: "" },
    { path: ".wh.gone", content: "" },
  ],
] as const;
const FLAGS = ["--network", "none", "--hostname", "explained", "-u", "ann"];
const PROGRAM = ["sh", "-c", "id -u; ls -d /d/* /gone"];

for (const [form, globals] of [["in its best form", []], ["unpacked", ["--storage", "unpacked"]]] as const) {
  systemTest(
    `explain of an image that is kept ${form} changes nothing, and its script runs it`,
    async (host) => {
      const dhow = (...args: string[]) => host.dhow([...globals, ...args]);
      const path = await host.write("image.tar", archive({ layers: LAYERS, tags: ["box:latest"] }));
      assertSuccess(await dhow("load", "-q", "-i", path));
      const loaded = contents(host);
      const explained = await dhow("explain", "run", ...FLAGS, "box", ...PROGRAM);
      assertSuccess(explained);
      assertEquals(contents(host), loaded);
      const byHand = await host.run(["sh", await host.write("explained.sh", explained.stdout)]);
      assertEquals(contents(host), loaded);
      const ran = await dhow("run", ...FLAGS, "box", ...PROGRAM);
      assertEquals([byHand.code, byHand.stdout, byHand.stderr], [ran.code, ran.stdout, ran.stderr]);
      assertMatch(ran.stdout, /^7\n\/d\/seen\n$/);
      // nor does it once the image has been run
      const used = contents(host);
      assertSuccess(await dhow("explain", "run", ...FLAGS, "box", ...PROGRAM));
      assertEquals(contents(host), used);
    },
  );
}
