/**
 * Makes a filter for seccomp(2) of what linux.seccomp of the OCI runtime specification says. libseccomp's filters compare a
 * call's number with one after another, some hundred times; these are search trees:
 *
 *     the architecture → the number: a balanced tree over ranges of numbers with the same outcome → conditions, if any
 */
import { ENOSYS } from "../../../ffi/errno.ts";
import { UsageError } from "../../errors.ts";
import type { Seccomp } from "../../plan/oci.ts";
import { lets, RET_ERRNO, RET_KILL_PROCESS, returnValue } from "./actions.ts";
import { BackwardProgram, JUMP_IF_EQUAL, JUMP_IF_NOT_LESS, type Label, MOST_INSTRUCTIONS } from "./bpf.ts";
import { writeCondition } from "./conditions.ts";
import { type Rules, rulesByNumber } from "./rules.ts";
import { SYSTEM_CALLS_OF } from "./system_calls.ts";

/** struct seccomp_data (include/uapi/linux/seccomp.h) */
const NUMBER = 0;
const ARCHITECTURE = 4;

/** __X32_SYSCALL_BIT: calls of x32 come as those of x86-64 with this bit in their number. */
const X32_BIT = 0x40000000;

/** __ARM_NR_BASE: calls that only arm has, far behind all others. */
const PRIVATE = 0x0f0000;

/** AUDIT_ARCH_... (include/uapi/linux/audit.h), and whose calls come under each, by where their numbers begin. */
interface Machine {
  readonly audit: number;
  readonly is32Bit: boolean;
  readonly members: readonly {
    readonly name: keyof typeof SYSTEM_CALLS_OF;
    readonly from: number;
    readonly to: number;
  }[];
}

const ALL_NUMBERS = 2 ** 32;

const MACHINES: readonly Machine[] = [
  {
    audit: 0xc000003e,
    is32Bit: false,
    members: [
      { name: "SCMP_ARCH_X86_64", from: 0, to: X32_BIT },
      // -1, by which a tracer passes a call over, is none of x32's
      { name: "SCMP_ARCH_X32", from: X32_BIT, to: ALL_NUMBERS - 1 },
    ],
  },
  { audit: 0x40000003, is32Bit: true, members: [{ name: "SCMP_ARCH_X86", from: 0, to: ALL_NUMBERS }] },
  { audit: 0xc00000b7, is32Bit: false, members: [{ name: "SCMP_ARCH_AARCH64", from: 0, to: ALL_NUMBERS }] },
  { audit: 0x40000028, is32Bit: true, members: [{ name: "SCMP_ARCH_ARM", from: 0, to: ALL_NUMBERS }] },
];

/** The architecture whose calls a filter always has something to say of, by Deno's name of the CPU. */
const NATIVE = { x86_64: "SCMP_ARCH_X86_64", aarch64: "SCMP_ARCH_AARCH64" } as const;
export type Cpu = keyof typeof NATIVE;

/** What is done with a call: a value of the filter's, or what rules with conditions say, and a value if none is met. */
interface Outcome {
  readonly rules: Rules;
  readonly otherwise: number;
}

/** Numbers from one on, up to the next range. */
interface Range {
  readonly from: number;
  readonly outcome: Outcome;
}

/**
 * @returns a program for seccomp(2), struct sock_filter after struct sock_filter. A call of an architecture that is not listed
 * ends the process; those of x32 are then not implemented.
 * @throws {UsageError} when it would be longer than the kernel takes
 */
export function compileSeccomp(seccomp: Seccomp, cpu: Cpu): Uint8Array<ArrayBuffer> {
  const listed = new Set<string>([NATIVE[cpu], ...seccomp.architectures]);
  const program = new BackwardProgram();
  let start = program.returns(RET_KILL_PROCESS);
  const machines = MACHINES.filter(({ members }) => members.some(({ name }) => listed.has(name)));
  // what is written last is asked for first: the machine's own programs
  const isNative = ({ members }: Machine) => members.some(({ name }) => name === NATIVE[cpu]);
  for (const machine of machines.sort((a, b) => Number(isNative(a)) - Number(isNative(b)))) {
    const ranges = mergeEqual(rangesOf(machine, listed, seccomp));
    const places = new Map<string, Label>();
    const tree = writeTree(program, ranges, ({ rules, otherwise }) => {
      const key = keyOf({ rules, otherwise });
      // a value is written again where it is far, rules are not
      if (rules.length === 0) return program.returns(otherwise);
      const place = places.get(key) ?? writeRules(program, rules, otherwise, machine.is32Bit);
      places.set(key, place);
      return place;
    });
    start = program.jump(JUMP_IF_EQUAL, machine.audit, program.load(NUMBER, tree), start);
  }
  program.load(ARCHITECTURE, start);
  if (program.length > MOST_INSTRUCTIONS) {
    throw new UsageError({
      what: "cannot make a filter of the seccomp profile",
      why: `it has ${program.length} instructions, and the kernel takes ${MOST_INSTRUCTIONS}`,
      hint: "list fewer conditions on arguments",
    });
  }
  return program.bytes();
}

