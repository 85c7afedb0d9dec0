/** How the dhow of an ordinary user gets to be root: in a user namespace, which all commands share while any of its containers lives. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  F_DUPFD,
  NS_GET_OWNER_UID,
  NS_GET_PARENT,
  NS_GET_USERNS,
  O_RDONLY,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { EACCES, errnoOf } from "../../ffi/errno.ts";
import { executableInMemory } from "../../ffi/standalone.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import { Database } from "../state/database.ts";
import type { Paths } from "../state/paths.ts";
import { areAlive, bootId, identify, isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { MARKER } from "../state/user_namespace.ts";
import { entryProgram } from "./entry_program.ts";
import { makeNamespace } from "./make_namespace.ts";

/** How long to wait for a command that is about to enter. */
const ENTERS_WITHIN_MS = 10_000;
const LOOK_AGAIN_MS = 2;

/** Files of /proc/PID/ns. */
const USER = "user";
const MOUNT = "mnt";

interface Descriptors {
  readonly user: number;
  /** undefined when there is none that could be joined: a new one is made of what this process sees. */
  readonly mount: number | undefined;
}

/**
 * Executes this dhow once more, in the user namespace of this user's other commands and containers, or, if there are none, in a new one.
 * The process stays the same, with its descriptors and its terminal.
 * @param command this dhow's own command line, without a command
 * @throws {HostError} when this host does not let its users do that
 */
