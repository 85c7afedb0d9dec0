import { join } from "@std/path";
import { AT_FDCWD, O_CLOEXEC, O_RDWR, O_TMPFILE } from "../../ffi/constants.ts";
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
    return openTemporary(folder);
  } catch (cause) {
    if (cause instanceof SystemCallError && CANNOT.includes(cause.errno)) return openRemoved(folder);
    const why = cause instanceof SystemCallError ? describeErrno(cause.errno) : (cause as Error).message;
    throw new HostError({ what: `cannot make a temporary file in ${JSON.stringify(folder)}`, why, cause });
  }
}

function openTemporary(folder: string): Deno.FsFile {
  const fd = libcCall("openat", AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600);
  try {
    return Deno.openSync(`/proc/self/fd/${fd}`, { read: true, write: true });
  } finally {
    libcCall("close", fd);
  }
}

/** The same for a file that has a name for a moment. */
export function openRemoved(folder: string): Deno.FsFile {
  const path = join(folder, `.spool-${crypto.randomUUID()}`);
  const file = Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 });
  Deno.removeSync(path);
  return file;
}
