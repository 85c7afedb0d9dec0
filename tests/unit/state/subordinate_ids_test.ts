import { assertEquals } from "@std/assert";
import { belongsTo, parseSubordinateIds } from "../../../src/state/subordinate_ids.ts";

Deno.test("subuid(5): lines of another form are passed over", () => {
  const text = "containers:100:5\n# no:1:2\nbad\na:1\nuser:7:8:9\nother:1:2\n";
  assertEquals(parseSubordinateIds(text), [
    { owner: "containers", start: 100, size: 5 },
    { owner: "other", start: 1, size: 2 },
  ]);
});

Deno.test("ranges belong to a user by name and by number", () => {
  const lines = parseSubordinateIds("sailor:1:1\n1000:2:1\n 1000:3:1 \nother:4:1\n");
  const own = (user: Parameters<typeof belongsTo>[1]) =>
    lines.filter((line) => belongsTo(line, user)).map(({ start }) => start);
  assertEquals(own({ name: "sailor", uid: 1000 }), [1, 2, 3]);
  assertEquals(own({ uid: 7 }), []);
});
