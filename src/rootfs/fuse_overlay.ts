/**
 * fuse-overlayfs(1) in the place of the kernel's overlay: for an ordinary user where the kernel lets only root mount one, as before Linux
 * 5.11. dhow makes the mount, and the program serves it as long as it is there.
 */
import { AT_FDCWD, O_CLOEXEC, O_RDWR } from "../../ffi/constants.ts";
import { ANY_ERRNO, describeErrno } from "../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import { findProgram } from "../plan/program.ts";
import { type ChildStep, FUSE_DEVICE, type FuseOverlay, type HostStep } from "../plan/step.ts";

export const FUSE_OVERLAYFS = "fuse-overlayfs";

/** By what the mount is held. */
export const HELD_OVERLAY = "overlay";

/** Why fuse-overlayfs cannot be used, and the command by which an administrator can mend that. */
export interface FuseObstacle {
  readonly why: string;
  readonly mend: string;
}

/** The path of the program; or what stands in its way. */
export function findFuseOverlayfs(): string | FuseObstacle {
  const path = findProgram(FUSE_OVERLAYFS);
  if (path === undefined) {
    return {
      why: `this host has no "${FUSE_OVERLAYFS}" command`,
      mend: `apt-get install ${FUSE_OVERLAYFS}`,
    };
  }
  const opened = tryLibcCall(ANY_ERRNO, "openat", AT_FDCWD, FUSE_DEVICE, O_RDWR | O_CLOEXEC);
  if (opened < 0) {
    return {
      why: `${FUSE_OVERLAYFS} cannot open ${FUSE_DEVICE} (${describeErrno(-opened)})`,
      mend: `modprobe fuse && chmod 666 ${FUSE_DEVICE}`,
    };
  }
  libcCall("close", opened);
  return path;
}

/**
 * @param what for the error: what cannot be done without it
 * @returns its path
 * @throws {HostError} when it cannot be used here
 */
export function requireFuseOverlayfs(what: string): string {
  const found = findFuseOverlayfs();
  if (typeof found === "string") return found;
  throw new HostError({ what, why: found.why, hint: `the administrator can change that: ${found.mend}` });
}

export function fuseOverlaySteps(overlay: FuseOverlay): HostStep[] {
  const why = `have ${FUSE_OVERLAYFS} lay one writable layer over the image's read-only layers`;
  return [{ do: "mount-fuse-overlay", why, name: HELD_OVERLAY, overlay }];
}

export function heldOverlayStep(target: string): ChildStep {
  return { op: "mount-held", why: "mount what that program serves", name: HELD_OVERLAY, target };
}
