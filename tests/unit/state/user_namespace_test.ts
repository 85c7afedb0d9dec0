import { assertEquals } from "@std/assert";
import { isMapped, mappedFromZero } from "../../../src/security/id_mappings.ts";
import { isSingle, ownNamespace, parseIdMap } from "../../../src/state/user_namespace.ts";

const SINGLE = parseIdMap("         0       1000          1\n");
const RANGES = parseIdMap("         0       1000          1\n         1     100000      65536\n");

Deno.test("a map is read as the kernel writes it", () => {
  assertEquals(SINGLE, [{ containerID: 0, hostID: 1000, size: 1 }]);
  assertEquals(RANGES[1], { containerID: 1, hostID: 100000, size: 65536 });
});

Deno.test("which ids there are, and how many without a gap", () => {
  assertEquals([isSingle({ uids: SINGLE, gids: SINGLE }), isSingle({ uids: RANGES, gids: RANGES })], [
    true,
    false,
  ]);
  assertEquals([0, 1, 65536, 65537].map((id) => isMapped(RANGES, id)), [true, true, true, false]);
  assertEquals([
    mappedFromZero(SINGLE),
    mappedFromZero(RANGES),
    mappedFromZero([...SINGLE, { containerID: 5, hostID: 9, size: 9 }]),
  ], [
    1,
    65537,
    1,
  ]);
});

Deno.test("this process is in none of dhow's", () => assertEquals(ownNamespace(), undefined));
