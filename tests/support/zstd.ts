import { concatenate } from "./tar.ts";

export interface FrameOptions {
  /** The byte that says how large the window is (RFC 8878, section 3.1.1.1.2); absent: a single segment of the content's size. */
  readonly window?: number;
  /** What the frame says of its content's size. */
  readonly contentSize?: number;
  /** How many bytes it says that in: 1, 2, 4 or 8. */
  readonly sizeBytes?: number;
  readonly dictionary?: number;
  readonly descriptor?: number;
  /** Finished blocks, in place of raw ones of the content. */
  readonly blocks?: readonly Uint8Array[];
}

const MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
const RAW = 0;
const RUN_LENGTH = 1;
const MAX_BLOCK = 128 << 10;

/** A zstd frame that compresses nothing (RFC 8878): tests need no program to make it. */
export function zstdFrame(content: Uint8Array, options: FrameOptions = {}): Uint8Array {
  const { window, sizeBytes = 4, dictionary, blocks = rawBlocks(content) } = options;
  const isSingle = window === undefined;
  const sizeFlag = isSingle ? [1, 2, 4, 8].indexOf(sizeBytes) : 0;
  const descriptor = options.descriptor ??
    (sizeFlag << 6 | (isSingle ? 0x20 : 0) | (dictionary === undefined ? 0 : 1));
  return concatenate([
    MAGIC,
    Uint8Array.of(descriptor),
    window === undefined ? new Uint8Array() : Uint8Array.of(window),
    dictionary === undefined ? new Uint8Array() : Uint8Array.of(dictionary),
    isSingle ? littleEndian(options.contentSize ?? content.length, sizeBytes) : new Uint8Array(),
    ...blocks,
  ]);
}

function rawBlocks(content: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (let from = 0; from === 0 || from < content.length; from += MAX_BLOCK) {
    const part = content.subarray(from, from + MAX_BLOCK);
    blocks.push(block(RAW, part.length, from + MAX_BLOCK >= content.length), part);
  }
  return blocks;
}

/** A block's header. */
export function block(type: number, size: number, isLast: boolean): Uint8Array {
  return littleEndian(size * 8 + type * 2 + Number(isLast), 3);
}

/** A block of one byte, many times: how a few bytes become many. */
export function runLength(byte: number, size: number, isLast: boolean): Uint8Array {
  return concatenate([block(RUN_LENGTH, size, isLast), Uint8Array.of(byte)]);
}

/** Any bytes, for decoders to skip. */
export function skippableFrame(content: Uint8Array): Uint8Array {
  return concatenate([
    Uint8Array.of(0x57, 0x2a, 0x4d, 0x18),
    littleEndian(content.length, 4),
    content,
  ]);
}

function littleEndian(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let rest = BigInt(value);
  for (let index = 0; index < length; index++, rest >>= 8n) bytes[index] = Number(rest & 0xffn);
  return bytes;
}
