/** Kinds of namespaces as clone(2), unshare(2) and setns(2) have them. */
import {
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../../ffi/constants.ts";
import type { NamespaceKind } from "./step.ts";

const FLAGS: Readonly<Record<NamespaceKind, number>> = {
  mount: CLONE_NEWNS,
  uts: CLONE_NEWUTS,
  ipc: CLONE_NEWIPC,
  pid: CLONE_NEWPID,
  network: CLONE_NEWNET,
  user: CLONE_NEWUSER,
  time: CLONE_NEWTIME,
};

/** The flags of several kinds together. */
export function namespaceFlags(kinds: readonly NamespaceKind[]): number {
  return kinds.reduce((bits, kind) => bits | FLAGS[kind], 0);
}
