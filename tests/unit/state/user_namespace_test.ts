import { assertEquals } from "@std/assert";
import {
  isMapped,
  isSingle,
  lastInRow,
  ownNamespace,
  parseIdMap,
} from "../../../src/state/user_namespace.ts";

const SINGLE = parseIdMap("         0       1000          1\n");
const RANGES = parseIdMap("         0       1000          1\n         1     100000      65536\n");

Deno.test("a map is read as the kernel writes it", () => {
  assertEquals(SINGLE, [{ inside: 0, outside: 1000, count: 1 }]);
  assertEquals(RANGES[1], { inside: 1, outside: 100000, count: 65536 });
});

Deno.test("which ids there are, and which is the last", () => {
  assertEquals([isSingle({ uids: SINGLE, gids: SINGLE }), isSingle({ uids: RANGES, gids: RANGES })], [
    true,
    false,
  ]);
  assertEquals([0, 1, 65536, 65537].map((id) => isMapped(RANGES, id)), [true, true, true, false]);
  assertEquals([
    lastInRow(SINGLE),
    lastInRow(RANGES),
    lastInRow([...SINGLE, { inside: 5, outside: 9, count: 9 }]),
  ], [
    0,
    65536,
    0,
  ]);
});

Deno.test("this process is in none of dhow's", () => assertEquals(ownNamespace(), undefined));
