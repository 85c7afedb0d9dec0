/** How the dhow of an ordinary user gets to be root: in a user namespace, which all commands share while any of its containers lives. */
import { AT_EMPTY_PATH, AT_FDCWD, NS_GET_OWNER_UID, O_RDONLY } from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { executableInMemory } from "../../ffi/standalone.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
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
  readonly mount: number;
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
      const found = joinable([...members, ...living(processesOfContainers(database))]);
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

/** They have entered with the commands that started them. */
function processesOfContainers(database: Database): ProcessIdentity[] {
  const rows = database.all<{ owner: string; process: string | null }>(
    "SELECT owner, process FROM containers",
  );
  return rows.flatMap(({ owner, process }) => [owner, process]).flatMap((text) => {
    const process = text === null ? null : JSON.parse(text) as ProcessIdentity | null;
    return process === null ? [] : [process];
  });
}

function living(processes: readonly ProcessIdentity[]): ProcessIdentity[] {
  const alive = areAlive(processes);
  return processes.filter((_, index) => alive[index]);
}

/** @returns undefined when none of them is in a user namespace of its own yet, or all have ended */
function joinable(members: readonly ProcessIdentity[]): Descriptors | undefined {
  const own = namespaceOf("self");
  for (const member of members) {
    try {
      if (namespaceOf(String(member.pid)) === own) continue;
      const descriptors = open(member.pid);
      // only now is it certain that it was this process, and not another one with its pid
      if (isAlive(member) && ownerOf(descriptors.user) === Deno.uid()) return descriptors;
      closeAll(descriptors);
    } catch {
      continue; // it has ended meanwhile, or is root's
    }
  }
  return undefined;
}

const namespaceOf = (process: string) => Deno.readLinkSync(`/proc/${process}/ns/${USER}`);

/** They are to survive an execve(2). */
function open(pid: number): Descriptors {
  const file = (name: string) => libcCall("openat", AT_FDCWD, `/proc/${pid}/ns/${name}`, O_RDONLY);
  return { user: file(USER), mount: file(MOUNT) };
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

function closeAll({ user, mount }: Descriptors): void {
  for (const fd of [user, mount]) libcCall("close", fd);
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
