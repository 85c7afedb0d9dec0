/**
 * What can only be known by trying it, tried in namespaces of a child's own, which go with it. What needs files gets a folder
 * that goes afterwards.
 */
import { Arena } from "../../ffi/arena.ts";
import {
  AT_FDCWD,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_WRONLY,
} from "../../ffi/constants.ts";
import { ANY_ERRNO, describeErrno, ENOSYS, SystemCallError } from "../../ffi/errno.ts";
import { pathExists } from "../../ffi/files.ts";
import { cloneWalking, waitForExit } from "../../ffi/process.ts";
import { CallTable, tryLibcCall } from "../../ffi/table.ts";
import type { Trial } from "./facts.ts";

/** Calls that the longest trial makes. */
const CAPACITY = 24;
const ARENA_SIZE = 512 * 1024;
/** The user nobody, and its group. */
const NOBODY = 65534;

/** Why something failed, in words. */
function failed(error: unknown): Trial {
  if (error instanceof SystemCallError) return { why: `${error.call}: ${describeErrno(error.errno)}` };
  return { why: error instanceof Error ? error.message : String(error) };
}

/**
 * Makes calls in a child.
 * @param namespaces CLONE_NEW... flags of the child
 * @param addCalls adds what the child does; when all of it works, so does the trial
 */
export async function tryInChild(namespaces: number, addCalls: (table: CallTable) => void): Promise<Trial> {
  const arena = new Arena(ARENA_SIZE);
  try {
    const table = new CallTable(arena, CAPACITY);
    addCalls(table);
    const status = await waitForExit(cloneWalking(table, namespaces));
    const { failure } = table;
    if (failure !== undefined) return { why: `${failure.name}: ${describeErrno(failure.errno)}` };
    if ("signal" in status) return { why: `signal ${status.signal}` };
    return status.code === 0 ? "works" : { why: `exit code ${status.code}` };
  } catch (error) {
    return failed(error); // of clone(2)
  } finally {
    arena.release();
  }
}

/** Makes this child's own ids those of root in its new user namespace (user_namespaces(7)). */
function addMapping(table: CallTable, uid: number, gid: number): void {
  const write = (file: string, text: string) => {
    const fd = table.call("openat", [AT_FDCWD, `/proc/self/${file}`, O_WRONLY | O_CLOEXEC]);
    table.call("write", [fd, text, text.length]);
    table.call("close", [fd]);
  };
  write("setgroups", "deny");
  write("uid_map", `0 ${uid} 1`);
  write("gid_map", `0 ${gid} 1`);
}

function addPrivateMounts(table: CallTable): void {
  table.call("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
}

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

/**
 * Whether overlay can have its writable layer in a folder.
 * @param folder in which a folder is made, and removed again
 * @param inUserNamespace as an ordinary user does it, with attributes `user.overlay.*`
 */
export async function tryOverlay(folder: string, inUserNamespace: boolean): Promise<Trial> {
  let place: string;
  try {
    place = Deno.makeTempDirSync({ dir: folder, prefix: ".dhow-doctor-" });
  } catch (error) {
    return failed(error);
  }
  try {
    for (const name of ["lower", "upper", "work", "merged"]) Deno.mkdirSync(`${place}/${name}`);
    return await tryInChild(CLONE_NEWNS | (inUserNamespace ? CLONE_NEWUSER : 0), (table) => {
      if (inUserNamespace) addMapping(table, Deno.uid() ?? 0, Deno.gid() ?? 0);
      addPrivateMounts(table);
      // by its working directory: commas and colons in the path would end the option
      table.call("chdir", [place]);
      const options = `lowerdir=lower,upperdir=upper,workdir=work${inUserNamespace ? ",userxattr" : ""}`;
      table.call("mount", ["overlay", "merged", "overlay", 0, options]);
    });
  } finally {
    // overlay makes a folder there that nobody may read
    if (pathExists(`${place}/work/work`)) Deno.chmodSync(`${place}/work/work`, 0o700);
    Deno.removeSync(place, { recursive: true });
  }
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
