/** A new user namespace for an ordinary user's dhow, with the mount namespace that belongs to it. */
import { CLONE_NEWNS, CLONE_NEWUSER, MS_REC, MS_SLAVE } from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { describeErrno, EINVAL, ENOSPC, EPERM, errnoOf, EUSERS, SystemCallError } from "../../ffi/errno.ts";
import { cloneWalking, makePipe } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import { findProgram } from "../plan/program.ts";
import { readConfiguration, readIfThere } from "../state/read.ts";
import { type IdMapping, parseIdMap } from "../state/user_namespace.ts";
import { mapIds, userEntry } from "./ids.ts";

const WHAT = "cannot make a user namespace, which an ordinary user's containers need";

/**
 * Makes both with a child that waits, and ends it.
 * @param hold told the child's pid, to keep its namespaces
 * @throws {HostError} when this host does not let its users do that
 */
export function makeNamespace<Held>(hold: (pid: number) => Held): Held {
  const [ready, go] = [makePipe(), makePipe()];
  const arena = new Arena(256 * 1024);
  let pid: number | undefined;
  try {
    const [byte, status] = [arena.allocate(8), arena.allocate(8)];
    const child = new CallTable(arena, 8);
    child.call("close", [ready.reader]);
    child.call("close", [go.writer]);
    child.call("read", [go.reader, byte, 1], { least: 1 });
    // what the host mounts later is seen here; the other way round it is not. It also shows whether there are any rights.
    child.call("mount", ["none", "/", 0, MS_REC | MS_SLAVE, 0]);
    child.call("write", [ready.writer, "+", 1]);
    child.call("read", [go.reader, byte, 1]);
    try {
      pid = cloneWalking(child, CLONE_NEWUSER | CLONE_NEWNS);
    } catch (error) {
      throw explained(error);
    }
    libcCall("close", ready.writer);
    writeMaps(pid);
    libcCall("write", go.writer, "+", 1);
    const isReady = libcCall("read", ready.reader, byte, 1) === 1;
    const { failure } = child;
    if (!isReady) throw explained(new SystemCallError(failure?.name ?? "clone", failure?.errno ?? 0));
    const held = hold(pid);
    libcCall("close", go.writer);
    libcCall("wait4", pid, status, 0, 0);
    pid = undefined;
    return held;
  } finally {
    if (pid !== undefined) {
      libcCall("close", go.writer);
      libcCall("wait4", pid, 0, 0, 0);
    }
    libcCall("close", ready.reader);
    libcCall("close", go.reader);
    arena.release();
  }
}

/** What the administrator can change, by what the host says about itself. */
function explained(error: unknown): unknown {
  if (!(error instanceof SystemCallError)) return error;
  const setting = (name: string) => readIfThere(`/proc/sys/${name}`)?.trim();
  const { errno } = error;
  const isFull = errno === ENOSPC || errno === EUSERS;
  const hint = setting("kernel/unprivileged_userns_clone") === "0"
    ? "the administrator can allow it: sysctl -w kernel.unprivileged_userns_clone=1"
    : setting("user/max_user_namespaces") === "0" || isFull
    ? "the administrator can allow more: sysctl -w user.max_user_namespaces=15000"
    : setting("kernel/apparmor_restrict_unprivileged_userns") === "1"
    ? "AppArmor forbids it; the administrator can allow it: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    : errno === EINVAL
    ? "this kernel was built without user namespaces (CONFIG_USER_NS)"
    : errno === EPERM
    ? "a security module, a filter of system calls or a chroot forbids it; see: dhow doctor"
    : "see: dhow doctor";
  return new HostError({
    what: WHAT,
    why: `${error.call}: ${describeErrno(errno)}`,
    hint,
    cause: error,
  });
}

/** Which ids there are in it: those of /etc/subuid and /etc/subgid if both are there, and the programs that may give them. */
function writeMaps(pid: number): void {
  const [uid, gid] = [Deno.uid() ?? 0, Deno.gid() ?? 0];
  const name = userEntry(readConfiguration("/etc/passwd") ?? "", uid)?.name ?? Deno.env.get("LOGNAME");
  const owner = { name, uid };
  const here = (file: string) => parseIdMap(readIfThere(`/proc/self/${file}`) ?? "");
  const uids = mapIds(readConfiguration("/etc/subuid") ?? "", owner, uid, here("uid_map"));
  const gids = mapIds(readConfiguration("/etc/subgid") ?? "", owner, gid, here("gid_map"));
  const [newuidmap, newgidmap] = [findProgram("newuidmap"), findProgram("newgidmap")];
  const hasRanges = uids.length > 1 && gids.length > 1;
  if (hasRanges && newuidmap !== undefined && newgidmap !== undefined) {
    runMapper(newuidmap, pid, uids, "/etc/subuid");
    runMapper(newgidmap, pid, gids, "/etc/subgid");
    return;
  }
  const write = (file: string, text: string) => {
    try {
      Deno.writeTextFileSync(`/proc/${pid}/${file}`, text);
    } catch (error) {
      const errno = errnoOf(error);
      throw errno === undefined ? error : explained(new SystemCallError(`write ${file}`, errno));
    }
  };
  write("setgroups", "deny");
  write("uid_map", `0 ${uid} 1`);
  write("gid_map", `0 ${gid} 1`);
}

/** newuidmap(1), newgidmap(1): they have the right to give a user the ids that are its own by a file of the administrator's. */
function runMapper(program: string, pid: number, map: readonly IdMapping[], file: string): void {
  const args = [pid, ...map.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size])].map(
    String,
  );
  // by sudo one may be in a folder that one could not go to
  const { success, stderr } = new Deno.Command(program, { args, stdin: "null", cwd: "/" }).outputSync();
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim().split("\n").filter((line) => line !== "").join("; ");
  throw new HostError({
    what: `cannot give the user namespace the ids of ${file}`,
    why: said || `${program} failed`,
    hint: mayGive(program)
      ? `the administrator can mend this user's lines in ${file}, or take them out`
      : `the administrator can mend it with: chmod u+s ${program}; or take this user's lines out of ${file}`,
  });
}

/** Whether it has the right to give ids away by being root's, with setuid. */
function mayGive(program: string): boolean {
  const { uid, mode } = Deno.statSync(program);
  return uid === 0 && ((mode ?? 0) & 0o4000) !== 0;
}
