import type { Seccomp, SeccompCondition, SeccompRule } from "../../plan/oci.ts";
import { lets } from "./actions.ts";
import type { SystemCalls } from "./system_calls.ts";

/** The rules of one call, in the order in which they are asked; the first that is met decides. */
export type Rules = readonly SeccompRule[];

/** i386 has one call for all of sockets and one for System V's IPC; their first arguments say what is meant (socketcall(2), ipc(2)). */
const MULTIPLEXED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  socketcall: Object.fromEntries(
    ("socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown " +
      "setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg")
      .split(" ").map((name, index) => [name, index + 1]),
  ),
  ipc: {
    semop: 1,
    semget: 2,
    semctl: 3,
    semtimedop: 4,
    msgsnd: 11,
    msgrcv: 12,
    msgget: 13,
    msgctl: 14,
    shmat: 21,
    shmdt: 22,
    shmget: 23,
    shmctl: 24,
  },
};

/** ipc(2) has a version in the upper half of its first argument. */
const OPERATION = 0xffffn;

/**
 * The rules of a profile by the numbers of calls. Names that this architecture does not have are passed over, as by docker's
 * libseccomp: profiles list the calls of all, and of newer kernels.
 */
export function rulesByNumber(syscalls: Seccomp["syscalls"], calls: SystemCalls): Map<number, Rules> {
  const rules = new Map<number, SeccompRule[]>();
  const listOf = (number: number) => {
    const list = rules.get(number) ?? [];
    rules.set(number, list);
    return list;
  };
  const rulesOfProfile = syscalls.flatMap(alternatives);
  for (const rule of rulesOfProfile) {
    for (const number of rule.names.map((name) => calls.get(name))) {
      if (number !== undefined) listOf(number).push(rule);
    }
  }
  for (const [multiplexer, operations] of Object.entries(MULTIPLEXED)) {
    const number = calls.get(multiplexer);
    if (number === undefined) continue;
    const { refusals, allowances } = multiplexed(rulesOfProfile, operations);
    const own = rules.get(number) ?? [];
    const all = [...refusals, ...own, ...allowances];
    if (all.length > 0) rules.set(number, all);
  }
  return rules;
}

/**
 * A rule that compares one argument more than once is met by any of its conditions, although the specification says by all: so
 * have runc and crun always understood it ("revert to old behavior").
 */
function alternatives(rule: SeccompRule): SeccompRule[] {
  const indexes = new Set(rule.args.map(({ index }) => index));
  return indexes.size === rule.args.length
    ? [rule]
    : rule.args.map((condition) => ({ ...rule, args: [condition] }));
}

/**
 * What rules for calls mean for the one that does the same for several of them, and whose own arguments lie in memory that a
 * filter cannot read. So a refusal counts whatever it says of arguments, before all else, and what is allowed for certain
 * arguments only is not allowed there.
 */
function multiplexed(syscalls: Seccomp["syscalls"], operations: Readonly<Record<string, number>>) {
  const refusals: SeccompRule[] = [];
  const allowances: SeccompRule[] = [];
  for (const rule of syscalls) {
    for (const name of rule.names) {
      const operation = operations[name];
      if (operation === undefined) continue;
      const condition: SeccompCondition = {
        index: 0,
        op: "SCMP_CMP_MASKED_EQ",
        value: OPERATION,
        valueTwo: BigInt(operation),
      };
      const moved = { ...rule, names: [name], args: [condition] };
      if (!lets(rule.action)) refusals.push(moved);
      else if (rule.args.length === 0) allowances.push(moved);
    }
  }
  return { refusals, allowances };
}
