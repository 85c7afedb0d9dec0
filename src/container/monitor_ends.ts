/** The ends of a container's pipes, which its monitor holds for others to find. */
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../../ffi/constants.ts";
import { EBADF, ESRCH } from "../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import type { ProcessHandle } from "../state/process_end.ts";

/**
 * A copy of one of a monitor's descriptors (pidfd_getfd(2)).
 * @param number one of MONITOR_FDS
 * @returns undefined when the monitor has closed it, or is no monitor any more
 */
export function takeEnd(monitor: ProcessHandle, number: number): number | undefined {
  const fd = tryLibcCall([EBADF, ESRCH], "pidfd_getfd", monitor.fd, number, 0);
  if (fd < 0) return undefined;
  // the command that it becomes has others under these numbers
  if (isMonitor(monitor.identity.pid)) return fd;
  libcCall("close", fd);
  return undefined;
}

/** The other end of a pipe that the monitor reads: a reader alone is had by takeEnd, and the writer by way of /proc. */
export function takeWriter(monitor: ProcessHandle, number: number): number | undefined {
  const reader = takeEnd(monitor, number);
  if (reader === undefined) return undefined;
  try {
    return libcCall("openat", AT_FDCWD, `/proc/self/fd/${reader}`, O_WRONLY | O_CLOEXEC);
  } finally {
    libcCall("close", reader);
  }
}

function isMonitor(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/exe`).startsWith("/memfd:dhow-monitor");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
