import { AT_FDCWD, O_RDWR } from "../../ffi/constants.ts";
import type { CallTable } from "../../ffi/table.ts";

/** Has a child that outlives this process keep nothing of its caller's: no terminal, no current folder, no streams. */
export function intoBackground(table: CallTable): void {
  table.call("setsid", []);
  table.call("chdir", ["/"]);
  const nothing = table.call("openat", [AT_FDCWD, "/dev/null", O_RDWR]);
  for (const fd of [0, 1, 2]) table.call("dup3", [nothing, fd, 0]);
}
