/** Why a file of the user's cannot be opened. */
import { describeErrno, EACCES, errnoOf } from "../../../ffi/errno.ts";
import { DhowError, ImageError } from "../../errors.ts";

/** Errors of the file system in words; others are explained already. @param label how messages name the file */
export function explainOpening(error: unknown, label: string): unknown {
  if (error instanceof DhowError) return error;
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const hint = errno === EACCES ? "check who may read it" : "check the path";
  return new ImageError({ what: `cannot open ${label}`, why: describeErrno(errno), hint, cause: error });
}
