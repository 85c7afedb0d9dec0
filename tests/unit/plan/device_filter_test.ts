import { assert, assertEquals } from "@std/assert";
import { encode, type Instruction, OPCODES } from "../../../ffi/bpf.ts";
import { ALL_DEVICES, deviceSettingsV1, USUAL_DEVICES } from "../../../src/limits/devices.ts";
import { type DeviceAccess, deviceAccess } from "../../../src/plan/device_access.ts";
import { deviceProgram } from "../../../src/plan/device_filter.ts";
import type { DeviceRule } from "../../../src/plan/oci.ts";

interface Use {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  readonly access: string;
}

const BITS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };

/** Runs a program as the kernel does (instruction-set.rst), on the context that it gives for a use of a device. */
function answer(program: readonly Instruction[], { type, major, minor, access }: Use): number {
  const wanted = [...access].reduce((bits, letter) => bits | BITS[letter]!, 0);
  const context = [(wanted << 16) | (type === "b" ? 1 : 2), major, minor];
  const registers: number[] = [];
  for (let at = 0, steps = 0; steps < 10_000; at++, steps++) {
    const { code, to = 0, from = 0, offset = 0, value = 0 } = program[at]!;
    if (code === OPCODES.exit) return registers[0]!;
    else if (code === OPCODES.load) registers[to] = context[offset / 4]!;
    else if (code === OPCODES.copy) registers[to] = registers[from]!;
    else if (code === OPCODES.move) registers[to] = value;
    else if (code === OPCODES.and) registers[to]! &= value;
    else if (code === OPCODES.shiftRight) registers[to]! >>>= value;
    else if (code === OPCODES.jump) at += offset;
    else if (code === OPCODES.jumpUnless) at += registers[to] === value ? 0 : offset;
    else if (code === OPCODES.jumpIfAny) at += (registers[to]! & value) === 0 ? 0 : offset;
    else throw new Error(`code ${code}`);
  }
  throw new Error("it does not end");
}

/** The same, by the rules of cgroup v1 (security/device_cgroup.c). */
function isAllowed({ allowsAll, exceptions }: DeviceAccess, use: Use): boolean {
  const about = exceptions.filter(({ type, major = use.major, minor = use.minor }) =>
    type === use.type && major === use.major && minor === use.minor
  );
  return allowsAll
    ? !about.some(({ access }) => [...use.access].some((letter) => access.includes(letter)))
    : about.some(({ access }) => [...use.access].every((letter) => access.includes(letter)));
}

const USES: readonly Use[] = (["b", "c"] as const).flatMap((type) =>
  [0, 1, 5, 7, 10, 136, 4095].flatMap((major) =>
    [0, 1, 3, 11, 229, 1 << 19].flatMap((minor) =>
      ["r", "w", "m", "rw", "rwm"].map((access) => ({ type, major, minor, access }))
    )
  )
);

const may = (type: "b" | "c", access: string, major?: number, minor?: number, allow = true): DeviceRule => ({
  allow,
  type,
  access,
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
});

const LISTS: Readonly<Record<string, readonly DeviceRule[]>> = {
  "docker's": USUAL_DEVICES,
  "all": ALL_DEVICES,
  "none": [{ allow: false, type: "a", access: "rwm" }],
  "some for reading only": [...USUAL_DEVICES, may("c", "r", 10, 229), may("b", "rw", 7)],
  "all but some": [...ALL_DEVICES, may("c", "w", 1, undefined, false), may("b", "rwm", 7, 0, false)],
  "one, given in two rules": [...USUAL_DEVICES, may("c", "r", 10, 229), may("c", "w", 10, 229)],
  "one that is taken again": [...USUAL_DEVICES, may("c", "rwm", 10, 229), may("c", "w", 10, 229, false)],
};

for (const [what, rules] of Object.entries(LISTS)) {
  Deno.test(`the program for a list of devices, ${what}, answers as cgroup v1 does`, () => {
    const access = deviceAccess(rules);
    const program = deviceProgram(access);
    for (const use of USES) {
      assertEquals(answer(program, use), isAllowed(access, use) ? 1 : 0, JSON.stringify(use));
    }
  });
}

Deno.test("of docker's list null is for everything, a disk only to be made", () => {
  const program = deviceProgram(deviceAccess(USUAL_DEVICES));
  const ask = (type: "b" | "c", major: number, minor: number, access: string) =>
    answer(program, { type, major, minor, access });
  assertEquals(ask("c", 1, 3, "rwm"), 1);
  assertEquals(ask("c", 136, 77, "rw"), 1);
  assertEquals([ask("b", 8, 0, "m"), ask("b", 8, 0, "r"), ask("b", 8, 0, "rm")], [1, 0, 0]);
  assertEquals([ask("c", 1, 1, "r"), ask("c", 1, 11, "r"), ask("b", 1, 3, "r")], [0, 0, 0]);
});

Deno.test("rules for the same device are put together, and those that take something take only that", () => {
  const { exceptions } = deviceAccess(LISTS["one, given in two rules"]!);
  assertEquals(exceptions.at(-1), { type: "c", major: 10, minor: 229, access: "rw" });
  const taken = deviceAccess(LISTS["one that is taken again"]!);
  assertEquals(taken.exceptions.at(-1), { type: "c", major: 10, minor: 229, access: "rm" });
});

Deno.test("on cgroup v1 all is denied first, then each line allows; what allows all writes nothing", () => {
  const [first, ...lines] = deviceSettingsV1(USUAL_DEVICES);
  assertEquals(first, { file: "devices.deny", value: "a" });
  assert(lines.every(({ file }) => file === "devices.allow"));
  assertEquals(lines.slice(0, 3).map(({ value }) => value), ["c *:* m", "b *:* m", "c 1:3 rwm"]);
  assertEquals(lines.at(-1)?.value, "c 136:* rwm");
  assertEquals(deviceSettingsV1(ALL_DEVICES), []);
});

Deno.test("instructions are encoded as the kernel reads them", () => {
  assertEquals(
    [...encode([{ code: OPCODES.load, to: 4, from: 1, offset: 8 }, {
      code: OPCODES.jumpIfAny,
      to: 3,
      offset: -2,
      value: 0x01020304,
    }])],
    [0x61, 0x14, 8, 0, 0, 0, 0, 0, 0x45, 0x03, 0xfe, 0xff, 4, 3, 2, 1],
  );
});
