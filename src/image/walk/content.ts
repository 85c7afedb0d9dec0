import {
  AT_FDCWD,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from "../../../ffi/constants.ts";
import { EAGAIN, ENXIO } from "../../../ffi/errno.ts";
import { seek } from "../../../ffi/libc.ts";
import { libcCall, tryLibcCall } from "../../../ffi/table.ts";
import type { SparseMap } from "../tar/sparse.ts";
import type { Stat } from "./stat.ts";

/**
 * Holes of less than this, in bytes and in all, are written as zeros: a program that knows no sparse files can then read what
 * most archives hold.
 */
const WORTH_A_MAP = 1 << 20;

/** Pieces of one file, at most: what comes after them is written with its holes. Readers have such a bound too. */
const MAX_PIECES = 1 << 16;

/**
 * The data of a regular file, which may shrink, grow and be written to while they are read: there are always as many as its
 * size was in the beginning.
 */
export class FileContent implements Disposable {
  /** Where its data lie; undefined when it has no holes to speak of. */
  readonly sparse: SparseMap | undefined;
  /** Bytes that `read` gives in all. */
  readonly size: number;
  readonly #fd: number;
  /** The piece that is read, and how much of it was. */
  #piece = 0;
  #position = 0;

  private constructor(fd: number, fileSize: number, sparse: SparseMap | undefined) {
    this.#fd = fd;
    this.sparse = sparse;
    this.#pieces = sparse?.pieces ?? [0, fileSize];
    this.size = this.#pieces.reduce((sum, value, index) => index % 2 === 0 ? sum : sum + value, 0);
  }

  readonly #pieces: readonly number[];

  /**
   * @param fd of O_PATH; what it leads to is opened by way of /proc, so it is that file and no other
   * @returns undefined when another process has a lease on it (fcntl(2), F_SETLEASE) and would have to be waited for
   */
  static open(fd: number, { size }: Stat): FileContent | undefined {
    const flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const open = tryLibcCall([EAGAIN], "openat", AT_FDCWD, `/proc/self/fd/${fd}`, flags);
    if (open < 0) return undefined;
    try {
      // the blocks that it takes do not tell: EROFS counts holes as well
      return new FileContent(open, size, size >= WORTH_A_MAP ? findPieces(open, size) : undefined);
    } catch (error) {
      libcCall("close", open);
      throw error;
    }
  }

  /**
   * Reads the next bytes into memory, at most `length`. There must be some left.
   * @returns how many; 0 when the file has become shorter than that
   */
  read(address: number, length: number): number {
    while (this.#pieces[this.#piece + 1] === this.#position) {
      this.#piece += 2;
      this.#position = 0;
    }
    const offset = this.#pieces[this.#piece]! + this.#position;
    const wanted = Math.min(length, this.#pieces[this.#piece + 1]! - this.#position);
    const count = libcCall("pread", this.#fd, address, wanted, offset);
    this.#position += count;
    return count;
  }

  [Symbol.dispose](): void {
    libcCall("close", this.#fd);
  }
}

/** The parts of a file that are no holes (lseek(2), SEEK_DATA); undefined when there are too few holes to matter. */
function findPieces(fd: number, size: number): SparseMap | undefined {
  const pieces: number[] = [];
  let position = 0;
  let data = 0;
  while (position < size) {
    const start = nextData(fd, position, size);
    if (start >= size) break;
    const isLast = pieces.length === 2 * (MAX_PIECES - 1);
    const hole = isLast ? size : seek(fd, start, SEEK_HOLE);
    // it may be written to meanwhile: then there is no hole any more where there was one
    const end = hole <= start || hole > size ? size : hole;
    pieces.push(start, end - start);
    data += end - start;
    position = end;
  }
  return size - data < WORTH_A_MAP ? undefined : { size, pieces };
}

/** Where the next data begin; the file's size when there are none. */
function nextData(fd: number, position: number, size: number): number {
  const start = seek(fd, position, SEEK_DATA);
  if (start >= position) return start;
  // asked once more, to hear why: only "no data there" means that there are none
  return tryLibcCall([ENXIO], "lseek", fd, position, SEEK_DATA) === -ENXIO ? size : position;
}
