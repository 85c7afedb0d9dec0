import type { ByteString } from "../tar/byte_string.ts";

/** Bytes that are written from start to end, and patched; zero until then. */
export class GrowingBytes {
  #buffer: ArrayBuffer;
  #length = 0;
  #bytes: Uint8Array<ArrayBuffer>;
  /** The same as 32-bit words; another array once there are more bytes. */
  words: Uint32Array<ArrayBuffer>;

  /** @param capacity in bytes, to begin with: a multiple of 4 */
  constructor(capacity: number) {
    this.#buffer = new ArrayBuffer(capacity);
    this.#bytes = new Uint8Array(this.#buffer);
    this.words = new Uint32Array(this.#buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Adds zero bytes. @returns where they start */
  extend(size: number): number {
    const start = this.#length;
    this.#length += size;
    if (this.#length > this.#buffer.byteLength) this.#grow();
    return start;
  }

  #grow(): void {
    this.#buffer = this.#buffer.transfer(
      Math.max(Math.ceil(this.#length / 4) * 4, 2 * this.#buffer.byteLength),
    );
    this.#bytes = new Uint8Array(this.#buffer);
    this.words = new Uint32Array(this.#buffer);
  }

  set(offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offset);
  }

  setString(offset: number, text: ByteString): void {
    for (let index = 0; index < text.length; index++) this.#bytes[offset + index] = text.charCodeAt(index);
  }

  /** All that was written; no copy. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }
}
