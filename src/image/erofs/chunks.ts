/**
 * Where a file's data lie, as EROFS's chunks: pieces of one size, a power of two, each of which is somewhere on a device or
 * a hole.
 */
import type { SparseMap } from "../tar/sparse.ts";
import { BLOCK_BITS, BLOCK_SIZE, HOLE, MAX_BLOCKS, MAX_CHUNK_BITS } from "./format.ts";

/** A file cannot be described by chunks. Its message is a reason without a subject. */
export class ChunkError extends Error {
  override readonly name = "ChunkError";
}

export interface ChunkMap {
  /** A chunk has 2 ** bits blocks. */
  readonly bits: number;
  /** The block that each chunk starts at, on the device that holds the file's data; HOLE for none. */
  readonly blocks: readonly number[];
}

/** Chunks of one file with holes that point into the tar: 8 bytes each in the index. */
const MAX_CHUNKS = 1 << 20;

/** The smallest number of bits with which `size` bytes are one chunk, or as few as can be. */
function bitsFor(size: number): number {
  const blocks = Math.ceil(size / BLOCK_SIZE);
  return blocks > 2 ** MAX_CHUNK_BITS ? MAX_CHUNK_BITS : 32 - Math.clz32(blocks - 1);
}

/**
 * The chunks of a file without holes.
 * @param size in bytes, at least 1
 * @param offset where its data start on the device, in bytes
 * @throws {ChunkError} when that is no block of a device
 */
export function plainChunks(size: number, offset: number): ChunkMap {
  const bits = bitsFor(size);
  const first = blockAt(offset);
  blockAt(offset + Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE);
  if (bits < MAX_CHUNK_BITS) return { bits, blocks: [first] };
  const count = Math.ceil(size / 2 ** (bits + BLOCK_BITS));
  return { bits, blocks: Array.from({ length: count }, (_, index) => first + index * 2 ** bits) };
}

function blockAt(offset: number): number {
  const block = offset / BLOCK_SIZE;
  if (!Number.isInteger(block)) throw new ChunkError("its data do not start at a multiple of 512");
  if (block >= MAX_BLOCKS) throw new ChunkError("its data lie beyond 2 TiB");
  return block;
}

/**
 * The chunks of a file with holes, pointing into the tar. The tar has the pieces one after another; they have to be cut into
 * chunks that each start at a multiple of 512 there.
 * @param offset where its data start on the device, in bytes
 * @returns undefined when the pieces do not lie so, or there would be too many chunks: then the data have to be copied
 */
export function sparseChunks({ size, pieces }: SparseMap, offset: number): ChunkMap | undefined {
  let chunk = 2 ** (BLOCK_BITS + bitsFor(size));
  for (let index = 0; index < pieces.length; index += 2) {
    const [start, length] = [pieces[index]!, pieces[index + 1]!];
    if (length === 0) continue;
    // the last piece may end with the file
    const end = start + length === size ? Math.ceil(size / chunk) * chunk : start + length;
    while (chunk >= BLOCK_SIZE && (start % chunk !== 0 || end % chunk !== 0)) chunk /= 2;
    if (chunk < BLOCK_SIZE) return undefined;
  }
  const count = Math.ceil(size / chunk);
  if (count > MAX_CHUNKS) return undefined;
  const blocks = Array<number>(count).fill(HOLE);
  let data = blockAt(offset);
  for (let index = 0; index < pieces.length; index += 2) {
    const [start, length] = [pieces[index]!, pieces[index + 1]!];
    for (let done = 0; done < length; done += chunk) {
      blocks[(start + done) / chunk] = data;
      data += chunk / BLOCK_SIZE;
    }
  }
  return { bits: Math.log2(chunk / BLOCK_SIZE), blocks };
}

/** Data that the index holds itself, because they do not lie in the tar as chunks must. */
export interface Copy {
  /** Where the bytes are in the tar. */
  readonly from: number;
  readonly length: number;
  /** Where they belong, in bytes from `start` of `copiedChunks`. */
  readonly to: number;
}

/** Chunks of one file whose data are copied. */
const MAX_COPIED_CHUNKS = 1 << 16;

/**
 * The chunks of a file with holes, for copies of its pieces in the index.
 * @param offset where its data start in the tar
 * @param start the first free block of the index
 * @returns the chunks, the copies, and the number of blocks that they take; most of these are holes in the index's file
 * @throws {ChunkError} when the index would be too large
 */
export function copiedChunks({ size, pieces }: SparseMap, offset: number, start: number) {
  let bits = 0;
  while (Math.ceil(size / 2 ** (bits + BLOCK_BITS)) > MAX_COPIED_CHUNKS) bits++;
  if (bits > MAX_CHUNK_BITS) throw new ChunkError(`it has ${size} bytes`);
  const chunk = 2 ** (bits + BLOCK_BITS);
  const blocks = Array<number>(Math.ceil(size / chunk)).fill(HOLE);
  const copies: Copy[] = [];
  let taken = 0;
  let from = offset;
  for (let index = 0; index < pieces.length; index += 2) {
    const end = pieces[index]! + pieces[index + 1]!;
    for (let position = pieces[index]!; position < end;) {
      const number = Math.floor(position / chunk);
      const length = Math.min(end, (number + 1) * chunk) - position;
      if (blocks[number] === HOLE) {
        blocks[number] = start + taken;
        taken += 2 ** bits;
      }
      const to = (blocks[number]! - start) * BLOCK_SIZE + position % chunk;
      copies.push({ from, length, to });
      from += length;
      position += length;
    }
  }
  if (start + taken >= MAX_BLOCKS) throw new ChunkError("its pieces lie too far apart");
  return { map: { bits, blocks }, copies, blocks: taken };
}
