/**
 * Looks at files of a tree that somebody else may change at any moment, a hostile container for one. A name is opened with one
 * openat2(2) that follows no symlink, enters no other mount and does not lead up, and with O_PATH, so that no device or FIFO
 * notices; all else is asked of that descriptor.
 */
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  STATX_BASIC_STATS,
  STATX_BTIME,
} from "../../../ffi/constants.ts";
import { Arena } from "../../../ffi/arena.ts";
import { ELOOP, ENOENT, ENOTDIR, EOPNOTSUPP, EXDEV, SystemCallError } from "../../../ffi/errno.ts";
import { type Call, CallTable, libcCall } from "../../../ffi/table.ts";
import { type ByteString, byteString } from "../tar/byte_string.ts";
import { readStat, type Stat, STATX_SIZE } from "./stat.ts";

/** PATH_MAX, with the NUL. */
const MAX_PATH = 4096;

/** XATTR_LIST_MAX: Linux has no longer lists of names. */
const MAX_LIST = 65536;

/** struct open_how of openat2(2): flags, mode, resolve. */
const OPEN_HOW_SIZE = 24;

const CALLS = 8;
const ARENA_SIZE = MAX_PATH + MAX_LIST + STATX_SIZE + (64 << 10);

/** What can become of a name between the moment it is listed and the moment it is opened. */
const GONE = [ENOENT, ENOTDIR, ELOOP, EXDEV];

/**
 * The calls are prepared once and made again for each file, with the same numbers of descriptors (dup3(2)): a walk over a tree
 * is little else than system calls.
 */
export class Probe implements Disposable {
  readonly #arena = new Arena(ARENA_SIZE);
  readonly #name = this.#arena.allocate(MAX_PATH);
  readonly #how = this.#arena.allocate(OPEN_HOW_SIZE);
  readonly #stat = this.#arena.allocate(STATX_SIZE);
  readonly #list = this.#arena.allocate(MAX_LIST);
  readonly #looking = new CallTable(this.#arena, CALLS);
  readonly #entering = new CallTable(this.#arena, CALLS);
  readonly #listed: Call;
  readonly #folder: number;

  /** The descriptor of what was looked at last, until the next look; of O_PATH. */
  readonly fd: number;

  /**
   * @param root a descriptor of the tree's root; it stays open
   * @param crossesMounts whether what is mounted in the tree is looked at too
   */
  constructor(root: number, crossesMounts = false) {
    const copy = () => libcCall("openat", root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    this.fd = copy();
    this.#folder = copy();
    this.#arena.setWord(this.#how + 8, 0);
    this.#arena.setWord(
      this.#how + 16,
      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | (crossesMounts ? 0 : RESOLVE_NO_XDEV),
    );
    this.#open(this.#entering, root, this.#folder);
    this.#open(this.#looking, this.#folder, this.fd);
    this.#looking.call("statx", [
      this.fd,
      "",
      AT_EMPTY_PATH,
      STATX_BASIC_STATS | STATX_BTIME,
      this.#stat,
    ]);
    // there is no flistxattr(2) for O_PATH; /proc leads to the very file, even if it is a symlink
    this.#listed = this.#looking.call("listxattr", [`/proc/self/fd/${this.fd}`, this.#list, MAX_LIST]);
  }

  #open(table: CallTable, folder: number, fd: number): void {
    const opened = table.call("openat2", [folder, this.#name, this.#how, OPEN_HOW_SIZE]);
    table.call("dup3", [opened, fd, O_CLOEXEC]);
    table.call("close", [opened]);
  }

  /**
   * Goes to a folder, whose names are then looked at.
   * @param path below the root, at most 4095 bytes
   * @returns whether there is such a folder
   */
  enter(path: ByteString): boolean {
    return this.#run(this.#entering, path, O_DIRECTORY);
  }

  /**
   * Opens what has a name in the folder, and asks for its attributes.
   * @returns undefined when there is no such thing any more
   */
  look(name: ByteString): Stat | undefined {
    return this.#run(this.#looking, name, 0) ? readStat(this.#arena, this.#stat) : undefined;
  }

  /** The names of the extended attributes of what was looked at last, sorted. */
  xattrs(): ByteString[] {
    const size = this.#listed.result;
    if (size <= 0) return [];
    const start = this.#list - this.#arena.address;
    return byteString(this.#arena.bytes, start, start + size - 1).split("\0").sort();
  }

  #run(table: CallTable, path: ByteString, flags: number): boolean {
    const offset = this.#name - this.#arena.address;
    for (let index = 0; index < path.length; index++) {
      this.#arena.bytes[offset + index] = path.charCodeAt(index);
    }
    this.#arena.bytes[offset + path.length] = 0;
    this.#arena.setWord(this.#how, O_PATH | O_NOFOLLOW | O_CLOEXEC | flags);
    try {
      table.run();
      return true;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (error.call === "openat2" && GONE.includes(error.errno)) return false;
      // the file system knows no such attributes: the call has said how many there are, none
      if (error.call === "listxattr" && error.errno === EOPNOTSUPP) return true;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    libcCall("close", this.fd);
    libcCall("close", this.#folder);
    this.#arena.release();
  }
}
