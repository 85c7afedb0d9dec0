import { dirname, join } from "@std/path";
import { AT_FDCWD, AT_SYMLINK_FOLLOW, O_CLOEXEC, O_RDWR, O_TMPFILE } from "../../ffi/constants.ts";
import { describeErrno, EINVAL, EISDIR, EOPNOTSUPP, SystemCallError } from "../../ffi/errno.ts";
import { libcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";

/** Errors of file systems that have no such files (open(2)): overlayfs before Linux 6.3, network file systems. */
const CANNOT = [EOPNOTSUPP, EISDIR, EINVAL];

/**
 * Makes a file without a name, to be written and read: it goes when it is closed, or with this process.
 * @param folder where it takes its space
 * @throws {HostError} when it cannot be made
 */
export function openUnnamed(folder: string): Deno.FsFile {
  try {
    const fd = tryOpenTemporary(folder);
    if (fd === undefined) return openRemoved(folder);
    try {
      return Deno.openSync(`/proc/self/fd/${fd}`, { read: true, write: true });
    } finally {
      libcCall("close", fd);
    }
  } catch (cause) {
    const why = cause instanceof SystemCallError ? describeErrno(cause.errno) : (cause as Error).message;
    throw new HostError({ what: `cannot make a temporary file in ${JSON.stringify(folder)}`, why, cause });
  }
}

/** The same for a file that has a name for a moment. */
export function openRemoved(folder: string): Deno.FsFile {
  const path = join(folder, `.spool-${crypto.randomUUID()}`);
  const file = Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 });
  Deno.removeSync(path);
  return file;
}

/** A file that gets its name when it is complete, so that until then nothing of it is left, whatever kills dhow. */
export class UnfinishedFile implements Disposable {
  readonly file: Deno.FsFile;
  /** Its name, while it is not complete: of a file that had to have one from the beginning. */
  #temporary: string | undefined;
  readonly #fd: number | undefined;

  /**
   * Only its owner may read and write it.
   * @param path what it will be called; a file of that name is replaced
   * @throws {SystemCallError | Error} Deno's, when it cannot be made
   */
  constructor(readonly path: string) {
    this.#fd = tryOpenTemporary(dirname(path));
    if (this.#fd === undefined) {
      this.#temporary = this.#beside();
      this.file = Deno.openSync(this.#temporary, { write: true, createNew: true, mode: 0o600 });
    } else {
      this.file = Deno.openSync(`/proc/self/fd/${this.#fd}`, { write: true });
    }
  }

  #beside(): string {
    return join(dirname(this.path), `.dhow-${crypto.randomUUID()}`);
  }

  /**
   * Gives it its name. linkat(2) cannot replace a file, and so goes by way of another name.
   * @throws {SystemCallError | Error} Deno's, when that cannot be
   */
  complete(): void {
    if (this.#temporary === undefined) {
      const temporary = this.#beside();
      libcCall("linkat", AT_FDCWD, `/proc/self/fd/${this.#fd}`, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW);
      this.#temporary = temporary;
    }
    Deno.renameSync(this.#temporary, this.path);
    this.#temporary = undefined;
  }

  [Symbol.dispose](): void {
    this.file.close();
    if (this.#fd !== undefined) libcCall("close", this.#fd);
    if (this.#temporary !== undefined) Deno.removeSync(this.#temporary);
  }
}

/** @returns undefined where the file system has no such files */
function tryOpenTemporary(folder: string): number | undefined {
  try {
    return libcCall("openat", AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600);
  } catch (error) {
    if (error instanceof SystemCallError && CANNOT.includes(error.errno)) return undefined;
    throw error;
  }
}
