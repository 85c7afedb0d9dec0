import { assertEquals } from "@std/assert";
import { mapIds, userEntry } from "../../../src/rootless/ids.ts";

const SAILOR = { name: "sailor", uid: 1000 };

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

Deno.test("a user is found by its number, with a home that is a path", () => {
  const text = "root:x:0:0::/root:/bin/sh\nsailor:x:1000:1000:,,,:/home/sailor:/bin/sh\nnone:x:7:7:::\n";
  assertEquals(userEntry(text, 1000), { name: "sailor", home: "/home/sailor" });
  assertEquals(userEntry(text, 7), { name: "none", home: undefined });
  assertEquals(userEntry(text, 8), undefined);
});
