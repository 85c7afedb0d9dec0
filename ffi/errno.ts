/**
 * Error numbers of Linux and their words (errno(3), include/uapi/asm-generic/errno.h). The numbers are the same on
 * x86-64 and arm64.
 */
const TABLE: Readonly<Record<number, readonly [name: string, words: string]>> = {
  1: ["EPERM", "operation not permitted"],
  2: ["ENOENT", "no such file or directory"],
  3: ["ESRCH", "no such process"],
  4: ["EINTR", "interrupted system call"],
  5: ["EIO", "input/output error"],
  6: ["ENXIO", "no such device or address"],
  7: ["E2BIG", "argument list too long"],
  8: ["ENOEXEC", "exec format error"],
  9: ["EBADF", "bad file descriptor"],
  10: ["ECHILD", "no child processes"],
  11: ["EAGAIN", "resource temporarily unavailable"],
  12: ["ENOMEM", "cannot allocate memory"],
  13: ["EACCES", "permission denied"],
  14: ["EFAULT", "bad address"],
  15: ["ENOTBLK", "block device required"],
  16: ["EBUSY", "device or resource busy"],
  17: ["EEXIST", "file exists"],
  18: ["EXDEV", "invalid cross-device link"],
  19: ["ENODEV", "no such device"],
  20: ["ENOTDIR", "not a directory"],
  21: ["EISDIR", "is a directory"],
  22: ["EINVAL", "invalid argument"],
  23: ["ENFILE", "too many open files in system"],
  24: ["EMFILE", "too many open files"],
  25: ["ENOTTY", "inappropriate ioctl for device"],
  26: ["ETXTBSY", "text file busy"],
  27: ["EFBIG", "file too large"],
  28: ["ENOSPC", "no space left on device"],
  29: ["ESPIPE", "illegal seek"],
  30: ["EROFS", "read-only file system"],
  31: ["EMLINK", "too many links"],
  32: ["EPIPE", "broken pipe"],
  34: ["ERANGE", "numerical result out of range"],
  35: ["EDEADLK", "resource deadlock avoided"],
  36: ["ENAMETOOLONG", "file name too long"],
  38: ["ENOSYS", "function not implemented"],
  39: ["ENOTEMPTY", "directory not empty"],
  40: ["ELOOP", "too many levels of symbolic links"],
  61: ["ENODATA", "no data available"],
  75: ["EOVERFLOW", "value too large for defined data type"],
  87: ["EUSERS", "too many users"],
  93: ["EPROTONOSUPPORT", "protocol not supported"],
  95: ["EOPNOTSUPP", "operation not supported"],
  97: ["EAFNOSUPPORT", "address family not supported"],
  98: ["EADDRINUSE", "address already in use"],
  99: ["EADDRNOTAVAIL", "cannot assign requested address"],
  103: ["ECONNABORTED", "software caused connection abort"],
  107: ["ENOTCONN", "transport endpoint is not connected"],
  117: ["EUCLEAN", "structure needs cleaning"],
  122: ["EDQUOT", "disk quota exceeded"],
};

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOSPC = 28;
export const EROFS = 30;
export const EPIPE = 32;
export const ERANGE = 34;
export const ENAMETOOLONG = 36;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENODATA = 61;
export const EUSERS = 87;
export const EOPNOTSUPP = 95;
export const EPROTONOSUPPORT = 93;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const ENOTCONN = 107;
export const EDQUOT = 122;

/** Every errno that the table walker can tell. */
export const ANY_ERRNO: readonly number[] = Array.from({ length: 64 }, (_, errno) => errno);

/** `"no such device (ENODEV)"` for 19; `"error 200"` for a number that is not in the table. */
export function describeErrno(errno: number): string {
  const known = TABLE[errno];
  return known === undefined ? `error ${errno}` : `${known[1]} (${known[0]})`;
}

/** `"ENODEV"` for 19; `"E200"` for a number that is not in the table. */
export function errnoName(errno: number): string {
  return TABLE[errno]?.[0] ?? `E${errno}`;
}

/** 19 for `"ENODEV"`; undefined for a name that is not in the table. */
export function errnoByName(name: unknown): number | undefined {
  const found = Object.entries(TABLE).find(([, [known]]) => known === name);
  return found && Number(found[0]);
}

/** A libc call that failed: which one, and why. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  constructor(readonly call: string, readonly errno: number) {
    super(`${call}: ${describeErrno(errno)}`);
  }
}

/**
 * The errno of an error, a system call's or Deno's; undefined for what is neither. Deno's have its name, where Deno knows one, and its
 * number in their texts; node's have the name only.
 */
export function errnoOf(error: unknown): number | undefined {
  if (error instanceof SystemCallError) return error.errno;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const number = /\(os error (\d+)\)/.exec(String(message))?.[1];
  return number === undefined ? errnoByName(code) : Number(number);
}

/** Whether an error, of a system call or Deno's, says that the disk is full, or the user's part of it (write(2), open(2)). */
export function isNoSpace(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === ENOSPC || errno === EDQUOT;
}
