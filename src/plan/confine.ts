import {
  LINUX_CAPABILITY_VERSION_3,
  PR_CAPBSET_DROP,
  PR_SET_NO_NEW_PRIVS,
  SECCOMP_SET_MODE_FILTER,
} from "../../ffi/constants.ts";
import type { ConfiningStep } from "./step.ts";

/** struct sock_filter */
const INSTRUCTION_SIZE = 8;

const low = (mask: number) => BigInt(mask) & 0xffffffffn;
const high = (mask: number) => BigInt(mask) >> 32n;

/**
 * The system calls of a step that takes powers away.
 * @param words puts words of 64 bits into the memory that the calls are made with, and gives their address
 */
export function confiningCalls(
  step: ConfiningStep,
  words: (...values: readonly bigint[]) => number,
): readonly (readonly [name: string, parameters: readonly number[]])[] {
  switch (step.op) {
    case "drop-bounding-set":
      return step.drops.map((number) => ["prctl", [PR_CAPBSET_DROP, number, 0, 0, 0]]);
    case "set-capabilities": {
      // capset(2): the lower halves of the effective, permitted and inheritable set, then the upper halves
      const { permitted, effective } = step;
      const data = words(
        low(effective) | low(permitted) << 32n,
        high(effective) << 32n,
        high(permitted),
      );
      return [["capset", [words(BigInt(LINUX_CAPABILITY_VERSION_3)), data]]];
    }
    case "forbid-new-privileges":
      return [["prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]]];
    case "load-filter": {
      const { flags, program } = step.filter;
      const bytes = Uint8Array.from(atob(program), (character) => character.charCodeAt(0));
      const instructions = words(...new BigUint64Array(bytes.buffer));
      // struct sock_fprog: how many there are, and where
      const whole = words(BigInt(bytes.length / INSTRUCTION_SIZE), BigInt(instructions));
      return [["seccomp", [SECCOMP_SET_MODE_FILTER, flags, whole]]];
    }
  }
}
