import { assertEquals } from "@std/assert";
import { readGeneration } from "../../../../ffi/netfilter.ts";
import { afterOwnChanges } from "../../../../src/network/firewall/fingerprint.ts";

/** What Linux 6.18 answered to NFT_MSG_GETGEN. */
const ANSWER = Uint8Array.from([
  ...[44, 0, 0, 0, 15, 10, 0, 0, 1, 0, 0, 0, 57, 5, 0, 0],
  ...[0, 0, 1, 2],
  ...[8, 0, 1, 0, 0, 0, 1, 2],
  ...[8, 0, 2, 0, 0, 0, 5, 57],
  ...[8, 0, 3, 0, 97, 98, 99, 0],
]);

Deno.test("the number of the last change is read from the kernel's answer", () => {
  assertEquals(readGeneration(ANSWER), 258);
});

Deno.test("an error, and an answer that is cut off, have no number", () => {
  const error = ANSWER.slice();
  error.set([2, 0], 4);
  assertEquals(readGeneration(error), undefined);
  for (let length = 0; length < 28; length++) {
    assertEquals(readGeneration(ANSWER.slice(0, length)), undefined);
  }
});

Deno.test("an attribute without a length ends the answer", () => {
  const endless = ANSWER.slice();
  endless.set([0, 0, 9, 0], 20);
  assertEquals(readGeneration(endless), undefined);
});

Deno.test("own changes are remembered, and those that somebody else must have made are not", () => {
  assertEquals(afterOwnChanges(7, 9, 2), 9);
  assertEquals(afterOwnChanges(7, 8, 2), 8, "what changes nothing is not counted");
  assertEquals(afterOwnChanges(7, 10, 2), null);
  assertEquals(afterOwnChanges(7, 3, 2), null, "it began anew");
  assertEquals(afterOwnChanges("a", "b", 1), "b");
  assertEquals(afterOwnChanges(undefined, 4, 1), 4);
  assertEquals(afterOwnChanges(4, undefined, 1), null);
});
