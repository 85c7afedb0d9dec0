/**
 * The devices of a cgroup of cgroup v2, which has no file for them: an eBPF program is asked at each use of one
 * (cgroup-v2.rst, "Device controller"; BPF_PROG_TYPE_CGROUP_DEVICE in the kernel's documentation of libbpf's program types).
 */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { attachDeviceProgram, type Instruction, OPCODES } from "../../ffi/bpf.ts";
import { libcCall } from "../../ffi/table.ts";
import { type DeviceAccess, deviceAccess, type DeviceException } from "./device_access.ts";
import type { DeviceRule } from "./oci.ts";

/** Bits of the program's context, include/uapi/linux/bpf.h: BPF_DEVCG_DEV_*, BPF_DEVCG_ACC_*. */
const TYPES = { b: 1, c: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const ALL_ACCESS = 7;

/** Registers: the verdict, the context, and what is read of it. */
const [VERDICT, CONTEXT, TYPE, WANTED, MAJOR, MINOR] = [0, 1, 2, 3, 4, 5];

/** Of struct bpf_cgroup_dev_ctx: the type below what is to be done with it, then two numbers, each of 32 bits. */
const OFFSETS = { access: 0, major: 4, minor: 8 };

/**
 * Lets those in a cgroup use no other devices from now on. It ends with the cgroup.
 * @throws {SystemCallError} when the kernel does not take the program
 */
export function filterDevices(cgroup: string, rules: readonly DeviceRule[]): void {
  const fd = libcCall("openat", AT_FDCWD, cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  try {
    attachDeviceProgram(fd, deviceProgram(deviceAccess(rules)));
  } finally {
    libcCall("close", fd);
  }
}

/** A program that answers 1 for what is allowed, and 0 for what is not: each exception in turn, then all else. */
export function deviceProgram({ allowsAll, exceptions }: DeviceAccess): Instruction[] {
  const verdict = (isAllowed: boolean): Instruction[] => [
    { code: OPCODES.move, to: VERDICT, value: isAllowed ? 1 : 0 },
    { code: OPCODES.exit },
  ];
  return [
    { code: OPCODES.load, to: TYPE, from: CONTEXT, offset: OFFSETS.access },
    { code: OPCODES.copy, to: WANTED, from: TYPE },
    { code: OPCODES.and, to: TYPE, value: 0xffff },
    { code: OPCODES.shiftRight, to: WANTED, value: 16 },
    { code: OPCODES.load, to: MAJOR, from: CONTEXT, offset: OFFSETS.major },
    { code: OPCODES.load, to: MINOR, from: CONTEXT, offset: OFFSETS.minor },
    ...exceptions.flatMap((exception) => whenItIs(exception, allowsAll, verdict(!allowsAll))),
    ...verdict(allowsAll),
  ];
}

/** Instructions that are gone through if a device and what is wanted of it are the exception; else they are jumped over. */
function whenItIs(
  { type, major, minor, access }: DeviceException,
  isRefused: boolean,
  then: readonly Instruction[],
): Instruction[] {
  const bits = [...access].reduce((all, letter) => all | ACCESS[letter]!, 0);
  // to be allowed, all that is wanted must be in it; to be refused, any of it
  const tests: Instruction[] = isRefused
    ? [{ code: OPCODES.jumpIfAny, to: WANTED, value: bits, offset: 1 }, { code: OPCODES.jump }]
    : bits === ALL_ACCESS
    ? []
    : [{ code: OPCODES.jumpIfAny, to: WANTED, value: ALL_ACCESS & ~bits }];
  tests.unshift({ code: OPCODES.jumpUnless, to: TYPE, value: TYPES[type] });
  if (major !== undefined) tests.push({ code: OPCODES.jumpUnless, to: MAJOR, value: major });
  if (minor !== undefined) tests.push({ code: OPCODES.jumpUnless, to: MINOR, value: minor });
  const length = tests.length + then.length;
  // what has no offset yet leads past it
  const aimed = tests.map((test, index) => ({ ...test, offset: test.offset ?? length - index - 1 }));
  return [...aimed, ...then];
}
