import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { EINVAL, ENOENT } from "../../../ffi/errno.ts";
import { walk } from "../../../ffi/libc.ts";
import { tableWalker } from "../../../ffi/machine_code.ts";
import { type Argument, type Call, type CallOptions, CallTable } from "../../../ffi/table.ts";

const EBADF = 9;
const EAFNOSUPPORT = 97;

/** A function for tables. It keeps the arguments that it is called with, and returns what the test says, one after another. */
class Probe implements Disposable {
  readonly seen: bigint[][] = [];
  readonly #callback = new Deno.UnsafeCallback(
    { parameters: ["u64", "u64", "u64", "u64", "u64", "u64"], result: "i64" },
    (...parameters) => {
      this.seen.push(parameters);
      return this.results.shift() ?? 0n;
    },
  );

  constructor(readonly results: bigint[] = []) {}

  /** Adds a call of it to a table. */
  add(table: CallTable, parameters: readonly Argument[], options?: CallOptions): Call {
    const call = table.call("close", parameters, options);
    table.arena.setWord(call.address, Deno.UnsafePointer.value(this.#callback.pointer));
    return call;
  }

  [Symbol.dispose](): void {
    this.#callback.close();
  }
}

function newTable(capacity = 8): CallTable {
  return new CallTable(new Arena(16 * 1024), capacity);
}

Deno.test("the walker makes a table's calls one after another, in their order", () => {
  using probe = new Probe();
  const table = newTable();
  for (let index = 0; index < 8; index++) probe.add(table, [index]);
  assertEquals(walk(table.address), 0);
  assertEquals(probe.seen.map(([first]) => first), [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]);
});

Deno.test("walking a table without calls succeeds", () => {
  const table = newTable();
  assertEquals(walk(table.address), 0);
  assertEquals(table.failure, undefined);
});

Deno.test("the walker stops at the first call that fails, and leaves which one and its errno in the table", () => {
  using probe = new Probe();
  const table = newTable();
  probe.add(table, [1]);
  const failing = table.call("openat", [AT_FDCWD, "/nonexistent", 0]);
  const never = table.call("close", [-1]);
  probe.add(table, [2]);
  assertEquals(walk(table.address), 1);
  assertStrictEquals(table.failure, failing);
  assertEquals([failing.result, failing.errno], [-1, ENOENT]);
  assertEquals([never.result, never.errno], [0, 0]);
  assertEquals(probe.seen.length, 1);
});

Deno.test("a tolerated errno lets the walk go on, and can be read afterwards", () => {
  using probe = new Probe([7n]);
  const table = newTable();
  const tolerated = table.call("close", [-1], { tolerate: [ENOENT, EBADF, EINVAL] });
  const next = probe.add(table, []);
  assertEquals(walk(table.address), 0);
  assertEquals(table.failure, undefined);
  assertEquals([tolerated.result, tolerated.errno], [-1, EBADF]);
  assertEquals([next.result, next.errno], [7, 0]);
});

Deno.test("another errno than the tolerated ones ends the walk", () => {
  const table = newTable();
  const everyOther = Array.from({ length: 64 }, (_, errno) => errno).filter((errno) => errno !== EBADF);
  const failing = table.call("close", [-1], { tolerate: everyOther });
  assertEquals(walk(table.address), 1);
  assertStrictEquals(table.failure, failing);
});

Deno.test("an errno of 64 or more ends the walk, whatever is tolerated", () => {
  const table = newTable();
  const failing = table.call("socket", [1000, 1, 0], {
    tolerate: Array.from({ length: 64 }, (_, errno) => errno),
  });
  assertEquals(walk(table.address), 1);
  assertStrictEquals(table.failure, failing);
  assertEquals(failing.errno, EAFNOSUPPORT);
});

Deno.test("a result below the least is a failure, with errno 0 when it is not negative", () => {
  using probe = new Probe([4n, 3n]);
  const table = newTable();
  probe.add(table, [], { least: 4 });
  const short = probe.add(table, [], { least: 4 });
  assertEquals(walk(table.address), 1);
  assertStrictEquals(table.failure, short);
  assertEquals([short.result, short.errno], [3, 0]);
});

Deno.test("a short result goes through where errno 0 is tolerated", () => {
  using probe = new Probe([3n, 9n]);
  const table = newTable();
  const short = probe.add(table, [], { least: 4, tolerate: [0] });
  const next = probe.add(table, []);
  assertEquals(walk(table.address), 0);
  assertEquals([short.result, short.errno, next.result], [3, 0, 9]);
});

Deno.test("a negative result that is at least the least is no failure", () => {
  using probe = new Probe([-3n]);
  const table = newTable();
  const call = probe.add(table, [], { least: -3 });
  assertEquals(walk(table.address), 0);
  assertEquals([call.result, call.errno], [-3, 0]);
});

Deno.test("a result is the int in the word's lower half, with its sign", () => {
  using probe = new Probe([0xdeadbeef_00000005n, 0x7fffffffn, 0xfffffffen]);
  const table = newTable();
  const calls = [1, 2, 3].map(() => probe.add(table, [], { least: -10 }));
  assertEquals(walk(table.address), 0);
  assertEquals(calls.map((call) => call.result), [5, 0x7fffffff, -2]);
});

Deno.test("arguments arrive as 64-bit words", () => {
  using probe = new Probe();
  const table = newTable();
  probe.add(table, [-1, 2 ** 32 + 1, -(2 ** 40), 2n ** 64n - 1n, 0x8000_0000, -(2n ** 63n)]);
  assertEquals(walk(table.address), 0);
  assertEquals(
    probe.seen[0]?.map((word) => BigInt.asIntN(64, word)),
    [-1n, 2n ** 32n + 1n, -(2n ** 40n), -1n, 0x8000_0000n, -(2n ** 63n)],
  );
});

Deno.test("a call that is left without some of its arguments gets zeros for them", () => {
  using probe = new Probe();
  const table = newTable();
  probe.add(table, [1, 2, 3, 4, 5, 6]);
  table.clear();
  probe.add(table, [1]);
  assertEquals(walk(table.address), 0);
  assertEquals(probe.seen, [[1n, 0n, 0n, 0n, 0n, 0n]]);
});

Deno.test("any of the six arguments can be an earlier call's result", () => {
  for (let which = 0; which < 64; which++) {
    using probe = new Probe([100n, 101n, 102n, 103n, 104n, 105n]);
    const table = newTable();
    const earlier = [0, 1, 2, 3, 4, 5].map(() => probe.add(table, []));
    probe.add(table, earlier.map((call, position) => (which >> position & 1) === 1 ? call : position));
    assertEquals(walk(table.address), 0);
    assertEquals(
      probe.seen[6],
      earlier.map((_, position) => BigInt((which >> position & 1) === 1 ? 100 + position : position)),
      `with bits ${which.toString(2)}`,
    );
  }
});

Deno.test("a negative result stays negative as a later call's argument", () => {
  using probe = new Probe([-5n]);
  const table = newTable();
  const earlier = probe.add(table, [], { least: -5 });
  probe.add(table, [earlier]);
  assertEquals(walk(table.address), 0);
  assertEquals(probe.seen[1]?.[0], 2n ** 64n - 5n);
});

Deno.test("the arm64 walker is made of whole instructions, and ends with ret", () => {
  const code = tableWalker("aarch64");
  assertEquals(code.length % 4, 0);
  assertEquals(new DataView(code.buffer).getUint32(code.length - 4, true), 0xd65f03c0);
});

Deno.test("on a CPU without a walker dhow says which ones it runs on", () => {
  assertThrows(() => tableWalker("riscv64"), Error, "dhow runs on x86-64 and arm64, not on riscv64");
});
