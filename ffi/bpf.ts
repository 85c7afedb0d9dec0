/** eBPF programs: bpf(2), include/uapi/linux/bpf.h, Documentation/bpf/standardization/instruction-set.rst. */
import { Arena } from "./arena.ts";
import { EPERM, SystemCallError } from "./errno.ts";
import { libcCall } from "./table.ts";

/** One instruction. What it does not need is 0. */
export interface Instruction {
  readonly code: number;
  /** The register that it changes or tests. */
  readonly to?: number;
  readonly from?: number;
  /** Of a load, in bytes; of a jump, in instructions after the next. */
  readonly offset?: number;
  readonly value?: number;
}

export const OPCODES = {
  /** `to` = the 32 bits at `from` + `offset` */
  load: 0x61,
  /** the 32 bits at `to` + `offset` = `from` */
  store: 0x63,
  /** `to` = `from`, 32 bits */
  copy: 0xbc,
  /** `to` = `from`, 64 bits */
  copyAll: 0xbf,
  /** `to` += `value`, 64 bits */
  add: 0x07,
  /** `to` = `value` */
  move: 0xb7,
  /** `to` &= `value`, 32 bits */
  and: 0x54,
  /** `to` >>= `value`, 32 bits */
  shiftRight: 0x74,
  jump: 0x05,
  /** if `to` == `value` */
  jumpIf: 0x15,
  /** if `to` != `value` */
  jumpUnless: 0x55,
  /** if `to` & `value` */
  jumpIfAny: 0x45,
  /** the helper function `value`, with the registers 1 to 5 */
  call: 0x85,
  exit: 0x95,
} as const;

/** `to` = the map of a descriptor; takes the place of two instructions. */
export const loadMap = (to: number, fd: number): Instruction[] => {
  const BPF_PSEUDO_MAP_FD = 1;
  return [{ code: 0x18, to, from: BPF_PSEUDO_MAP_FD, value: fd }, { code: 0 }];
};

const INSTRUCTION_SIZE = 8;

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
/** The programs of cgroups above and below are asked as well: each can only take away. */
const BPF_F_ALLOW_MULTI = 2;

/** Of union bpf_attr, as far as it is used. */
const LOAD_SIZE = 72;

const RLIMIT_MEMLOCK = 8;

/** As the kernel reads them. */
export function encode(instructions: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, to = 0, from = 0, offset = 0, value = 0 }, index) => {
    const at = index * INSTRUCTION_SIZE;
    view.setUint8(at, code);
    view.setUint8(at + 1, to | (from << 4));
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, value, true);
  });
  return bytes;
}

/**
 * Has a program decide which devices those in a cgroup may use. It stays as long as the cgroup.
 * @param cgroup a descriptor of its folder
 * @throws {SystemCallError} when the kernel has no such programs, does not take this one, or this process may not
 */
export function attachDeviceProgram(cgroup: number, instructions: readonly Instruction[]): void {
  const program = loadProgram(BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, instructions);
  try {
    callBpf(BPF_PROG_ATTACH, [cgroup, program, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI]);
  } finally {
    libcCall("close", program);
  }
}

/**
 * Loads a program (BPF_PROG_LOAD in bpf(2)).
 * @param type BPF_PROG_TYPE_...
 * @param attachesAs where it is to be attached, one of enum bpf_attach_type
 * @returns a descriptor of it
 * @throws {SystemCallError} when the kernel has no such programs, does not take this one, or this process may not
 */
export function loadProgram(type: number, attachesAs: number, instructions: readonly Instruction[]): number {
  const arena = new Arena(LOAD_SIZE + instructions.length * INSTRUCTION_SIZE + 64);
  try {
    const attributes = new DataView(new ArrayBuffer(LOAD_SIZE));
    attributes.setUint32(0, type, true);
    attributes.setUint32(4, instructions.length, true);
    attributes.setBigUint64(8, BigInt(arena.data(encode(instructions))), true);
    attributes.setBigUint64(16, BigInt(arena.string("MIT")), true);
    attributes.setUint32(68, attachesAs, true);
    return load(arena.data(new Uint8Array(attributes.buffer)));
  } finally {
    arena.release();
  }
}

/**
 * Another command of bpf(2).
 * @param attributes words of 32 bits, those of its part of union bpf_attr
 * @throws {SystemCallError} when the kernel refuses
 */
export function callBpf(command: number, attributes: readonly number[]): number {
  const arena = new Arena(4 * attributes.length);
  try {
    return libcCall("bpf", command, arena.integers(attributes), 4 * attributes.length);
  } finally {
    arena.release();
  }
}

/** @param attributes their address. @returns a descriptor of the program */
function load(attributes: number): number {
  try {
    return libcCall("bpf", BPF_PROG_LOAD, attributes, LOAD_SIZE);
  } catch (error) {
    // before Linux 5.11 programs count as locked memory, all of a user's together
    if (!(error instanceof SystemCallError) || error.errno !== EPERM) throw error;
    return withoutMemoryLimit(() => libcCall("bpf", BPF_PROG_LOAD, attributes, LOAD_SIZE));
  }
}

/** Does work while this process may lock as much memory as it wants (getrlimit(2)); what it starts later is limited as before. */
function withoutMemoryLimit<T>(work: () => T): T {
  const arena = new Arena(64);
  try {
    const none = arena.data(new Uint8Array(16).fill(0xff)); // RLIM_INFINITY, twice
    const before = arena.allocate(16);
    libcCall("prlimit", 0, RLIMIT_MEMLOCK, none, before);
    try {
      return work();
    } finally {
      libcCall("prlimit", 0, RLIMIT_MEMLOCK, before, 0);
    }
  } finally {
    arena.release();
  }
}
