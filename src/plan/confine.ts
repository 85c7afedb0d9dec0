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
 * @param memory that the calls are made with: what puts words of 64 bits, or bytes, there, and gives their address
 */
export function confiningCalls(
  step: ConfiningStep,
  memory: { words(...values: readonly bigint[]): number; data(bytes: Uint8Array): number },
): readonly (readonly [name: string, parameters: readonly number[]])[] {
  switch (step.op) {
    case "drop-bounding-set":
      return step.drops.map((number) => ["prctl", [PR_CAPBSET_DROP, number, 0, 0, 0]]);
    case "set-capabilities": {
      // capset(2): the lower halves of the effective, permitted and inheritable set, then the upper halves
      const { permitted, effective } = step;
      const data = memory.words(
        low(effective) | low(permitted) << 32n,
        high(effective) << 32n,
        high(permitted),
      );
      return [["capset", [memory.words(BigInt(LINUX_CAPABILITY_VERSION_3)), data]]];
    }
    case "forbid-new-privileges":
      return [["prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]]];
    case "load-filter": {
      const { flags, program } = step.filter;
      const text = atob(program);
      const bytes = new Uint8Array(text.length); // a loop: no function is called for each byte, at every start
      for (let index = 0; index < bytes.length; index++) bytes[index] = text.charCodeAt(index);
      const instructions = memory.data(bytes);
      // struct sock_fprog: how many there are, and where
      const whole = memory.words(BigInt(bytes.length / INSTRUCTION_SIZE), BigInt(instructions));
      return [["seccomp", [SECCOMP_SET_MODE_FILTER, flags, whole]]];
    }
  }
}
