import { assert, assertEquals, assertRejects } from "@std/assert";
import { HostError } from "../../../src/errors.ts";
import { recordUndo, undoAll } from "../../../src/container/journal.ts";
import type { Undo } from "../../../src/plan/step.ts";
import type { Database } from "../../../src/state/database.ts";
import { addContainer, TemporaryState } from "../state/temporary.ts";

function journal(database: Database, id: string): Undo[] {
  return JSON.parse(
    database.get<{ undo: string }>("SELECT undo FROM containers WHERE id = ?", id)?.undo ?? "null",
  );
}

const exists = (path: string) => {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
};

Deno.test("what must be undone is added behind what was there, for that container only", () => {
  using state = new TemporaryState();
  const database = state.open();
  addContainer(database, "a");
  addContainer(database, "b");
  const undos: Undo[] = [
    { undo: "remove-tree", path: `/x/"quoted"\n'$[#]` },
    { undo: "kill", pid: 1, startTime: 2 ** 40, bootId: "boot" },
    { undo: "remove-cgroups", folders: ["/p/a"] },
  ];
  for (const undo of undos) recordUndo(database, "a", undo);
  assertEquals(journal(database, "a"), undos);
  assertEquals(journal(database, "b"), []);
});

Deno.test("what was written down is there for another command at once", () => {
  using state = new TemporaryState();
  const [one, other] = [state.open(), state.open()];
  addContainer(one, "a");
  recordUndo(one, "a", { undo: "remove-tree", path: "/x" });
  assertEquals(journal(other, "a"), [{ undo: "remove-tree", path: "/x" }]);
});

Deno.test("a container is forgotten once all of it is gone, whether or not it was ever made", async () => {
  using state = new TemporaryState();
  const database = state.open();
  addContainer(database, "a", "web1");
  const folder = `${state.paths.state}/made`;
  Deno.mkdirSync(`${folder}/below`, { recursive: true });
  recordUndo(database, "a", { undo: "remove-tree", path: folder });
  recordUndo(database, "a", { undo: "remove-tree", path: `${state.paths.state}/never-made` });
  await undoAll(database, state.paths, "a", { quick: false });
  assert(!exists(folder));
  assertEquals(database.all("SELECT * FROM containers"), []);
  addContainer(database, "b", "web1");
});

Deno.test("undoing again, or a container that there is not, is harmless", async () => {
  using state = new TemporaryState();
  const database = state.open();
  addContainer(database, "a");
  await undoAll(database, state.paths, "a", { quick: false });
  await undoAll(database, state.paths, "a", { quick: false });
  await undoAll(database, state.paths, "missing", { quick: true });
});

Deno.test("links in what is removed are removed, and what they point to is not", async () => {
  using state = new TemporaryState();
  const database = state.open();
  const [tree, outside] = [`${state.paths.state}/tree`, `${state.paths.state}/outside`];
  Deno.mkdirSync(tree);
  Deno.mkdirSync(outside);
  Deno.writeTextFileSync(`${outside}/file`, "kept");
  Deno.symlinkSync(outside, `${tree}/link`);
  addContainer(database, "a");
  recordUndo(database, "a", { undo: "remove-tree", path: tree });
  await undoAll(database, state.paths, "a", { quick: false });
  assert(!exists(tree));
  assertEquals(Deno.readTextFileSync(`${outside}/file`), "kept");
});

Deno.test("a failure keeps the container on record, and does not keep the rest from being undone", async () => {
  using state = new TemporaryState();
  const database = state.open();
  const folder = `${state.paths.state}/first`;
  Deno.mkdirSync(folder);
  addContainer(database, "a");
  recordUndo(database, "a", { undo: "remove-tree", path: folder });
  recordUndo(database, "a", { undo: "remove-tree", path: "/proc/self/status/x" }); // not a folder, and cannot become one
  const error = await assertRejects(() => undoAll(database, state.paths, "a", { quick: false }), HostError);
  assertEquals((error.cause as AggregateError).errors.length, 1);
  assert(!exists(folder), "the entry before the one that failed was not carried out");
  assertEquals(journal(database, "a").length, 2);
});

Deno.test("entries are carried out from the last to the first", async () => {
  using state = new TemporaryState();
  const database = state.open();
  addContainer(database, "a");
  for (const name of ["1", "2", "3"]) {
    recordUndo(database, "a", { undo: "remove-tree", path: `/proc/self/status/${name}` });
  }
  const error = await assertRejects(() => undoAll(database, state.paths, "a", { quick: false }), HostError);
  const order = (error.cause as AggregateError).errors.map((cause) =>
    /status\/(\d)/.exec(String(cause))?.[1]
  );
  assertEquals(order, ["3", "2", "1"]);
});
