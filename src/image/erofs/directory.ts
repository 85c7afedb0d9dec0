/** A directory's data: its entries in the order of their names, packed into blocks (Linux: fs/erofs/dir.c, namei.c). */
import type { ByteString } from "../tar/byte_string.ts";
import type { GrowingBytes } from "./growing_bytes.ts";
import { BLOCK_SIZE, DIRENT_SIZE, setInt64 } from "./format.ts";

export interface Dirent {
  readonly name: ByteString;
  readonly nid: number;
  /** One of FILE_TYPE. */
  readonly type: number;
}

/**
 * Appends the blocks of a directory.
 * @param entries with `.` and `..`, sorted by the bytes of their names, of 1 to 255 bytes
 * @param data ends at the start of a block
 * @returns the directory's size in bytes; its last block ends with its last name
 */
export function appendDirectory(entries: readonly Dirent[], data: GrowingBytes): number {
  let size = 0;
  for (let first = 0; first < entries.length;) {
    let used = 0;
    let end = first;
    for (; end < entries.length; end++) {
      const more = DIRENT_SIZE + entries[end]!.name.length;
      if (used + more > BLOCK_SIZE) break;
      used += more;
    }
    appendBlock(entries, first, end, data);
    size += end === entries.length ? used : BLOCK_SIZE;
    first = end;
  }
  return size;
}

function appendBlock(entries: readonly Dirent[], first: number, end: number, data: GrowingBytes): void {
  const start = data.extend(BLOCK_SIZE);
  let at = start;
  let nameAt = start + (end - first) * DIRENT_SIZE;
  for (let index = first; index < end; index++, at += DIRENT_SIZE) {
    // struct erofs_dirent
    const { name, nid, type } = entries[index]!;
    setInt64(data.words, at, nid);
    data.words[at / 4 + 2] = nameAt - start | type << 16;
    data.setString(nameAt, name);
    nameAt += name.length;
  }
}
