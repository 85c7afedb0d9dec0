import {
  type Seccomp,
  SECCOMP_ACTIONS,
  SECCOMP_OPERATORS,
  type SeccompArchitecture,
  type SeccompCondition,
  type SeccompRule,
} from "../../src/plan/oci.ts";
import { takesErrno } from "../../src/security/seccomp/actions.ts";
import { AUDIT_ARCH, type SystemCall } from "./bpf.ts";
import type { Random } from "./random.ts";

/** Numbers around which comparisons change: halves, signs, and what profiles often have. */
const VALUES = [
  0n,
  1n,
  2n,
  40n,
  0x7e020000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x100000001n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffff00000000n,
  0xffffffffffffffffn,
];

export function randomValue(random: Random): bigint {
  if (random.chance(0.8)) return random.pick(VALUES);
  return BigInt(random.word()) << 32n | BigInt(random.word());
}

function randomCondition(random: Random, index: number): SeccompCondition {
  return {
    index,
    op: random.pick(SECCOMP_OPERATORS),
    value: randomValue(random),
    valueTwo: random.chance(0.5) ? randomValue(random) : 0n,
  };
}

export interface RandomSeccomp {
  readonly architectures: readonly SeccompArchitecture[];
  readonly names: readonly string[];
  /** How many rules, how many names each, and how many conditions. */
  readonly rules: number;
  readonly namesOfRule: number;
  readonly conditions: number;
}

/** A profile of random rules. */
export function randomSeccomp(random: Random, wanted: RandomSeccomp): Seccomp {
  const withErrno = () => {
    const action = random.pick(SECCOMP_ACTIONS);
    return takesErrno(action) ? { action, errnoRet: random.below(3) } : { action };
  };
  const rule = (): SeccompRule => ({
    ...withErrno(),
    names: Array.from({ length: random.between(1, wanted.namesOfRule + 1) }, () => random.pick(wanted.names)),
    args: Array.from({ length: random.below(wanted.conditions + 1) }, () => random.below(6))
      .map((index) => randomCondition(random, index)),
  });
  const { action, errnoRet } = withErrno();
  return {
    defaultAction: action,
    ...(errnoRet === undefined ? {} : { defaultErrnoRet: errnoRet }),
    architectures: wanted.architectures.filter(() => random.chance(0.7)),
    flags: [],
    syscalls: Array.from({ length: random.below(wanted.rules + 1) }, rule),
  };
}

/** A call with arguments near those that are compared. */
export function randomCall(random: Random, numbers: readonly number[]): SystemCall {
  const near = () => random.pick(numbers) + random.between(-1, 2) + (random.chance(0.2) ? 0x40000000 : 0);
  return {
    architecture: random.chance(0.05) ? random.word() : random.pick(Object.values(AUDIT_ARCH)),
    number: random.chance(0.1) ? random.word() : near() >>> 0,
    args: Array.from({ length: 6 }, () => randomValue(random)),
  };
}
