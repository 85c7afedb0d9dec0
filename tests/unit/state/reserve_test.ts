import { assert, assertEquals } from "@std/assert";
import { databasePath } from "../../../src/state/paths.ts";
import { TemporaryState } from "./temporary.ts";

Deno.test("a database has space on the disk that it does not need yet, and gets new when it is used up", () => {
  using state = new TemporaryState();
  const path = databasePath(state.paths);
  const free = () => {
    const database = state.open();
    const { freelist_count: pages } = database.get<{ freelist_count: number }>("PRAGMA freelist_count")!;
    return { database, pages };
  };
  const { database, pages } = free();
  assert(pages >= 60, `${pages} pages are free`);
  const { blocks } = Deno.statSync(`${path}-wal`);
  assert(blocks! * 512 >= 512 << 10, `the log has ${blocks} blocks`);
  // what is in the way has its blocks, too: there are no holes
  const { size, blocks: own } = Deno.statSync(path);
  assert(own! * 512 >= size, `the database has ${size} bytes and ${own} blocks`);
  database.run("INSERT INTO reserve VALUES (zeroblob(?))", (pages - 10) * 4096);
  assert(free().pages >= 60);
  assertEquals(database.get<{ count: number }>("SELECT count(*) AS count FROM reserve")!.count, 0);
});
