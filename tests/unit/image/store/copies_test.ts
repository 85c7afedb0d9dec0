import { assertEquals, assertThrows } from "@std/assert";
import { pathExists } from "../../../../ffi/files.ts";
import { HostError } from "../../../../src/errors.ts";
import { contentOfIndex, contentOfLayers, CopyStore } from "../../../../src/image/store/copies.ts";
import type { Database } from "../../../../src/state/database.ts";
import type { IdMappings } from "../../../../src/state/user_namespace.ts";
import { addContainer, TemporaryState } from "../../state/temporary.ts";

const idsFrom = (hostID: number): IdMappings => {
  const mappings = [{ containerID: 0, hostID, size: 65536 }];
  return { uids: mappings, gids: mappings };
};
const LAYERS = contentOfLayers(["sha256:aa", "sha256:bb"]);

function addWithContent(database: Database, id: string, content: string): void {
  addContainer(database, id);
  database.run("UPDATE containers SET content = ? WHERE id = ?", content, id);
}

function make(copies: CopyStore, container: string, ids: IdMappings, size: number): number {
  const number = copies.reserve(container, ids);
  Deno.mkdirSync(copies.folder(number));
  copies.accept(number, size);
  return number;
}

Deno.test("containers of the same files and the same ids share one copy, and no others do", () => {
  using state = new TemporaryState();
  const database = state.open();
  const copies = new CopyStore(state.paths, database);
  addWithContent(database, "a", LAYERS);
  assertEquals(copies.take("a", idsFrom(1000)), undefined);
  const folder = copies.folder(make(copies, "a", idsFrom(1000), 7));
  assertEquals(copies.take("a", idsFrom(1000)), folder);
  const samples = [
    ["b", LAYERS, 1000, folder],
    ["c", LAYERS, 2000, undefined],
    ["d", contentOfLayers(["sha256:aa"]), 1000, undefined],
    // a file of somebody's with the same names for its layers
    ["e", contentOfIndex(1), 1000, undefined],
  ] as const;
  for (const [id, content, start, expected] of samples) {
    addWithContent(database, id, content);
    assertEquals(copies.take(id, idsFrom(start)), expected, id);
  }
});

Deno.test("a copy stays as long as a container has it, and until somebody prunes", () => {
  using state = new TemporaryState();
  const database = state.open();
  const copies = new CopyStore(state.paths, database);
  for (const id of ["a", "b"]) addWithContent(database, id, LAYERS);
  const [used, unused] = [make(copies, "a", idsFrom(1000), 7), make(copies, "b", idsFrom(2000), 5)];
  copies.take("a", idsFrom(1000));
  assertEquals(copies.usage(), { all: 12, unused: 5 });
  assertEquals(copies.prune(), 5);
  assertEquals([used, unused].map((number) => pathExists(copies.folder(number))), [true, false]);
  database.run("DELETE FROM containers WHERE id = 'a'");
  assertEquals(copies.usage(), { all: 7, unused: 7 });
  assertEquals(copies.condemnUnused(contentOfIndex(1)), []);
  assertEquals(copies.condemnUnused(LAYERS), [{ number: used, size: 7 }]);
});

Deno.test("a copy that was not finished is nobody's", () => {
  using state = new TemporaryState();
  const database = state.open();
  const copies = new CopyStore(state.paths, database);
  addWithContent(database, "a", LAYERS);
  const number = copies.reserve("a", idsFrom(1000));
  Deno.mkdirSync(copies.folder(number));
  assertEquals(copies.take("a", idsFrom(1000)), undefined);
  database.run("UPDATE copies SET owner = ?", JSON.stringify({ pid: 1, startTime: 1, bootId: "another" }));
  copies.files.recover();
  assertEquals(pathExists(copies.folder(number)), false);
  assertEquals(database.all("SELECT * FROM copies"), []);
  assertThrows(() => copies.accept(number, 1), HostError);
});
