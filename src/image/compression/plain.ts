import { readAt } from "../read_at.ts";
import { type ByteStream, type Content, truncated } from "./stream.ts";

/** Content that is not compressed. */
export class PlainStream implements ByteStream {
  #position = 0;

  constructor(readonly content: Content) {}

  read(target: Uint8Array): Promise<number> {
    const { file, offset, size, label } = this.content;
    const wanted = Math.min(target.length, size - this.#position);
    const count = readAt(file, offset + this.#position, target.subarray(0, wanted));
    if (count < wanted) return Promise.reject(truncated(label));
    this.#position += count;
    this.content.advance?.(count);
    return Promise.resolve(count);
  }

  skip(count: number): Promise<void> {
    this.#position = Math.min(this.#position + count, this.content.size);
    return Promise.resolve();
  }

  [Symbol.dispose](): void {}
}
