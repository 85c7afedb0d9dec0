/**
 * Looks at the structure of zstd data (RFC 8878), not at what is compressed: before a decoder sees a frame, its window is
 * known, and that all is there is known at the end.
 */
import { CompressionError } from "./stream.ts";

/** ZSTD_WINDOWLOG_LIMIT_DEFAULT: what zstd itself takes without being told to, and so what its users expect. */
export const MAX_WINDOW = 1 << 27;

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;

/** Block_Maximum_Size, section 3.1.1.2.3. */
const MAX_BLOCK = 128 << 10;

/** Bytes of the fields that the two flags of a frame header stand for, section 3.1.1.1.1. */
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];

type State = "start" | "skippable size" | "descriptor" | "header" | "block header";

export class ZstdFrames {
  #state: State = "start";
  /** A field of which only a part has come, and its size. */
  readonly #field = new Uint8Array(16);
  #filled = 0;
  #wanted = 4;
  /** Bytes of a block or a skippable frame that have not come yet. */
  #skip = 0;
  /** The descriptor of the frame that is under way. */
  #descriptor = 0;

  /**
   * Takes the next bytes.
   * @throws {CompressionError} when they are no zstd, or of a kind that dhow refuses
   */
  feed(bytes: Uint8Array): void {
    let position = 0;
    while (position < bytes.length) {
      const left = bytes.length - position;
      const skipped = Math.min(this.#skip, left);
      this.#skip -= skipped;
      const count = Math.min(this.#wanted - this.#filled, left - skipped);
      const start = position + skipped;
      this.#field.set(bytes.subarray(start, start + count), this.#filled);
      this.#filled += count;
      position = start + count;
      if (this.#filled === this.#wanted) this.#takeField();
    }
  }

  /** Call it when all was fed. @throws {CompressionError} when something is missing */
  finish(): void {
    if (this.#state !== "start" || this.#filled > 0 || this.#skip > 0) {
      throw new CompressionError("unexpected end of file");
    }
  }

  #expect(state: State, wanted: number, skip = 0): void {
    this.#state = state;
    this.#wanted = wanted;
    this.#filled = 0;
    this.#skip = skip;
  }

  #takeField(): void {
    switch (this.#state) {
      case "start":
        return this.#takeMagic(this.#number(0, 4));
      case "skippable size":
        return this.#expect("start", 4, this.#number(0, 4));
      case "descriptor":
        return this.#takeDescriptor(this.#field[0]!);
      case "header":
        return this.#takeHeader();
      case "block header":
        return this.#takeBlockHeader(this.#number(0, 3));
    }
  }

  /** A little-endian number in the field. */
  #number(start: number, length: number): number {
    let value = 0;
    for (let index = start + length - 1; index >= start; index--) value = value * 256 + this.#field[index]!;
    return value;
  }

  #takeMagic(magic: number): void {
    if (magic === FRAME_MAGIC) this.#expect("descriptor", 1);
    // sixteen magic numbers, section 3.1.2
    else if (magic - magic % 16 === SKIPPABLE_MAGIC) this.#expect("skippable size", 4);
    else throw new CompressionError("there is something else than zstd in it");
  }

  get #isSingleSegment(): boolean {
    return (this.#descriptor & 0x20) !== 0;
  }

  get #contentSizeBytes(): number {
    const flag = this.#descriptor >> 6;
    return flag === 0 && this.#isSingleSegment ? 1 : CONTENT_SIZE_BYTES[flag]!;
  }

  get #dictionaryIdBytes(): number {
    return DICTIONARY_ID_BYTES[this.#descriptor & 3]!;
  }

  #takeDescriptor(descriptor: number): void {
    if ((descriptor & 8) !== 0) throw new CompressionError("a frame header has a reserved bit set");
    this.#descriptor = descriptor;
    const windowBytes = this.#isSingleSegment ? 0 : 1;
    this.#expect("header", windowBytes + this.#dictionaryIdBytes + this.#contentSizeBytes);
  }

  #takeHeader(): void {
    const window = this.#isSingleSegment ? this.#contentSize() : windowSize(this.#field[0]!);
    if (window > MAX_WINDOW) {
      throw new CompressionError(`it wants ${window} bytes of memory, more than ${MAX_WINDOW}`);
    }
    if (this.#number(this.#isSingleSegment ? 0 : 1, this.#dictionaryIdBytes) !== 0) {
      throw new CompressionError("it was compressed with a dictionary, which is not in it");
    }
    this.#expect("block header", 3);
  }

  /** Of a frame of a single segment, which is its window too. Section 3.1.1.1.4. */
  #contentSize(): number {
    const bytes = this.#contentSizeBytes;
    return this.#number(this.#dictionaryIdBytes, bytes) + (bytes === 2 ? 256 : 0);
  }

  #takeBlockHeader(header: number): void {
    const isLast = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type === 3 || size > MAX_BLOCK) throw new CompressionError("a block header is not valid");
    const isRunLength = type === 1;
    const hasChecksum = (this.#descriptor & 4) !== 0;
    const content = isRunLength ? 1 : size;
    if (isLast) this.#expect("start", 4, content + (hasChecksum ? 4 : 0));
    else this.#expect("block header", 3, content);
  }
}

/** Section 3.1.1.1.2. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}
