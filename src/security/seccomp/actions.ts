import { EPERM } from "../../../ffi/errno.ts";
import type { SeccompAction, SeccompFlag } from "../../plan/oci.ts";

/** What a filter returns (include/uapi/linux/seccomp.h). */
export const RET_KILL_PROCESS = 0x80000000;
export const RET_ERRNO = 0x00050000;

const VALUES: Readonly<Record<SeccompAction, number>> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: RET_KILL_PROCESS,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: RET_ERRNO,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};

export const takesErrno = (action: SeccompAction) =>
  action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE";

/** Whether the call is made, whatever else happens. */
export const lets = (action: SeccompAction) => action === "SCMP_ACT_ALLOW" || action === "SCMP_ACT_LOG";

/** @param errno with SCMP_ACT_ERRNO and SCMP_ACT_TRACE; EPERM by default, as in the OCI runtime specification */
export function returnValue(action: SeccompAction, errno: number | undefined): number {
  return VALUES[action] + (takesErrno(action) ? errno ?? EPERM : 0);
}

/** SECCOMP_FILTER_FLAG_... of seccomp(2). */
export const FLAGS: Readonly<Record<SeccompFlag, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};
