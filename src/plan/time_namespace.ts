/** A time namespace of a child's own (time_namespaces(7), Linux 5.6). */
import { AT_FDCWD, CLONE_NEWTIME, O_CLOEXEC, O_RDONLY, O_WRONLY } from "../../ffi/constants.ts";
import type { AddCall } from "./container_root.ts";
import type { ChildStep } from "./step.ts";

/** clockid_t, which the file takes since it is there; names it takes since Linux 5.7. */
const CLOCKS = { monotonic: 1, boottime: 7 } as const;

/**
 * Adds the calls of a child that shares no memory with others. unshare(2) puts only its children into the namespace; its offsets must be
 * there before anybody is in it, so it joins it itself after that.
 */
export function makeTimeNamespace(
  child: { readonly call: AddCall },
  step: Extract<ChildStep, { op: "make-time-namespace" }>,
): void {
  child.call("unshare", [CLONE_NEWTIME]);
  const text = `${CLOCKS.monotonic} ${step.monotonic} 0\n${CLOCKS.boottime} ${step.boottime} 0\n`;
  const file = child.call("openat", [AT_FDCWD, "/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC]);
  child.call("write", [file, text, text.length], { least: text.length });
  child.call("close", [file]);
  const own = child.call("openat", [AT_FDCWD, "/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC]);
  child.call("setns", [own, CLONE_NEWTIME]);
  child.call("close", [own]);
}
