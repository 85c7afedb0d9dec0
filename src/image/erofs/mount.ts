import {
  AT_FDCWD,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSOPEN_CLOEXEC,
  O_CLOEXEC,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
} from "../../../ffi/constants.ts";
import { describeErrno, isNoSpace, SystemCallError } from "../../../ffi/errno.ts";
import { libcCall } from "../../../ffi/table.ts";
import { HostError } from "../../errors.ts";
import { attachLoop } from "../../plan/loop.ts";
import { Budget } from "../layer/budget.ts";
import { EVERYTHING, LayerTree } from "../layer/tree.ts";
import type { IndexMount } from "../store/storage.ts";
import { makeIndex } from "./index.ts";

/**
 * Has the kernel open an index and its devices as a file system, and lets go of it: nothing is mounted anywhere.
 * @param index path of the index
 * @param devices paths of its devices
 * @param mount whether they are given to the kernel as they are, or as loop devices
 * @throws {SystemCallError} when this kernel cannot (fsopen(2): ENODEV without EROFS, ENOTBLK where it takes no plain files),
 *   or not from where the files lie
 */
export function tryIndex(index: string, devices: readonly string[], mount: IndexMount): void {
  using stack = new DisposableStack();
  const close = (fd: number) => void libcCall("close", fd);
  const given = (path: string) => {
    if (mount === "loop") return stack.use(attachLoop(path)).path;
    // by descriptors, because fsconfig(2) takes no texts longer than 255 bytes
    return `/proc/self/fd/${stack.adopt(libcCall("openat", AT_FDCWD, path, O_RDONLY | O_CLOEXEC), close)}`;
  };
  const context = stack.adopt(libcCall("fsopen", "erofs", FSOPEN_CLOEXEC), close);
  libcCall("fsconfig", context, FSCONFIG_SET_FLAG, "ro", 0, 0);
  libcCall("fsconfig", context, FSCONFIG_SET_STRING, "source", given(index), 0);
  for (const device of devices) {
    libcCall("fsconfig", context, FSCONFIG_SET_STRING, "device", given(device), 0);
  }
  libcCall("fsconfig", context, FSCONFIG_CMD_CREATE, 0, 0, 0);
}

/**
 * Why an index in a folder cannot be mounted; null when it can. Tried with an index of nothing, in a file without a name,
 * so that nothing can be left behind.
 * @throws {HostError} when that file cannot be written
 */
export function tryMount(folder: string, mount: IndexMount): string | null {
  let fd: number | undefined;
  try {
    fd = libcCall("openat", AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600);
    const path = `/proc/self/fd/${fd}`;
    const tree = new LayerTree(EVERYTHING, new Budget());
    const { parts } = makeIndex([{ tree, file: 0, offset: 0, fileSize: 0 }]);
    for (const part of parts) Deno.writeFileSync(path, part, { append: true });
    tryIndex(path, [], mount);
    return null;
  } catch (error) {
    const why = error instanceof SystemCallError ? describeErrno(error.errno) : (error as Error).message;
    if (!isNoSpace(error)) {
      if (error instanceof SystemCallError) return why;
      throw error;
    }
    // that says nothing of EROFS
    const hint = "make room there, or choose another place with --root";
    throw new HostError({ what: `cannot write in ${JSON.stringify(folder)}`, why, hint, cause: error });
  } finally {
    if (fd !== undefined) libcCall("close", fd);
  }
}
