import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../../src/errors.ts";
import { parseProfile, type Profile, resolveProfile } from "../../../../src/security/seccomp/profile.ts";

function parse(profile: unknown): Profile {
  return parseProfile(typeof profile === "string" ? profile : JSON.stringify(profile), "my.json");
}

const ALLOW = "SCMP_ACT_ALLOW";
const withRule = (rule: unknown) => ({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [rule] });

function resolved(rule: Record<string, unknown>, more: Partial<Parameters<typeof resolveProfile>[1]> = {}) {
  const circumstances = {
    cpu: "x86_64",
    capabilities: ["CAP_KILL", "CAP_CHOWN"],
    kernel: [6, 1],
    ...more,
  } as const;
  return resolveProfile(parse(withRule({ names: ["read"], action: ALLOW, ...rule })), circumstances).syscalls
    .length;
}

Deno.test("a profile is read as docker's are", () => {
  const profile = parse({
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    archMap: [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
      { architecture: "SCMP_ARCH_RISCV64", subArchitectures: null },
    ],
    flags: ["SECCOMP_FILTER_FLAG_LOG"],
    syscalls: [
      { names: ["read", "write"], action: ALLOW, args: [], comment: "words", includes: {}, excludes: {} },
      { name: "clone3", action: "SCMP_ACT_ERRNO", errnoRet: 38, args: null, includes: { minKernel: "4.8" } },
      { names: ["kill"], action: "SCMP_ACT_TRACE", errno: "ENOSYS", errnoRet: 1 },
    ],
  });
  assertEquals(profile, {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    archMap: [["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], ["SCMP_ARCH_RISCV64"]],
    architectures: [],
    flags: ["SECCOMP_FILTER_FLAG_LOG"],
    syscalls: [
      {
        names: ["read", "write"],
        action: ALLOW,
        args: [],
        includes: { caps: [], arches: [] },
        excludes: { caps: [], arches: [] },
      },
      {
        names: ["clone3"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 38,
        args: [],
        includes: { caps: [], arches: [], minKernel: [4, 8] },
      },
      { names: ["kill"], action: "SCMP_ACT_TRACE", errnoRet: 38, args: [] },
    ],
  });
});

Deno.test("values keep all of their 64 bits", () => {
  const text =
    `{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[
    {"index":5,"value":18446744073709551615,"valueTwo":9007199254740993,"op":"SCMP_CMP_MASKED_EQ"}]}]}`;
  assertEquals(parse(text).syscalls[0]!.args, [{
    index: 5,
    value: 18446744073709551615n,
    valueTwo: 9007199254740993n,
    op: "SCMP_CMP_MASKED_EQ",
  }]);
});

Deno.test("rules are there for the capabilities, the CPU and the kernel that they are for", () => {
  assertEquals(resolved({}), 1);
  assertEquals(resolved({ includes: { caps: ["CAP_KILL", "CAP_CHOWN"] } }), 1);
  assertEquals(resolved({ includes: { caps: ["CAP_KILL", "CAP_SYS_ADMIN"] } }), 0);
  assertEquals(resolved({ excludes: { caps: ["CAP_SYS_ADMIN", "CAP_KILL"] } }), 0);
  assertEquals(resolved({ excludes: { caps: ["CAP_SYS_ADMIN"] } }), 1);
  assertEquals(resolved({ includes: { arches: ["arm64", "amd64"] } }), 1);
  assertEquals(resolved({ includes: { arches: ["arm64"] } }), 0);
  assertEquals(resolved({ includes: { arches: ["arm64"] } }, { cpu: "aarch64" }), 1);
  assertEquals(resolved({ excludes: { arches: ["amd64"] } }), 0);
  for (
    const [kernel, least, count] of [[[6, 1], "6.1", 1], [[6, 1], "6.2", 0], [[5, 99], "6.0", 0], [
      [6, 10],
      "6.9",
      1,
    ]] as const
  ) {
    assertEquals(resolved({ includes: { minKernel: least } }, { kernel }), count);
    assertEquals(resolved({ excludes: { minKernel: least } }, { kernel }), 1 - count);
  }
});

Deno.test("the architectures are those of the machine's own entry, or the list", () => {
  const circumstances = { cpu: "aarch64", capabilities: [], kernel: [6, 1] } as const;
  const archMap = [{ architecture: "SCMP_ARCH_X86_64" }, {
    architecture: "SCMP_ARCH_AARCH64",
    subArchitectures: ["SCMP_ARCH_ARM"],
  }];
  const read = (members: object) =>
    resolveProfile(parse({ defaultAction: ALLOW, ...members }), circumstances).architectures;
  assertEquals(read({ archMap }), ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
  assertEquals(read({ archMap: archMap.slice(0, 1) }), []);
  assertEquals(read({ architectures: ["SCMP_ARCH_ARM"] }), ["SCMP_ARCH_ARM"]);
});

const condition = { index: 0, value: 1, op: "SCMP_CMP_EQ" };
const withCondition = (changes: object) =>
  withRule({ names: ["read"], action: ALLOW, args: [condition, { ...condition, ...changes }] });

const WRONG: Readonly<Record<string, readonly [profile: unknown, words: string]>> = {
  "no JSON": ["{", 'cannot read the seccomp profile "my.json": '],
  "something else than an object": [[1], 'profile "my.json" is [1], and must be an object'],
  "no default action": [{ syscalls: [] }, ": defaultAction is not there, and must be one of SCMP_ACT_KILL, "],
  "a default action that there is not": [
    { defaultAction: "ALLOW" },
    ': defaultAction is "ALLOW", and must be one of',
  ],
  "an action that asks another program": [{ defaultAction: "SCMP_ACT_NOTIFY" }, "asks no other program"],
  "a listener": [{ defaultAction: ALLOW, listenerPath: "/x" }, ": listenerPath is for SCMP_ACT_NOTIFY"],
  "a member that there is not": [
    withRule({ names: ["read"], action: ALLOW, arg: [] }),
    ': syscalls[0] has a member "arg", and can have name, names, action',
  ],
  "names that are none": [
    withRule({ names: [1], action: ALLOW }),
    ": syscalls[0].names[0] is 1, and must be a string",
  ],
  "name and names": [
    withRule({ name: "read", names: ["write"], action: ALLOW }),
    ": syscalls[0].name is there, and names",
  ],
  "an index that there is not": [
    withCondition({ index: 6 }),
    ": syscalls[0].args[1].index is 6, and must be a whole number of 5 at most",
  ],
  "a value below zero": [
    withCondition({ value: -1 }),
    ".value is -1, and must be a whole number of 18446744073709551615",
  ],
  "a value that is too large": [
    '{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ","value":18446744073709551616}]}]}',
    ".value is 18446744073709551616, and must be",
  ],
  "a value with a point": [withCondition({ value: 1.5 }), ".value is 1.5, and must be"],
  "a value that is text": [withCondition({ value: "1" }), '.value is "1", and must be'],
  "no value": [withCondition({ value: null }), ".value is null, and must be"],
  "an operator that there is not": [
    withCondition({ op: "EQ" }),
    '.op is "EQ", and must be one of SCMP_CMP_NE',
  ],
  "an errno that is too large": [
    { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 4096 },
    "must be a whole number of 4095 at most",
  ],
  "an errno by a name that there is not": [
    { defaultAction: "SCMP_ACT_ERRNO", defaultErrno: "EFOO" },
    'is "EFOO", which is no errno',
  ],
  "an errno for an action that has none": [
    { defaultAction: ALLOW, defaultErrnoRet: 1 },
    "and the action is SCMP_ACT_ALLOW",
  ],
  "an architecture that there is not": [
    { defaultAction: ALLOW, architectures: ["X86"] },
    ': architectures[0] is "X86"',
  ],
  "architectures twice": [
    { defaultAction: ALLOW, architectures: ["SCMP_ARCH_X86"], archMap: [{ architecture: "SCMP_ARCH_X86" }] },
    "only one of them can be",
  ],
  "a flag that there is not": [
    { defaultAction: ALLOW, flags: ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] },
    ": flags[0] is",
  ],
  "a capability that is none": [
    withRule({ names: [], action: ALLOW, includes: { caps: ["SYS_ADMIN"] } }),
    ': syscalls[0].includes.caps[0] is "SYS_ADMIN", which is no capability',
  ],
  "a kernel that is none": [
    withRule({ names: [], action: ALLOW, excludes: { minKernel: "4" } }),
    ': syscalls[0].excludes.minKernel is "4", and must be like "4.8"',
  ],
};

for (const [what, [profile, words]] of Object.entries(WRONG)) {
  Deno.test(`a profile with ${what} is refused, with where and why`, () => {
    assertThrows(() => parse(profile), UsageError, words);
  });
}