export async function enterUserNamespace(paths: Paths, command: readonly string[]): Promise<never> {
  const database = Database.open(paths);
  let namespaces: Descriptors | undefined;
  const deadline = performance.now() + ENTERS_WITHIN_MS;
  while (namespaces === undefined) {
    const isLast = performance.now() > deadline;
    // one command at a time, or two that are the first would make one namespace each
    namespaces = database.transaction(() => {
      const members = living(readMembers(database));
      const { owners, processes } = runsOfContainers(database);
      const found = joinable([...members, ...living(owners)], living(processes));
      if (found === undefined && members.length > 0 && !isLast) return undefined;
      const descriptors = found ?? makeNamespace(open);
      remember(database, [...members, identify(Deno.pid)]);
      return descriptors;
    });
    // one of them is on its way into the namespace
    if (namespaces === undefined) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  database.close();
  return execute(namespaces, command);
}

const MEMBERS = "user namespace";

/** Commands that have entered, or are about to. */
interface Members {
  readonly bootId: string;
  readonly processes: readonly ProcessIdentity[];
}

function readMembers(database: Database): readonly ProcessIdentity[] {
  const row = database.get<{ value: string }>("SELECT value FROM host_facts WHERE key = ?", MEMBERS);
  const members = row === undefined ? undefined : JSON.parse(row.value) as Members;
  return members?.bootId === bootId() ? members.processes : [];
}

function remember(database: Database, processes: readonly ProcessIdentity[]): void {
  const members: Members = { bootId: bootId(), processes };
  const sql = "INSERT OR REPLACE INTO host_facts (key, value) VALUES (?, ?)";
  database.run(sql, MEMBERS, JSON.stringify(members));
}

/**
 * To be asked by who is the root of a user namespace that somebody else has made: from there nobody comes into another.
 * @throws {HostError} when the user's containers, or commands, are in another one
 */
export function refuseOtherNamespaces(database: Database): void {
  const own = namespaceOf("self");
  const all = living([...readMembers(database), ...runsOfContainers(database).owners]);
  const other = all.find(({ pid }) => isElsewhere(pid, own));
  if (other === undefined) return;
  throw new HostError({
    what: "cannot work on the containers of this user from here",
    why: `this is a user namespace that dhow has not made, and process ${other.pid} of theirs is in another`,
    hint: "run dhow outside of it, or with a store of its own: --root DIR",
  });
}

function isElsewhere(pid: number, own: string): boolean {
  try {
    return namespaceOf(String(pid)) !== own;
  } catch (error) {
    // else it has ended meanwhile; who is in a namespace beside this one cannot be looked at
    return error instanceof Deno.errors.PermissionDenied || errnoOf(error) === EACCES;
  }
}

/** Those that answer for containers are dhow's own, and have entered with the commands that started them; the others are the containers'. */
function runsOfContainers(database: Database): Record<"owners" | "processes", ProcessIdentity[]> {
  const rows = database.all<{ owner: string; process: string | null }>(
    "SELECT owner, process FROM containers",
  );
  const parse = (texts: readonly (string | null)[]) =>
    texts.flatMap((text) => {
      const process = text === null ? null : JSON.parse(text) as ProcessIdentity | null;
      return process === null ? [] : [process];
    });
  return {
    owners: parse(rows.map(({ owner }) => owner)),
    processes: parse(rows.map(({ process }) => process)),
  };
}

function living(processes: readonly ProcessIdentity[]): ProcessIdentity[] {
  const alive = areAlive(processes);
  return processes.filter((_, index) => alive[index]);
}

/**
 * The mount namespace of a container's process must not be joined: what dhow then executes would be a file of the container's. Its user
 * namespace is needed when its owner was killed, and it is still there; if it is one below the one that is meant, that counts.
 * @param members processes of dhow's own
 * @param processes containers' first processes
 * @returns undefined when none of them is in a user namespace of its own yet, or all have ended
 */
function joinable(
  members: readonly ProcessIdentity[],
  processes: readonly ProcessIdentity[],
): Descriptors | undefined {
  const own = namespaceOf("self");
  for (const [index, process] of [...members, ...processes].entries()) {
    try {
      if (namespaceOf(String(process.pid)) === own) continue;
      const user = below(own, openNamespace(process.pid, USER));
      const mount = index < members.length ? openNamespace(process.pid, MOUNT) : undefined;
      // only now is it certain that it was this process, and not another one with its pid
      if (isAlive(process) && ownerOf(user) === Deno.uid()) {
        if (mount === undefined || belongsTo(mount, user)) return { user, mount };
        libcCall("close", mount);
        return { user, mount: undefined };
      }
      for (const fd of [user, mount]) if (fd !== undefined) libcCall("close", fd);
    } catch {
      continue; // it has ended meanwhile, or is root's
    }
  }
  return undefined;
}

const namespaceOf = (process: string) => Deno.readLinkSync(`/proc/${process}/ns/${USER}`);

/** It is to survive an execve(2). */
const openNamespace = (pid: number, name: string) =>
  libcCall("openat", AT_FDCWD, `/proc/${pid}/ns/${name}`, O_RDONLY);

const open = (pid: number): Descriptors => ({
  user: openNamespace(pid, USER),
  mount: openNamespace(pid, MOUNT),
});

const nameOf = (fd: number) => Deno.readLinkSync(`/proc/self/fd/${fd}`);

/**
 * The user namespace on the way up from another one whose parent is this process's own (ioctl_ns(2)).
 * @param fd of the other one, which is closed unless it is the one
 * @throws {SystemCallError} when there is none
 */
function below(own: string, fd: number): number {
  for (let child = fd;;) {
    let parent: number | undefined;
    try {
      parent = libcCall("ioctl", child, NS_GET_PARENT, 0);
      if (nameOf(parent) === own) {
        libcCall("close", parent);
        // the kernel's own descriptors do not survive an execve(2)
        if (child === fd) return child;
        return libcCall("fcntl", child, F_DUPFD, 0);
      }
    } catch (error) {
      libcCall("close", child);
      throw error;
    }
    libcCall("close", child);
    child = parent;
  }
}

/** Whose a user namespace is (ioctl_ns(2)): only the owner has rights in it. */
function ownerOf(namespace: number): number {
  const arena = new Arena(4096);
  try {
    const uid = arena.allocate(8);
    libcCall("ioctl", namespace, NS_GET_OWNER_UID, uid);
    return arena.int(uid);
  } finally {
    arena.release();
  }
}

/** Whether a namespace of another kind is one of a user namespace's (ioctl_ns(2)): only then do its rights count there. */
function belongsTo(other: number, user: number): boolean {
  const owner = libcCall("ioctl", other, NS_GET_USERNS, 0);
  try {
    return nameOf(owner) === nameOf(user);
  } finally {
    libcCall("close", owner);
  }
}

function execute(namespaces: Descriptors, command: readonly string[]): never {
  const environment = Object.entries({ ...Deno.env.toObject(), [MARKER]: "1" }).map(([name, value]) =>
    `${name}=${value}`
  );
  const whole = [...command, ...Deno.args];
  const program = executableInMemory(
    "dhow-enter",
    entryProgram({ ...namespaces, directory: Deno.cwd(), command: whole, environment }),
  );
  const arena = new Arena(64 * 1024);
  const table = new CallTable(arena, 1);
  table.call("execveat", [program, "", arena.strings(["dhow"]), arena.strings([]), AT_EMPTY_PATH]);
  table.run();
  throw new Error("execveat has returned");
}
