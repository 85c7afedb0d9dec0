import { assertEquals } from "@std/assert";
import { eventsAfter, lastEvent, recordEvent } from "../../../src/container/events.ts";
import { TemporaryState } from "../state/temporary.ts";

const CONFIG = JSON.stringify({ options: { image: "busybox", labels: { colour: "blue" } } });
const ABOUT = { colour: "blue", image: "busybox", name: "one" };

Deno.test("what changes in the database becomes an event, unless the change is rolled back", () => {
  using state = new TemporaryState();
  const database = state.open();
  const add = (id: string) =>
    database.run(
      "INSERT INTO containers (id, name, owner, undo, status, config) VALUES (?, 'one', 'null', '[]', 'created', ?)",
      id,
      CONFIG,
    );
  try {
    database.transaction(() => {
      add("lost");
      throw new Error("rolled back");
    });
  } catch {
    // as it should be
  }
  add("a");
  database.run("UPDATE containers SET status = 'running' WHERE id = 'a'");
  recordEvent(database, "a", "pause");
  recordEvent(database, "a", "kill", { signal: "15" });
  recordEvent(database, "gone", "stop");
  database.run("UPDATE containers SET status = 'exited', exit_code = 3 WHERE id = 'a'");
  database.run("DELETE FROM containers WHERE id = 'a'");
  const told = eventsAfter(database, 0).map(({ action, attributes }) => ({ action, attributes }));
  assertEquals(told, [
    { action: "create", attributes: ABOUT },
    { action: "start", attributes: ABOUT },
    { action: "pause", attributes: ABOUT },
    { action: "kill", attributes: { ...ABOUT, signal: "15" } },
    { action: "die", attributes: { ...ABOUT, exitCode: "3" } },
    { action: "destroy", attributes: ABOUT },
  ]);
});

Deno.test("the newest 1000 events are kept", () => {
  using state = new TemporaryState();
  const database = state.open();
  database.transaction(() => {
    database.run(
      "INSERT INTO containers (id, name, owner, undo, status, config) VALUES ('a', 'one', 'null', '[]', 'created', ?)",
      CONFIG,
    );
    for (let number = 0; number < 1200; number++) recordEvent(database, "a", "pause");
  });
  const kept = eventsAfter(database, 0);
  assertEquals([kept.length, kept.at(-1)?.id], [1000, lastEvent(database)]);
});
