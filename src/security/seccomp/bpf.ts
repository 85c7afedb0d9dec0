/** Classic BPF, as seccomp(2) takes it: include/uapi/linux/filter.h and bpf_common.h, Documentation/networking/filter.rst. */

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
const JUMP = 0x05; // BPF_JMP | BPF_JA
/** Compare the accumulator with a constant, unsigned. */
export const JUMP_IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
export const JUMP_IF_GREATER = 0x25; // BPF_JMP | BPF_JGT | BPF_K
export const JUMP_IF_NOT_LESS = 0x35; // BPF_JMP | BPF_JGE | BPF_K

/** BPF_MAXINSNS: the kernel takes no longer program. */
export const MOST_INSTRUCTIONS = 4096;

/** struct sock_filter: a code of 16 bits, two distances of 8, and an operand of 32. */
export const INSTRUCTION_SIZE = 8;

/** How far a conditional jump reaches. */
const FARTHEST = 255;

/** A place in a program: how many instructions there are from it to the end. */
export type Label = number;

/**
 * A program, written from its end to its beginning. Classic BPF jumps forward only, so whatever an instruction can lead to
 * is there before it is written, and its distance known. Each method writes one instruction, before all that were written
 * so far, and gives its place.
 */
export class BackwardProgram {
  readonly #instructions: (readonly [code: number, yes: number, no: number, operand: number])[] = [];
  /** Where a value is returned, nearest first; and what a place returns. */
  readonly #returns = new Map<number, Label>();
  readonly #returned = new Map<Label, number>();

  get length(): number {
    return this.#instructions.length;
  }

  #write(code: number, operand: number, yes = 0, no = 0): Label {
    return this.#instructions.push([code, yes, no, operand]);
  }

  /** Ends the program with a value; the same place as last time, as long as it is near. */
  returns(value: number): Label {
    const known = this.#returns.get(value);
    return known !== undefined && this.length - known <= FARTHEST / 2 ? known : this.#writeReturn(value);
  }

  #writeReturn(value: number): Label {
    const label = this.#write(RETURN, value);
    this.#returns.set(value, label);
    this.#returned.set(label, value);
    return label;
  }

  /** A place from which a conditional jump can be reached, and which leads to `target`: a copy if that ends the program. */
  #nearer(target: Label): Label {
    const value = this.#returned.get(target);
    return value === undefined ? this.#write(JUMP, this.length - target) : this.#writeReturn(value);
  }

  /** What is not a jump goes on with the instruction behind it. */
  #before(next: Label): void {
    if (next !== this.length) this.#nearer(next);
  }

  /** Loads a word of struct seccomp_data into the accumulator. */
  load(offset: number, next: Label): Label {
    this.#before(next);
    return this.#write(LOAD_WORD, offset);
  }

  and(mask: number, next: Label): Label {
    this.#before(next);
    return this.#write(AND, mask);
  }

  /** @param test JUMP_IF_... */
  jump(test: number, operand: number, yes: Label, no: Label): Label {
    if (yes === no) return yes;
    for (;;) {
      if (this.length - yes > FARTHEST) yes = this.#nearer(yes);
      else if (this.length - no > FARTHEST) no = this.#nearer(no);
      else return this.#write(test, operand, this.length - yes, this.length - no);
    }
  }

  /** The program in the kernel's form, in this machine's order of bytes: that of both CPUs dhow runs on. */
  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.length * INSTRUCTION_SIZE);
    const view = new DataView(bytes.buffer);
    this.#instructions.toReversed().forEach(([code, yes, no, operand], index) => {
      const at = index * INSTRUCTION_SIZE;
      view.setUint16(at, code, true);
      view.setUint8(at + 2, yes);
      view.setUint8(at + 3, no);
      view.setUint32(at + 4, operand >>> 0, true);
    });
    return bytes;
  }
}
