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
import { describeErrno, SystemCallError } from "../../../ffi/errno.ts";
import { libcCall } from "../../../ffi/table.ts";
import { Budget } from "../layer/budget.ts";
import { EVERYTHING, LayerTree } from "../layer/tree.ts";
import { makeIndex } from "./index.ts";

/**
 * Has the kernel open an index and its devices as a file system, and lets go of it: nothing is mounted anywhere.
 * @param index path of the index
 * @param devices paths of its devices
 * @throws {SystemCallError} when this kernel cannot (fsopen(2): ENODEV without EROFS, ENOTBLK where it takes no plain files),
 *   or not from where the files lie
 */
export function tryIndex(index: string, devices: readonly string[]): void {
  const descriptors: number[] = [];
  // by descriptors, because fsconfig(2) takes no texts longer than 255 bytes
  const open = (path: string) => {
    const fd = libcCall("openat", AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    descriptors.push(fd);
    return `/proc/self/fd/${fd}`;
  };
  try {
    const context = libcCall("fsopen", "erofs", FSOPEN_CLOEXEC);
    descriptors.push(context);
    libcCall("fsconfig", context, FSCONFIG_SET_FLAG, "ro", 0, 0);
    libcCall("fsconfig", context, FSCONFIG_SET_STRING, "source", open(index), 0);
    for (const device of devices) {
      libcCall("fsconfig", context, FSCONFIG_SET_STRING, "device", open(device), 0);
    }
    libcCall("fsconfig", context, FSCONFIG_CMD_CREATE, 0, 0, 0);
  } finally {
    for (const fd of descriptors.toReversed()) libcCall("close", fd);
  }
}

/**
 * Why EROFS cannot be mounted from files in a folder; null when it can. Tried with an index of nothing, in a file without a
 * name, so that nothing can be left behind.
 */
export function tryErofs(folder: string): string | null {
  let fd: number | undefined;
  try {
    fd = libcCall("openat", AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600);
    const path = `/proc/self/fd/${fd}`;
    const { parts } = makeIndex([{
      tree: new LayerTree(EVERYTHING, new Budget()),
      file: 0,
      offset: 0,
      fileSize: 0,
    }]);
    for (const part of parts) Deno.writeFileSync(path, part, { append: true });
    tryIndex(path, []);
    return null;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return describeErrno(error.errno);
  } finally {
    if (fd !== undefined) libcCall("close", fd);
  }
}
