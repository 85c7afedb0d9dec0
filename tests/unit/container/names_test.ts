import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { newId, parseName, settleName } from "../../../src/container/names.ts";
import { TakenError, UsageError } from "../../../src/errors.ts";
import { addContainer, TemporaryState } from "../state/temporary.ts";

Deno.test("an id is 64 hexadecimal digits, and no two are the same", () => {
  assertMatch(newId(), /^[0-9a-f]{64}$/);
  assertNotEquals(newId(), newId());
});

for (const name of ["ab", "web1", "a.b-c_d", "0x", "A".repeat(200)]) {
  Deno.test(`${name.slice(0, 20)} can be a container's name`, () => {
    assertEquals(parseName(name), name);
    assertEquals(parseName(`/${name}`), name);
  });
}

for (const name of ["", "a", "-ab", ".ab", "_ab", "a b", "a/b", "../ab", "ab\n", "ä1", "a$b", "ab;"]) {
  Deno.test(`${JSON.stringify(name)} cannot be a container's name, and the error says what can`, () => {
    assertThrows(() => parseName(name), UsageError, JSON.stringify(name));
  });
}

Deno.test("a container gets the name that was asked for, unless another has it", () => {
  using state = new TemporaryState();
  const database = state.open();
  assertEquals(settleName(database, "web1"), "web1");
  addContainer(database, "a", "web1");
  assertThrows(() => settleName(database, "web1"), TakenError, '"web1"');
  assertEquals(settleName(database, "web2"), "web2");
});

Deno.test("a container without a name gets one that docker would take, and that nobody has", () => {
  using state = new TemporaryState();
  const database = state.open();
  const names = Array.from({ length: 50 }, (_, index) => {
    const name = settleName(database, undefined);
    addContainer(database, String(index), name);
    return name;
  });
  for (const name of names) parseName(name);
  assertEquals(new Set(names).size, 50);
});

Deno.test("a made-up name that is taken is made different, not given twice", () => {
  using state = new TemporaryState();
  const database = state.open();
  const random = Math.random;
  Math.random = () => 0; // always the first words
  try {
    const first = settleName(database, undefined);
    addContainer(database, "a", first);
    const second = settleName(database, undefined);
    assert(second.startsWith(first) && second !== first, second);
    addContainer(database, "b", second);
    assert(![first, second].includes(settleName(database, undefined)));
  } finally {
    Math.random = random;
  }
});