/** What is done with every number that can come from one kind of machine, in their order. */
function rangesOf({ members }: Machine, listed: ReadonlySet<string>, seccomp: Seccomp): Range[] {
  const defaultValue = returnValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const byDefault: Outcome = { rules: [], otherwise: defaultValue };
  const ranges: Range[] = [];
  for (const { name, from, to } of members) {
    if (!listed.has(name)) {
      // only of x32: as in a kernel without it
      ranges.push({ from, outcome: { rules: [], otherwise: RET_ERRNO + ENOSYS } });
      ranges.push({ from: to, outcome: byDefault });
      continue;
    }
    const rules = rulesByNumber(seccomp.syscalls, SYSTEM_CALLS_OF[name]());
    const numbers = [...rules.keys()].sort((a, b) => a - b);
    ranges.push({ from, outcome: byDefault });
    const say = (number: number, outcome: Outcome) => {
      if (ranges.at(-1)!.from === from + number) ranges.pop();
      ranges.push({ from: from + number, outcome });
    };
    const unknown = numbers.findLast((number) => number < PRIVATE) ?? -1;
    for (const number of numbers) {
      say(number, outcomeOf(rules.get(number)!, defaultValue));
      say(number + 1, byDefault);
      // Calls that are newer than the profile: programs try them and know what to do instead if they are not there, but not
      // if they are not allowed. runc does so as well. A tracer knows by itself what to do.
      if (number === unknown && !lets(seccomp.defaultAction) && seccomp.defaultAction !== "SCMP_ACT_TRACE") {
        say(number + 1, { rules: [], otherwise: RET_ERRNO + ENOSYS });
        say(PRIVATE, byDefault);
      }
    }
    if (to < ALL_NUMBERS) ranges.push({ from: to, outcome: byDefault });
  }
  return ranges.filter(({ from }, index) => from !== ranges[index + 1]?.from);
}

/** Rules after one without conditions are never asked. */
function outcomeOf(rules: Rules, defaultValue: number): Outcome {
  const last = rules.findIndex(({ args }) => args.length === 0);
  if (last < 0) return { rules, otherwise: defaultValue };
  const { action, errnoRet } = rules[last]!;
  return { rules: rules.slice(0, last), otherwise: returnValue(action, errnoRet) };
}

const keyOf = ({ rules, otherwise }: Outcome) =>
  JSON.stringify([
    otherwise,
    rules.map(({ action, errnoRet, args }) => [
      returnValue(action, errnoRet),
      args.map(({ index, op, value, valueTwo }) => [index, op, String(value), String(valueTwo)]),
    ]),
  ]);

function mergeEqual(ranges: readonly Range[]): Range[] {
  return ranges.filter(({ outcome }, index) =>
    index === 0 || keyOf(outcome) !== keyOf(ranges[index - 1]!.outcome)
  );
}

/** @returns where the search begins, with the number in the accumulator */
function writeTree(
  program: BackwardProgram,
  ranges: readonly Range[],
  place: (outcome: Outcome) => Label,
): Label {
  if (ranges.length === 1) return place(ranges[0]!.outcome);
  const middle = ranges.length >> 1;
  const upper = writeTree(program, ranges.slice(middle), place);
  const lower = writeTree(program, ranges.slice(0, middle), place);
  return program.jump(JUMP_IF_NOT_LESS, ranges[middle]!.from, upper, lower);
}

function writeRules(program: BackwardProgram, rules: Rules, otherwise: number, is32Bit: boolean): Label {
  return rules.reduceRight((next, { action, errnoRet, args }) => {
    const met = program.returns(returnValue(action, errnoRet));
    return args.reduceRight(
      (yes, condition) => writeCondition(program, condition, is32Bit, yes, next),
      met,
    );
  }, program.returns(otherwise));
}
