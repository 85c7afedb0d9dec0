import { mapShared, unmap } from "./libc.ts";

/**
 * Memory for call tables and for what their arguments point to. It lies outside V8's heap, so a child of clone(2) finds
 * it at the same address, and it is shared with the child, so that the parent can read results there and fill in
 * values while the child still waits.
 */
export class Arena {
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #used = 0;

  /** @param size in bytes; untouched pages cost nothing */
  constructor(readonly size: number) {
    const { address, buffer } = mapShared(size);
    this.address = address;
    this.bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
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
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    if (bytes.includes(0)) throw new TypeError(`a NUL inside ${JSON.stringify(text.toString())}`);
    const address = this.allocate(bytes.length + 1, 1);
    this.bytes.set(bytes, address - this.address);
    this.bytes[address - this.address + bytes.length] = 0;
    return address;
  }

  /** A NULL-terminated array of C strings, as argv and envp are. */
  strings(texts: readonly string[]): number {
    const array = this.allocate((texts.length + 1) * 8);
    texts.forEach((text, index) => this.setWord(array + index * 8, this.string(text)));
    this.setWord(array + texts.length * 8, 0);
    return array;
  }

  /** 32-bit unsigned integers, one after another. */
  integers(values: readonly number[]): number {
    const array = this.allocate(Math.max(values.length, 1) * 4);
    values.forEach((value, index) => this.setInt(array + index * 4, value));
    return array;
  }

  /** Writes a 64-bit word; numbers must be integers that a double holds exactly. */
  setWord(address: number, value: number | bigint): void {
    const offset = address - this.address;
    if (typeof value === "bigint") {
      this.#view.setBigInt64(offset, BigInt.asIntN(64, value), true);
    } else {
      this.#view.setUint32(offset, value % 4294967296, true);
      this.#view.setInt32(offset + 4, Math.floor(value / 4294967296), true);
    }
  }

  /** Reads a 64-bit signed word that a double holds exactly. */
  word(address: number): number {
    const offset = address - this.address;
    return this.#view.getInt32(offset + 4, true) * 4294967296 + this.#view.getUint32(offset, true);
  }

  setInt(address: number, value: number): void {
    this.#view.setUint32(address - this.address, value, true);
  }

  int(address: number): number {
    return this.#view.getInt32(address - this.address, true);
  }

  /** Gives the memory back. Nothing may use the arena afterwards. */
  release(): void {
    unmap(this.address, this.size);
  }
}
