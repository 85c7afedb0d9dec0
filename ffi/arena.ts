import { type MappedMemory, mapShared, unmap } from "./libc.ts";

const encoder = new TextEncoder();
/** Bytes for a UTF-16 unit, at most. */
const LONGEST_UTF8 = 3;

/**
 * Memory for call tables and for what their arguments point to. It lies outside V8's heap, so a child of clone(2) finds
 * it at the same address, and it is shared with the child, so that the parent can read results there and fill in
 * values while the child still waits.
 */
export class Arena {
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** In bytes, whole words. */
  readonly size: number;
  readonly #unsigned: Uint32Array<ArrayBuffer>;
  readonly #signed: Int32Array<ArrayBuffer>;
  #used = 0;

  /**
   * @param size in bytes, or a little less; untouched pages cost nothing
   * @param memory of that size, to be used in place of newly mapped one; it is not released
   */
  constructor(size: number, readonly memory?: MappedMemory) {
    this.size = Math.ceil(size / 8) * 8;
    const { address, buffer } = memory ?? mapShared(this.size);
    this.address = address;
    this.bytes = new Uint8Array(buffer);
    this.#unsigned = new Uint32Array(buffer);
    this.#signed = new Int32Array(buffer);
  }

  /**
   * The address of `size` fresh bytes. They are zero unless the arena was rewound.
   * @throws {RangeError} when the arena is full
   */
  allocate(size: number, align = 8): number {
    const offset = Math.ceil(this.#used / align) * align;
    if (offset + size > this.size) {
      throw new RangeError(`no room for ${size} bytes in an arena of ${this.size} bytes`);
    }
    this.#used = offset + size;
    return this.address + offset;
  }

  /** How many bytes are still free. */
  get free(): number {
    return this.size - this.#used;
  }

  /** A position to come back to with `rewind`. */
  get mark(): number {
    return this.#used;
  }

  /** Forgets all that was allocated since `mark`. */
  rewind(mark: number): void {
    this.#used = mark;
  }

  /** Bytes copied into the arena. */
  data(bytes: Uint8Array): number {
    const address = this.allocate(bytes.length);
    this.bytes.set(bytes, address - this.address);
    return address;
  }

  /**
   * A C string: the text in UTF-8, or the bytes as they are, and a NUL.
   * @throws {TypeError} when it contains a NUL, which would silently cut it short
   */
  string(text: string | Uint8Array): number {
    if (typeof text === "string" ? text.includes("\0") : text.includes(0)) {
      throw new TypeError(`a NUL inside ${JSON.stringify(text.toString())}`);
    }
    const longest = text.length * LONGEST_UTF8;
    if (typeof text === "string" && longest < this.free) {
      // in place: most texts are short, and there are many
      const address = this.allocate(longest + 1, 1);
      const offset = address - this.address;
      const { written } = encoder.encodeInto(text, this.bytes.subarray(offset, offset + longest));
      this.bytes[offset + written] = 0;
      this.#used = offset + written + 1;
      return address;
    }
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    const address = this.allocate(bytes.length + 1, 1);
    const offset = address - this.address;
    this.bytes.set(bytes, offset);
    this.bytes[offset + bytes.length] = 0;
    return address;
  }

  /** A NULL-terminated array of C strings, as argv and envp are. */
  strings(texts: readonly string[]): number {
    const array = this.allocate((texts.length + 1) * 8);
    texts.forEach((text, index) => this.setWord(array + index * 8, this.string(text)));
    this.setWord(array + texts.length * 8, 0);
    return array;
  }

  /** Words of 64 bits, one after another. @returns their address */
  words(values: readonly (number | bigint)[]): number {
    const address = this.allocate(8 * values.length);
    values.forEach((value, index) => this.setWord(address + 8 * index, value));
    return address;
  }

  /** 32-bit unsigned integers, one after another. */
  integers(values: readonly number[]): number {
    const array = this.allocate(Math.max(values.length, 1) * 4);
    values.forEach((value, index) => this.setInt(array + index * 4, value));
    return array;
  }

  /** Sets bytes to zero. */
  clear(address: number, size: number): void {
    const offset = address - this.address;
    this.bytes.fill(0, offset, offset + size);
  }

  /** Writes a 64-bit word, at an address divisible by 4; numbers must be integers that a double holds exactly. */
  setWord(address: number, value: number | bigint): void {
    const index = (address - this.address) / 4;
    if (typeof value === "bigint") {
      this.#unsigned[index] = Number(BigInt.asUintN(32, value));
      this.#unsigned[index + 1] = Number(BigInt.asUintN(32, value >> 32n));
    } else {
      // storing into the array takes a number modulo 2 ** 32
      this.#unsigned[index] = value;
      this.#signed[index + 1] = Math.floor(value / 4294967296);
    }
  }

  /** Reads a 64-bit signed word that a double holds exactly. */
  word(address: number): number {
    const index = (address - this.address) / 4;
    return (this.#signed[index + 1] as number) * 4294967296 + (this.#unsigned[index] as number);
  }

  /** Writes a 32-bit integer, at an address divisible by 4. */
  setInt(address: number, value: number): void {
    this.#unsigned[(address - this.address) / 4] = value;
  }

  int(address: number): number {
    return this.#signed[(address - this.address) / 4] as number;
  }

  /** Gives the memory back. Nothing may use the arena afterwards. */
  release(): void {
    if (this.memory === undefined) unmap(this.address, this.size);
  }
}
