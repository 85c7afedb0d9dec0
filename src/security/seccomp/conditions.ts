import type { SeccompCondition } from "../../plan/oci.ts";
import { type BackwardProgram, JUMP_IF_EQUAL, JUMP_IF_GREATER, JUMP_IF_NOT_LESS, type Label } from "./bpf.ts";

/** struct seccomp_data: the six arguments, of 8 bytes each, lie behind number, architecture and instruction pointer. */
const ARGUMENTS = 16;

const low = (value: bigint) => Number(value & 0xffffffffn);
const high = (value: bigint) => Number(value >> 32n & 0xffffffffn);

/**
 * Writes a comparison of an argument: BPF compares 32 bits at a time. Of 32-bit programs only the lower half of each counts,
 * argument and value, as in libseccomp.
 *
 * @returns where it begins
 */
export function writeCondition(
  program: BackwardProgram,
  { index, op, value, valueTwo }: SeccompCondition,
  is32Bit: boolean,
  yes: Label,
  no: Label,
): Label {
  const at = ARGUMENTS + index * 8;
  const equals = (mask: bigint, wanted: bigint, yes: Label, no: Label): Label => {
    const half = (offset: number, mask: number, wanted: number, yes: Label): Label => {
      if (mask === 0) return yes;
      const test = program.jump(JUMP_IF_EQUAL, wanted, yes, no);
      return program.load(offset, mask === 0xffffffff ? test : program.and(mask, test));
    };
    const lower = half(at, low(mask), low(wanted), yes);
    return is32Bit ? lower : half(at + 4, high(mask), high(wanted), lower);
  };
  /** @param test how the lower half is compared; the upper one decides if it is not equal */
  const exceeds = (test: number, yes: Label, no: Label): Label => {
    const lower = program.load(at, program.jump(test, low(value), yes, no));
    if (is32Bit) return lower;
    const equal = program.jump(JUMP_IF_EQUAL, high(value), lower, no);
    return program.load(at + 4, program.jump(JUMP_IF_GREATER, high(value), yes, equal));
  };
  const ALL_BITS = 0xffffffffffffffffn;
  switch (op) {
    case "SCMP_CMP_EQ":
      return equals(ALL_BITS, value, yes, no);
    case "SCMP_CMP_NE":
      return equals(ALL_BITS, value, no, yes);
    case "SCMP_CMP_MASKED_EQ":
      return equals(value, valueTwo & value, yes, no);
    case "SCMP_CMP_GT":
      return exceeds(JUMP_IF_GREATER, yes, no);
    case "SCMP_CMP_LE":
      return exceeds(JUMP_IF_GREATER, no, yes);
    case "SCMP_CMP_GE":
      return exceeds(JUMP_IF_NOT_LESS, yes, no);
    case "SCMP_CMP_LT":
      return exceeds(JUMP_IF_NOT_LESS, no, yes);
  }
}
