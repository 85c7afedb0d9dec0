import { assertEquals } from "@std/assert";
import { DetachKeys, parseDetachKeys } from "../../../src/container/detach_keys.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** What is passed on of each piece that is typed, and whether the last one ends in leaving. */
function feed(keys: string, ...typed: string[]): { passed: string[]; isLeaving: boolean } {
  const detach = new DetachKeys(parseDetachKeys(keys)!);
  let isLeaving = false;
  const passed = typed.map((piece) => {
    const found = detach.feed(bytes(piece));
    isLeaving = found.isLeaving;
    return new TextDecoder().decode(found.pass);
  });
  return { passed, isLeaving };
}

Deno.test("detach keys are read as docker reads them", () => {
  assertEquals([...parseDetachKeys("ctrl-p,ctrl-q")!], [16, 17]);
  assertEquals([...parseDetachKeys("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_")!], [0, 27, 28, 29, 30, 31]);
  assertEquals([...parseDetachKeys("a,Z,ctrl-A")!], [97, 90, 1]);
  assertEquals([...parseDetachKeys("")!], []);
  for (const wrong of ["ctrl-1", "ab", "ctrl-", ",", "a,", "ctrl-pp", "é", Array(40).fill("a").join()]) {
    assertEquals(parseDetachKeys(wrong), undefined, wrong);
  }
});

Deno.test("the keys end what is typed, in one piece or in several", () => {
  assertEquals(feed("ctrl-p,ctrl-q", "ls\r\x10\x11rest"), { passed: ["ls\r"], isLeaving: true });
  assertEquals(feed("ctrl-p,ctrl-q", "\x10", "\x11"), { passed: ["", ""], isLeaving: true });
  assertEquals(feed("a", "xa"), { passed: ["x"], isLeaving: true });
});

Deno.test("keys that only begin like them are passed on, later", () => {
  assertEquals(feed("ctrl-p,ctrl-q", "\x10", "x"), { passed: ["", "\x10x"], isLeaving: false });
  assertEquals(feed("ctrl-p,ctrl-q", "\x10\x10", "\x11"), { passed: ["\x10", ""], isLeaving: true });
  assertEquals(feed("a,a,b", "aaa", "b"), { passed: ["a", ""], isLeaving: true });
  assertEquals(feed("a,b,a,c", "abab", "ac"), { passed: ["ab", ""], isLeaving: true });
});

Deno.test("without keys everything is passed on", () => {
  assertEquals(feed("", "\x10\x11"), { passed: ["\x10\x11"], isLeaving: false });
});
