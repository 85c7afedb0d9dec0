import { assert, assertEquals, assertThrows } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";

const SIZE = 4096;

/** The bytes at an address of an arena. */
function bytesAt(arena: Arena, address: number, length: number): number[] {
  return [...arena.bytes.slice(address - arena.address, address - arena.address + length)];
}

Deno.test("an arena's memory is zero at first", () => {
  const arena = new Arena(SIZE);
  assertEquals(bytesAt(arena, arena.allocate(SIZE), SIZE), new Array(SIZE).fill(0));
});

Deno.test("what an arena allocates is aligned to 8 bytes, or as asked", () => {
  const arena = new Arena(SIZE);
  arena.allocate(1, 1);
  assertEquals(arena.allocate(1) - arena.address, 8);
  assertEquals(arena.allocate(1, 1) - arena.address, 9);
  assertEquals(arena.allocate(16, 16) - arena.address, 16);
  assertEquals(arena.allocate(16, 64) % 64, 0);
});

Deno.test("an arena can be filled to its last byte, and then says that it is full", () => {
  const arena = new Arena(SIZE);
  arena.allocate(SIZE - 8);
  assertEquals(arena.free, 8);
  arena.allocate(8);
  assertEquals(arena.free, 0);
  assertThrows(() => arena.allocate(1), RangeError, "no room for 1 bytes in an arena of 4096 bytes");
});

Deno.test("what does not fit leaves the arena's room as it was", () => {
  const arena = new Arena(SIZE);
  assertThrows(() => arena.string("x".repeat(SIZE)), RangeError);
  assertEquals(arena.free, SIZE);
});

Deno.test("rewind gives back what was allocated since the mark", () => {
  const arena = new Arena(SIZE);
  arena.allocate(8);
  const { mark } = arena;
  const first = arena.allocate(100);
  arena.rewind(mark);
  assertEquals(arena.free, SIZE - 8);
  assertEquals(arena.allocate(100), first);
});

Deno.test("a string lies in an arena as UTF-8 that a NUL ends, even where longer ones were before", () => {
  const arena = new Arena(SIZE);
  const { mark } = arena;
  arena.string("much longer");
  arena.rewind(mark);
  const address = arena.string("né");
  assertEquals(bytesAt(arena, address, 4), [0x6e, 0xc3, 0xa9, 0]);
  assertEquals(arena.mark, 4);
});

Deno.test("bytes become a string as they are", () => {
  const arena = new Arena(SIZE);
  assertEquals(bytesAt(arena, arena.string(Uint8Array.of(0xff, 0x80)), 3), [0xff, 0x80, 0]);
});

Deno.test("a string with a NUL in it is refused, as text and as bytes", () => {
  const arena = new Arena(SIZE);
  assertThrows(() => arena.string("/etc\0/shadow"), TypeError, "a NUL inside");
  assertThrows(() => arena.string(Uint8Array.of(1, 0)), TypeError, "a NUL inside");
});

Deno.test("data is copied with its NULs", () => {
  const arena = new Arena(SIZE);
  assertEquals(bytesAt(arena, arena.data(Uint8Array.of(1, 0, 2)), 3), [1, 0, 2]);
});

Deno.test("strings makes an array of addresses that NULL ends", () => {
  const arena = new Arena(SIZE);
  const { mark } = arena;
  arena.data(new Uint8Array(64).fill(0xff));
  arena.rewind(mark);
  const array = arena.strings(["a", ""]);
  assertEquals(bytesAt(arena, arena.word(array), 2), [0x61, 0]);
  assertEquals(bytesAt(arena, arena.word(array + 8), 1), [0]);
  assertEquals(arena.word(array + 16), 0);
});

Deno.test("integers makes an array of 32-bit integers", () => {
  const arena = new Arena(SIZE);
  const array = arena.integers([1, 0xffffffff, 3]);
  assertEquals(bytesAt(arena, array, 12), [1, 0, 0, 0, 255, 255, 255, 255, 3, 0, 0, 0]);
});

Deno.test("a 64-bit word keeps every integer that a double holds exactly", () => {
  const arena = new Arena(SIZE);
  const address = arena.allocate(8);
  const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number;
  for (
    const value of [0, 1, -1, -100, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1, 2 ** 47 - 1]
      .concat(
        [MAX_SAFE_INTEGER, MIN_SAFE_INTEGER],
      )
  ) {
    arena.setWord(address, value);
    assertEquals(arena.word(address), value);
  }
});

Deno.test("a 64-bit word is stored with its lowest byte first", () => {
  const arena = new Arena(SIZE);
  const address = arena.allocate(8);
  arena.setWord(address, 0x0102_0304_0506);
  assertEquals(bytesAt(arena, address, 8), [6, 5, 4, 3, 2, 1, 0, 0]);
  arena.setWord(address, -2);
  assertEquals(bytesAt(arena, address, 8), [254, 255, 255, 255, 255, 255, 255, 255]);
});

Deno.test("a word takes bigints of 64 bits, signed or not", () => {
  const arena = new Arena(SIZE);
  const address = arena.allocate(8);
  arena.setWord(address, 0xfedc_ba98_7654_3210n);
  assertEquals(bytesAt(arena, address, 8), [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]);
  arena.setWord(address, -3n);
  assertEquals(arena.word(address), -3);
});

Deno.test("an int is 32 bits, and leaves its neighbours alone", () => {
  const arena = new Arena(SIZE);
  const address = arena.integers([7, 7, 7]);
  arena.setInt(address + 4, -2);
  assertEquals([0, 4, 8].map((offset) => arena.int(address + offset)), [7, -2, 7]);
});

Deno.test("clear sets just the bytes that it is told to", () => {
  const arena = new Arena(SIZE);
  const address = arena.data(Uint8Array.of(1, 2, 3, 4));
  arena.clear(address + 1, 2);
  assertEquals(bytesAt(arena, address, 4), [1, 0, 0, 4]);
});

Deno.test("a released arena is no longer mapped", () => {
  const arena = new Arena(SIZE);
  const mapped = () =>
    Deno.readTextFileSync("/proc/self/maps").split("\n").some((line) => {
      const [start = 0, end = 0] = (line.split(" ")[0] ?? "").split("-").map((text) => parseInt(text, 16));
      return start <= arena.address && arena.address < end;
    });
  assert(mapped());
  arena.release();
  assert(!mapped());
});

Deno.test("a text fits into an arena that has just its bytes left, and takes no more than them", () => {
  const arena = new Arena(SIZE);
  arena.allocate(SIZE - 8);
  const address = arena.string("größe");
  assertEquals(bytesAt(arena, address, 8), [...new TextEncoder().encode("größe"), 0]);
  assertEquals(arena.free, 0);
  const roomy = new Arena(SIZE);
  roomy.string("größe");
  assertEquals(roomy.free, SIZE - 8);
});
