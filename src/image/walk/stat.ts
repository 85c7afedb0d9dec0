import { S_IFMT, STATX_BTIME } from "../../../ffi/constants.ts";
import type { Arena } from "../../../ffi/arena.ts";

/** What statx(2) says of a file. */
export interface Stat {
  /** One of the S_IF... constants. */
  readonly type: number;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes, with holes. */
  readonly size: number;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
  /** Of the device that it is. */
  readonly major: number;
  readonly minor: number;
  /** The same for all names of one file, and for no other file, not even for one that gets its inode number later. */
  readonly identity: string;
}

/** Seconds since 1970, may be negative; and nanoseconds after that. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** sizeof(struct statx) */
export const STATX_SIZE = 256;

/** Reads a struct statx at an address in the arena (include/uapi/linux/stat.h). */
export function readStat(arena: Arena, buffer: number): Stat {
  const int = (offset: number) => arena.int(buffer + offset) >>> 0;
  const time = (offset: number): Timestamp => ({
    seconds: arena.word(buffer + offset),
    nanoseconds: int(offset + 8),
  });
  // stx_mode has 16 bits; what follows it is unused
  const mode = int(28) & 0xffff;
  const born = (int(0) & STATX_BTIME) === 0 ? undefined : time(80);
  return {
    type: mode & S_IFMT,
    mode: mode & 0o7777,
    links: int(16),
    uid: int(20),
    gid: int(24),
    size: arena.word(buffer + 40),
    mtime: time(112),
    ctime: time(96),
    major: int(128),
    minor: int(132),
    identity: `${int(136)}:${int(140)}:${int(32)}:${int(36)}:${born?.seconds}:${born?.nanoseconds}`,
  };
}
