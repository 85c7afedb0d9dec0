/** Why a file of the user's cannot be opened. */
import { describeErrno, SystemCallError } from "../../../ffi/errno.ts";
import { ImageError } from "../../errors.ts";

/** Errors of the file system in words; others are explained already. @param label how messages name the file */
export function explainOpening(error: unknown, label: string): unknown {
  const what = `cannot open ${label}`;
  if (error instanceof Deno.errors.NotFound) {
    return new ImageError({
      what,
      why: "no such file or directory (ENOENT)",
      hint: "check the path",
      cause: error,
    });
  }
  if (error instanceof Deno.errors.NotADirectory) {
    return new ImageError({ what, why: "not a directory (ENOTDIR)", hint: "check the path", cause: error });
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new ImageError({ what, why: "permission denied (EACCES)", cause: error });
  }
  if (error instanceof SystemCallError) {
    return new ImageError({ what, why: describeErrno(error.errno), cause: error });
  }
  return error;
}
