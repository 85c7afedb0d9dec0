/** What a filter is asked about: struct seccomp_data. */
export interface SystemCall {
  /** AUDIT_ARCH_... */
  readonly architecture: number;
  readonly number: number;
  readonly args: readonly bigint[];
}

export const AUDIT_ARCH = {
  x86_64: 0xc000003e,
  i386: 0x40000003,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
} as const;

export const RET_ALLOW = 0x7fff0000;
export const RET_LOG = 0x7ffc0000;
export const RET_KILL_PROCESS = 0x80000000;
export const RET_ERRNO = 0x00050000;

export interface Answer {
  readonly value: number;
  /** How many instructions led to it. */
  readonly steps: number;
}

/**
 * Runs a filter of seccomp(2) as the kernel would, and refuses what the kernel would (net/core/filter.c, kernel/seccomp.c):
 * unknown codes, jumps to beyond the end, loads that are not of a whole word.
 */
export function runFilter(program: Uint8Array, { architecture, number, args }: SystemCall): Answer {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, architecture, true);
  args.forEach((value, index) => data.setBigUint64(16 + index * 8, value, true));
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const count = program.length / 8;
  let accumulator = 0;
  for (let at = 0, steps = 1;; steps++) {
    if (at >= count) throw new Error(`it leads beyond its end, to ${at} of ${count}`);
    const [yes, no] = [code.getUint8(at * 8 + 2), code.getUint8(at * 8 + 3)];
    const operand = code.getUint32(at * 8 + 4, true);
    const opcode = code.getUint16(at * 8, true);
    at++;
    switch (opcode) {
      case 0x20: // ld
        if (operand % 4 !== 0 || operand > 60) throw new Error(`there is no word at ${operand}`);
        accumulator = data.getUint32(operand, true);
        break;
      case 0x54: // and
        accumulator = (accumulator & operand) >>> 0;
        break;
      case 0x05: // ja
        at += operand;
        break;
      case 0x15: // jeq
        at += accumulator === operand ? yes : no;
        break;
      case 0x25: // jgt
        at += accumulator > operand ? yes : no;
        break;
      case 0x35: // jge
        at += accumulator >= operand ? yes : no;
        break;
      case 0x45: // jset, of libseccomp's
        at += (accumulator & operand) !== 0 ? yes : no;
        break;
      case 0x06: // ret
        return { value: operand, steps };
      default:
        throw new Error(`there is no instruction 0x${opcode.toString(16)}`);
    }
  }
}
