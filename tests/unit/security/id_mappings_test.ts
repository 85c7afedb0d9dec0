import { assert, assertEquals, assertMatch } from "@std/assert";
import type { IdMapping } from "../../../src/plan/step.ts";
import {
  fillMappings,
  idsNeeded,
  keepId,
  mappedFromZero,
  mappingFault,
  parseMapping,
  rootOnHost,
  toContainer,
  toHost,
} from "../../../src/security/id_mappings.ts";
import { Random } from "../../support/random.ts";

const map = (containerID: number, hostID: number, size = 1): IdMapping => ({ containerID, hostID, size });

Deno.test("a mapping is two ids and a size, which is 1 if it is not said", () => {
  assertEquals(parseMapping("0:1000:65536"), map(0, 1000, 65536));
  assertEquals(parseMapping("5:6"), map(5, 6));
  assertEquals(parseMapping("0:4294967294:1"), map(0, 4294967294));
  for (
    const text of [
      "",
      "0",
      "0:1:0",
      "a:1:1",
      "0:1:1:1",
      "-1:0:1",
      "0:1:",
      "0x0:1:1",
      "0:4294967295:1",
      "1:0:4294967295",
    ]
  ) {
    assertEquals(parseMapping(text), undefined, text);
  }
});

Deno.test("what the kernel, or a container, could not do with is told", () => {
  assertEquals(mappingFault([map(0, 1000, 10), map(10, 5, 10)]), undefined);
  assertMatch(mappingFault([map(0, 1000, 10), map(9, 5000)]) ?? "", /ids from 9 of the container/);
  assertMatch(mappingFault([map(0, 1000, 10), map(20, 1009, 3)]) ?? "", /ids from 1009 of the host/);
  assertMatch(mappingFault([map(1, 1000, 10)]) ?? "", /no root/);
  const many = Array.from({ length: 341 }, (_, index) => map(index, index));
  assertMatch(mappingFault(many) ?? "", /340/);
  assertEquals(mappingFault(many.slice(1).map((each) => map(each.containerID - 1, each.hostID))), undefined);
});

Deno.test("ids are translated there and back; who is not mapped is nobody", () => {
  const mappings = [map(0, 1000, 10), map(500, 7, 2)];
  assertEquals([0, 9, 10, 500, 501, 502].map((id) => toHost(mappings, id)), [
    1000,
    1009,
    undefined,
    7,
    8,
    undefined,
  ]);
  assertEquals([1000, 1009, 1010, 7, 8, 0].map((id) => toContainer(mappings, id)), [
    0,
    9,
    65534,
    500,
    501,
    65534,
  ]);
  assertEquals(rootOnHost({ uids: mappings, gids: [map(0, 3)] }), { uid: 1000, gid: 3 });
  assertEquals(mappedFromZero([map(500, 7), map(0, 1000, 10), map(10, 5, 3)]), 13);
});

Deno.test("what is forced into a range takes nothing of it, and all other ids come from it", () => {
  assertEquals(fillMappings([], 100, 5000), [map(0, 5000, 100)]);
  assertEquals(fillMappings([map(5, 5)], 100, 5000), [map(0, 5000, 5), map(5, 5), map(6, 5005, 94)]);
  assertEquals(fillMappings([map(0, 9, 2), map(200, 3)], 100, 5000), [
    map(0, 9, 2),
    map(2, 5000, 98),
    map(200, 3),
  ]);
  assertEquals(idsNeeded([map(5, 5), map(200, 1)], 100), 99);
  const random = new Random(1);
  for (let round = 0; round < 200; round++) {
    const size = random.between(1, 50);
    const forced = Array.from(
      { length: random.below(3) },
      (_, index) => map(20 * index + random.below(15), 100 * index, random.between(1, 5)),
    );
    const filled = fillMappings(forced, size, 5000);
    const own = filled.filter((each) => !forced.includes(each));
    assert(
      own.every(({ hostID, size: count }) =>
        hostID >= 5000 && hostID + count <= 5000 + idsNeeded(forced, size)
      ),
    );
    for (let id = 0; id < size; id++) {
      assert(toHost(filled, id) !== undefined, `${id} in ${JSON.stringify(filled)}`);
    }
    assert(!mappingFault(filled)?.includes("twice"), JSON.stringify(filled));
  }
});

Deno.test("an id is kept: those below and above it are others, as far as there are any", () => {
  const kept = (count: number, id: number) => keepId(count, id).map((each) => Object.values(each).join(" "));
  assertEquals(kept(65537, 1000), ["0 1 1000", "1000 0 1", "1001 1001 64536"]);
  assertEquals(kept(65537, 0), ["0 0 1", "1 1 65536"]);
  assertEquals(kept(1001, 1000), ["0 1 1000", "1000 0 1"]);
  // a user of a directory service has an id far above those of the range
  assertEquals(kept(11, 1_000_000), ["0 1 10", "1000000 0 1"]);
  assertEquals(kept(2, 2 ** 32 - 2), ["0 1 1", "4294967294 0 1"]);
});
