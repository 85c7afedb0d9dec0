/**
 * What can only be known by trying it, tried in namespaces of a child's own, which go with it. What needs files gets a folder
 * that goes afterwards.
 */
import {
  AT_FDCWD,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  O_CLOEXEC,
  O_WRONLY,
} from "../../ffi/constants.ts";
import { ANY_ERRNO, describeErrno, ENOSYS } from "../../ffi/errno.ts";
import { tryLibcCall } from "../../ffi/table.ts";
import { addMapping, addPrivateMounts, type Trial, tryInChild } from "../plan/trial.ts";

/** The user nobody, and its group. */
const NOBODY = 65534;

/** Whether a kind of namespace can be made, in a user namespace if this is not root. @param flag CLONE_NEW... */
export function tryNamespace(flag: number, isRoot: boolean): Promise<Trial> {
  // clone(2) takes CLONE_NEWTIME for a signal, so all are unshared
  return tryInChild(
    isRoot ? 0 : CLONE_NEWUSER,
    (table) => table.call("unshare", [isRoot || flag !== CLONE_NEWUSER ? flag : 0]),
  );
}

/** Whether an ordinary user can make a user namespace and has rights in it, which AppArmor may take away. */
export function tryUnprivileged(isRoot: boolean): Promise<Trial> {
  return tryInChild(0, (table) => {
    if (isRoot) {
      table.call("setgroups", [0, 0]);
      table.call("setresgid", [NOBODY, NOBODY, NOBODY]);
      table.call("setresuid", [NOBODY, NOBODY, NOBODY]);
    }
    table.call("unshare", [CLONE_NEWUSER | CLONE_NEWNS]);
    addPrivateMounts(table);
  });
}

/** Whether the kernel has a system call: given nothing that it could take, it says anything but ENOSYS. */
export function tryCall(name: string): Trial {
  const result = tryLibcCall(ANY_ERRNO, name, -1, 0, 0, 0, 0);
  return result === -ENOSYS ? { why: describeErrno(ENOSYS) } : "works";
}

/** Whether files of a folder can be shown with other owners. */
export async function tryIdmapped(folder: string): Promise<Trial> {
  const why = await (await import("../plan/idmap_trial.ts")).tryIdmapped(folder);
  return why === null ? "works" : { why };
}

/**
 * Whether a program does its work in a network namespace of its own.
 * @param argv its path, and its arguments
 * @param isRoot else it also gets a user namespace, in which it is root
 */
export function tryInNetwork(argv: readonly string[], isRoot: boolean): Promise<Trial> {
  return tryInChild(CLONE_NEWNET | (isRoot ? 0 : CLONE_NEWUSER), (table) => {
    const { arena } = table;
    if (!isRoot) addMapping(table, Deno.uid() ?? 0, Deno.gid() ?? 0);
    const nothing = table.call("openat", [AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC]);
    for (const stream of [1, 2]) table.call("dup3", [nothing, stream, 0]);
    // iptables would else make its lock, which stays, in /run
    const environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XTABLES_LOCKFILE=/dev/null"];
    table.call("execve", [argv[0]!, arena.strings(argv), arena.strings(environment)]);
  });
}
