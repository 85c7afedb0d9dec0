/**
 * Files with holes in GNU's formats (tar manual, "Storing Sparse Files"): the old one (type `S`), and pax 0.0, 0.1
 * and 1.0.
 */
import type { PaxSparse } from "./pax.ts";
import { readNumber, TarError } from "./fields.ts";

/** A file of `size` bytes that is zero but for `pieces`: offset and length of each, one after the other, ascending. */
export interface SparseMap {
  readonly size: number;
  readonly pieces: readonly number[];
}

/** A map is read block by block, so this bounds the memory that it takes. */
const MAX_PIECES = 1 << 17;

/** Checks a map that comes from an archive. @throws {TarError} unless the pieces are in order and fill the data */
function verified(size: number | undefined, pieces: readonly number[], dataSize: number): SparseMap {
  let position = 0;
  let total = 0;
  if (size === undefined || pieces.length % 2 !== 0 || pieces.length > 2 * MAX_PIECES) throw invalid();
  for (let index = 0; index < pieces.length; index += 2) {
    const offset = pieces[index]!;
    const length = pieces[index + 1]!;
    // GNU's numbers have a sign: a piece that ends before it starts would lead to bytes that are not the file's
    if (length < 0 || offset < position || offset + length > size) throw invalid();
    position = offset + length;
    total += length;
  }
  if (total !== dataSize || !Number.isSafeInteger(size) || size < 0) throw invalid();
  return { size, pieces };
}

function invalid(): TarError {
  return new TarError("its map of holes is not valid");
}

/** The map of a file in one of the pax formats. In 1.0 it lies before the file's data, and has yet to be read. */
export function paxSparseMap(sparse: PaxSparse, dataSize: number): SparseMap | SparseMapReader {
  if (sparse.major === 1 && sparse.minor === 0) {
    return new SparseMapReader(sparse.size ?? -1, [], { before: undefined });
  }
  if ((sparse.major ?? 0) !== 0) throw new TarError("it is a sparse file of an unknown format");
  return verified(sparse.size, sparse.map ?? [], dataSize);
}

/** The map of a file of type `S`: it starts in the header, at +386, and goes on in further blocks if there is more. */
export function oldSparseMap(bytes: Uint8Array, start: number): SparseMapReader {
  const pieces: number[] = [];
  const more = readOldPieces(bytes, start + 386, 4, pieces) && bytes[start + 482] !== 0;
  return new SparseMapReader(readNumber(bytes, start + 483, 12), pieces, { more });
}

/** Reads up to `count` pieces; returns whether there was no end among them. */
function readOldPieces(bytes: Uint8Array, start: number, count: number, pieces: number[]): boolean {
  for (let at = start; at < start + count * 24; at += 24) {
    if (bytes[at + 12] === 0) return false;
    pieces.push(readNumber(bytes, at, 12), readNumber(bytes, at + 12, 12));
  }
  return true;
}

/** A map that is spread over several blocks. */
export class SparseMapReader {
  /** Whether all of the map was read. */
  complete: boolean;

  readonly #pieces: number[];
  readonly #isOld: boolean;
  /** Bytes of the map that count as the entry's data: in pax 1.0 it is a part of them. */
  #taken = 0;
  #count: number | undefined;
  #digits = "";

  constructor(readonly size: number, pieces: number[], from: { more: boolean } | { before: undefined }) {
    this.#pieces = pieces;
    this.#isOld = "more" in from;
    this.complete = "more" in from && !from.more;
  }

  /** Takes the next block. */
  feed(bytes: Uint8Array, start: number): void {
    if (this.#isOld) {
      this.complete = !(readOldPieces(bytes, start, 21, this.#pieces) && bytes[start + 504] !== 0);
    } else {
      this.#taken += 512;
      this.#feedText(bytes, start);
    }
    if (this.#pieces.length > 2 * MAX_PIECES) throw invalid();
  }

  /** pax 1.0: decimal numbers, each ended by a newline; the first says how many pieces there are. */
  #feedText(bytes: Uint8Array, start: number): void {
    for (let index = start; index < start + 512; index++) {
      const byte = bytes[index]!;
      if (byte >= 0x30 && byte <= 0x39 && this.#digits.length < 16) {
        this.#digits += String.fromCharCode(byte);
        continue;
      }
      if (byte !== 0x0a || this.#digits === "") throw invalid();
      const value = Number(this.#digits);
      this.#digits = "";
      if (this.#count === undefined) this.#count = value;
      else this.#pieces.push(value);
      if (this.#pieces.length === 2 * this.#count) {
        this.complete = true;
        return;
      }
    }
  }

  /** The map, and how many bytes of data come after it, of an entry with `dataSize` bytes of data in all. */
  finish(dataSize: number): { readonly sparse: SparseMap; readonly size: number } {
    const size = dataSize - this.#taken;
    return { sparse: verified(this.size, this.#pieces, size), size };
  }
}
