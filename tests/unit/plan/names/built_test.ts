import { assert, assertEquals } from "@std/assert";
import { BUILT_SETUPS, nameServer, packProgram, unpackProgram } from "../../../../src/plan/names/built.ts";
import { nameServerProgram } from "../../../../src/plan/names/server.ts";

Deno.test("a program is the same after it was packed, and a third as long while it is, at most", () => {
  for (const setup of BUILT_SETUPS) {
    const program = nameServerProgram(setup);
    const packed = packProgram(program);
    assert(packed.length * 3 <= program.length, `${packed.length} of ${program.length}`);
    assertEquals(unpackProgram(packed), program);
  }
});

Deno.test("rows of zeros may have any length, and end anywhere", () => {
  for (const zeros of [0, 1, 254, 255, 256, 510, 511]) {
    for (const [before, after] of [[[], []], [[1], []], [[], [2]], [[1, 255], [2]]] as const) {
      const bytes = Uint8Array.from([...before, ...Array(zeros).fill(0), ...after]);
      assertEquals(unpackProgram(packProgram(bytes)), bytes);
    }
  }
});

Deno.test("a setup that was not built beforehand is built when it is asked for", async () => {
  const setup = { isSteered: true, user: undefined };
  assertEquals(await nameServer(setup), nameServerProgram(setup));
});
