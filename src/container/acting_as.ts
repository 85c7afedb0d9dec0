/** Making files as somebody else. */
import { PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP } from "../../ffi/constants.ts";
import { libcCall } from "../../ffi/table.ts";
import type { Owner } from "../plan/step.ts";

/**
 * Does work in which this thread, which is the one that makes its calls, makes files as another user, with all its own rights: a file
 * system that belongs to a user namespace takes no files of a user that is not in it (EOVERFLOW).
 */
export async function actingAs<T>({ uid, gid }: Owner, work: () => Promise<T>): Promise<T> {
  // or the change of the user would take rights away (capabilities(7), "Effect of user ID changes on capabilities")
  libcCall("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
  const group = libcCall("setfsgid", gid);
  const user = libcCall("setfsuid", uid);
  try {
    return await work();
  } finally {
    libcCall("setfsuid", user);
    libcCall("setfsgid", group);
    libcCall("prctl", PR_SET_SECUREBITS, 0, 0, 0, 0);
  }
}
