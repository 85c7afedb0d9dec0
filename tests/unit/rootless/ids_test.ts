import { assertEquals } from "@std/assert";
import { mapIds as mapIdsIn, userEntry } from "../../../src/rootless/ids.ts";

const SAILOR = { name: "sailor", uid: 1000 };
const ALL = [{ containerID: 0, hostID: 0, size: 2 ** 32 - 1 }];
const mapIds = (text: string, owner: typeof SAILOR, own: number, available = ALL) =>
  mapIdsIn(text, owner, own, available);

Deno.test("without ranges the user is all that there is", () => {
  assertEquals(mapIds("", SAILOR, 1000), [{ containerID: 0, hostID: 1000, size: 1 }]);
  assertEquals(mapIds("other:1:2\n", SAILOR, 1000), [{ containerID: 0, hostID: 1000, size: 1 }]);
});

Deno.test("ranges by name and by number follow upon each other, from 1 on", () => {
  const text = "other:1:2\nsailor:100000:65536\n\n1000:300000:10\n";
  assertEquals(mapIds(text, SAILOR, 1000), [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 100000, size: 65536 },
    { containerID: 65537, hostID: 300000, size: 10 },
  ]);
});

for (const line of ["sailor:x:5", "sailor:100000", "sailor:100000:-1", "sailor:0:65536", "sailor::"]) {
  Deno.test(`the line ${JSON.stringify(line)} gives nothing`, () => {
    assertEquals(mapIds(line, SAILOR, 1000).length, 1);
  });
}

/** As lines of /proc/PID/uid_map, without the first. */
const further = (text: string, available = ALL) =>
  mapIds(text, SAILOR, 1000, available).slice(1).map((each) => Object.values(each).join(" "));

Deno.test("what is given twice counts once, and the user's own id is given already", () => {
  assertEquals(further("sailor:100000:10\n1000:100000:10\n"), ["1 100000 10"]);
  assertEquals(further("sailor:100:10\nsailor:105:10\nsailor:90:15\n"), ["1 100 10", "11 110 5", "16 90 10"]);
  assertEquals(further("sailor:998:5\n"), ["1 998 2", "3 1001 2"]);
});

Deno.test("the ids of a line that has too many end where all ids do", () => {
  assertEquals(further("sailor:4294967290:4294967295\n"), ["1 4294967290 5"]);
});

Deno.test("there are no more lines than a map of the kernel can have", () => {
  const text = Array.from({ length: 500 }, (_, index) => `sailor:${2000 + 10 * index}:5\n`).join("");
  assertEquals(mapIds(text, SAILOR, 1000).length, 340);
});

Deno.test("ids that this process's own user namespace has not cannot be given", () => {
  const own = [{ containerID: 0, hostID: 5, size: 1 }, { containerID: 1000, hostID: 1000, size: 1100 }];
  assertEquals(further("sailor:100000:65536\n", own), []);
  assertEquals(further("sailor:2000:65536\n", own), ["1 2000 100"]);
});

Deno.test("a user is found by its number, with a home that is a path", () => {
  const text = "root:x:0:0::/root:/bin/sh\nsailor:x:1000:1000:,,,:/home/sailor:/bin/sh\nnone:x:7:7:::\n";
  assertEquals(userEntry(text, 1000), { name: "sailor", home: "/home/sailor" });
  assertEquals(userEntry(text, 7), { name: "none", home: undefined });
  assertEquals(userEntry(text, 8), undefined);
});
