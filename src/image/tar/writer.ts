import { Arena } from "../../../ffi/arena.ts";
import { BLOCK, type TarEntry } from "./decoder.ts";
import { encodeEntry } from "./encoder.ts";

/** Where an archive goes. */
export interface ByteSink {
  /** Takes bytes, in order; settled when their memory may be used again. */
  write(bytes: Uint8Array): Promise<void>;
}

/** One buffer is filled while the other is written. */
const BUFFER_SIZE = 1 << 20;
const BUFFERS = 2;

/**
 * Writes a tar archive as a stream. Each entry's header is followed by exactly as many bytes of data as it says, in calls of
 * `data` and `fill`.
 */
export class TarWriter implements AsyncDisposable {
  readonly #arena = new Arena(BUFFERS * BUFFER_SIZE);
  readonly #idle: Promise<void>[] = Array.from({ length: BUFFERS }, () => Promise.resolve());
  #current = 0;
  /** Bytes in the current buffer. */
  #filled = 0;
  /** Bytes of data, and of padding after them, that the current entry still lacks. */
  #data = 0;
  #padding = 0;

  constructor(readonly sink: ByteSink) {}

  /** Begins an entry. @throws {RangeError} for one that no tar can hold */
  async header(entry: TarEntry): Promise<void> {
    this.#assertComplete();
    const { blocks, size } = encodeEntry(entry);
    await this.#put(blocks);
    this.#data = size;
    this.#padding = (BLOCK - size % BLOCK) % BLOCK;
  }

  /** Adds to the current entry's data. */
  async data(bytes: Uint8Array): Promise<void> {
    await this.#put(bytes);
    await this.#count(bytes.length);
  }

  /**
   * Has the rest of the current entry's data read into the writer's own memory, which lies outside V8's heap.
   * @param read fills some of the `length` bytes at `address` and returns how many; 0 when there are no more: then zeros
   *   stand in for what is missing
   */
  async fill(read: (address: number, length: number) => number): Promise<void> {
    for (let ended = false; this.#data > 0;) {
      const room = await this.#room();
      const wanted = Math.min(room.length, this.#data);
      let count = ended ? 0 : read(this.#arena.address + room.byteOffset, wanted);
      if (count === 0) {
        ended = true;
        room.fill(0, 0, wanted);
        count = wanted;
      }
      this.#filled += count;
      await this.#count(count);
    }
  }

  /** Ends the archive, with the two blocks of zeros that mark its end, and waits until all is written. */
  async finish(): Promise<void> {
    this.#assertComplete();
    await this.#put(new Uint8Array(2 * BLOCK));
    this.#flush();
    await Promise.all(this.#idle);
  }

  /** Waits for what is under way, whatever came of it, and gives the memory back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#idle);
    this.#arena.release();
  }

  async #count(length: number): Promise<void> {
    this.#data -= length;
    if (this.#data < 0) throw new Error("an entry of a tar has more data than its header says");
    if (this.#data > 0 || this.#padding === 0) return;
    const padding = new Uint8Array(this.#padding);
    this.#padding = 0;
    await this.#put(padding);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const room = await this.#room();
      const part = bytes.subarray(done, done + room.length);
      room.set(part);
      this.#filled += part.length;
      done += part.length;
    }
  }

  /** What is free of the current buffer; never empty. */
  async #room(): Promise<Uint8Array> {
    if (this.#filled === BUFFER_SIZE) this.#flush();
    if (this.#filled === 0) await this.#idle[this.#current];
    const start = this.#current * BUFFER_SIZE;
    return this.#arena.bytes.subarray(start + this.#filled, start + BUFFER_SIZE);
  }

  #flush(): void {
    const start = this.#current * BUFFER_SIZE;
    const bytes = this.#arena.bytes.subarray(start, start + this.#filled);
    const before = this.#idle[(this.#current + BUFFERS - 1) % BUFFERS]!;
    const written = before.then(() => this.sink.write(bytes));
    written.catch(() => {}); // heard of when its turn comes
    this.#idle[this.#current] = written;
    this.#current = (this.#current + 1) % BUFFERS;
    this.#filled = 0;
  }

  #assertComplete(): void {
    if (this.#data > 0) throw new Error("an entry of a tar lacks data that its header announced");
  }
}
