/** One more program in a running container. */
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../../ffi/constants.ts";
import { describeErrno, EINVAL, ENODEV, ENOENT, ENOMEM, EPERM, ESRCH } from "../../ffi/errno.ts";
import { pathExists } from "../../ffi/files.ts";
import { exitCode } from "../../ffi/process.ts";
import { refusePaused } from "./pause.ts";
import { CommandError, DhowError, EXIT_NOT_EXECUTABLE, HostError, ImageError } from "../errors.ts";
import { stepDone } from "../plan/fault.ts";
import type { JoinSetup } from "../plan/joiner.ts";
import { JoinedProgram, type JoinFailure } from "../plan/joined.ts";
import type { Undo } from "../plan/step.ts";
import { confiningSteps } from "../security/confinement.ts";
import { type ResolvedUser, resolveUser, withGroups } from "../security/user.ts";
import type { Database } from "../state/database.ts";
import { ProcessHandle } from "../state/process_end.ts";
import { hasExecuted, isAlive } from "../state/process_identity.ts";
import type { DetachKeys } from "./detach_keys.ts";
import { ExecEvents } from "./exec_events.ts";
import { readInside } from "./files_inside.ts";
import { changedSignals, openFilesLimit } from "./host.ts";
import { hasOwnIds } from "./options.ts";
import type { ImageEtc } from "./prepare.ts";
import type { ContainerRecord } from "./records.ts";
import { confinementOf, privileged, securityOf } from "./security.ts";
import { environment, groupsInside, hostnameOf } from "./spec.ts";
import type { TerminalRelay } from "./terminal.ts";
import { isRootless } from "../state/user_namespace.ts";
import { canUseCgroup, type PossibleUser, possibleUser } from "./user_namespace.ts";

/** What a user can choose: the options of `exec`. */
export interface ExecOptions {
  readonly command: readonly string[];
  readonly interactive: boolean;
  readonly terminal: boolean;
  readonly detach: boolean;
  readonly env: readonly string[];
  readonly workingDir: string | undefined;
  readonly user: string | undefined;
  /** Whether it has all capabilities. */
  readonly privileged: boolean;
  readonly detachKeys: DetachKeys;
}

const WHAT = "cannot execute a command in the container";

/** setgroups(2) */
const NGROUPS_MAX = 65536;

/**
 * Runs a program in a container.
 * @returns its exit code, or 128 + the signal that ended it; 0 at once if nobody waits for it
 * @throws {DhowError} when it cannot be started
 */
export async function executeInside(
  database: Database,
  container: ContainerRecord,
  options: ExecOptions,
): Promise<number> {
  // loaded only now: most programs need no terminal
  const terminal = options.terminal ? await import("./terminal.ts") : undefined;
  if (terminal !== undefined && options.interactive && !options.detach) {
    terminal.requireTerminal();
    terminal.awaitForeground();
  }
  using process = openFirstProcess(container);
  const size = terminal?.windowSize() ?? { rows: 0, columns: 0 };
  const setup = await prepareJoin(database, container, options, { pid: process.identity.pid, size });
  if (!isAlive(process.identity)) throw notRunning(container);
  let relay: TerminalRelay | undefined;
  const program = new JoinedProgram(setup, {
    container: process.fd,
    without: withoutStreams(options),
    changedSignals: changedSignals(),
    openFiles: openFilesLimit(),
    limits: container.config.options.rlimits ?? [],
  });
  const failure = program.started((master) => relay = new terminal!.TerminalRelay(master));
  if (failure !== undefined) throw await explain(failure, setup, container);
  stepDone();
  const events = new ExecEvents(database, container.id);
  events.started(options.command);
  stepDone();
  if (options.detach) {
    program.leaveTerminal();
    return 0;
  }
  const code = relay === undefined
    ? exitCode(await program.ended)
    : await attended(program, relay, options, events);
  events.died(code);
  return code;
}

async function attended(
  program: JoinedProgram,
  relay: TerminalRelay,
  options: ExecOptions,
  events: ExecEvents,
): Promise<number> {
  const { attend } = await import("./exec_terminal.ts");
  try {
    return await attend(program, relay, options);
  } catch (error) {
    events.detached();
    throw error;
  }
}

const notRunning = ({ id }: ContainerRecord) =>
  new DhowError({ what: WHAT, why: `Container ${id} is not running` });

/** @throws {DhowError} when it does not run its program (yet, or any more), or stands still */
export function openFirstProcess(container: ContainerRecord): ProcessHandle {
  const { status, process } = container;
  const isUp = status === "running" || status === "foreground";
  if (isUp) refusePaused(container, WHAT);
  const handle = isUp ? ProcessHandle.open(process) : undefined;
  if (handle === undefined) throw notRunning(container);
  // until then its memory is dhow's, and its root may still be the host's
  if (hasExecuted(handle.identity)) return handle;
  handle[Symbol.dispose]();
  throw notRunning(container);
}

function withoutStreams(
  { detach, terminal, interactive }: Omit<ExecOptions, "detachKeys">,
): readonly number[] {
  if (detach || terminal) return [0, 1, 2];
  return interactive ? [] : [0];
}

/** What a program in a container is to be like. */
export async function prepareJoin(
  database: Database,
  { id, image, config }: ContainerRecord,
  options: Omit<ExecOptions, "detachKeys">,
  { pid, size }: { readonly pid: number; readonly size: { rows: number; columns: number } },
): Promise<JoinSetup> {
  const { defaults, options: wanted } = config;
  const own = await securityOf(wanted);
  const security = options.privileged ? privileged(own, wanted.userNamespace) : own;
  const [ownPasswd, ownGroup] = readInside({ id, pid }, ["etc/passwd", "etc/group"]);
  const { passwd, group } = ownPasswd === undefined || ownGroup === undefined
    ? imagesUsers(database, image)
    : { passwd: ownPasswd, group: ownGroup };
  const user = findUser(options.user ?? wanted.user ?? defaults.user, wanted.groups, passwd, group);
  const hostname = hostnameOf(id, wanted, Deno.hostname);
  const env = environment(
    { env: [...wanted.env, ...options.env], terminal: options.terminal },
    defaults,
    hostname,
    user.home,
  );
  const namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID |
    CLONE_NEWCGROUP | (wanted.timeOffsets === undefined ? 0 : CLONE_NEWTIME);
  return {
    // from a session beside the user's cgroup nobody can be moved into it
    cgroups: (isRootless() && !canUseCgroup(wanted) ? [] : cgroupFolders(database, id)).map((path) =>
      pathExists(`${path}/tasks`) ? `${path}/tasks` : `${path}/cgroup.procs`
    ),
    namespaces: wanted.userNamespace ? namespaces | CLONE_NEWUSER : namespaces,
    hasOwnIds: hasOwnIds(wanted),
    terminal: options.terminal ? size : undefined,
    closed: withoutStreams(options),
    user: wanted.userNamespace ? { ...user, additionalGids: groupsInside(wanted, user) } : userInside(user),
    ...confiningSteps(confinementOf(security, user.uid)),
    ...(wanted.oomScoreAdjustment === undefined ? {} : { oomScoreAdj: wanted.oomScoreAdjustment }),
    cwd: options.workingDir ?? wanted.workingDir ?? (defaults.workingDir || "/"),
    args: options.command,
    env,
  };
}

/** The users of the image, where something is mounted over those of its container. */
function imagesUsers(database: Database, image: string): Pick<ImageEtc, "passwd" | "group"> {
  const sql = "SELECT facts FROM images WHERE id = ? UNION ALL SELECT facts FROM archives WHERE image = ?";
  const row = database.get<{ facts: string | null }>(sql, image, image);
  return JSON.parse(row?.facts ?? '{"passwd":"","group":""}') as ImageEtc;
}

/** @throws {CommandError} as docker has it */
function findUser(text: string, groups: readonly string[], passwd: string, group: string): ResolvedUser {
  try {
    return withGroups(resolveUser(text, passwd, group), groups, group);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new CommandError({ what: WHAT, why: error.message, cause: error }, EXIT_NOT_EXECUTABLE);
  }
}

/** @throws {CommandError} when the user does not exist in the user namespace of an ordinary user */
function userInside(user: ResolvedUser): PossibleUser {
  try {
    return possibleUser(user);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    throw new CommandError({ what: WHAT, why: error.message, cause: error }, EXIT_NOT_EXECUTABLE);
  }
}

function cgroupFolders(database: Database, id: string): readonly string[] {
  const row = database.get<{ undo: string }>("SELECT undo FROM containers WHERE id = ?", id);
  const journal = JSON.parse(row?.undo ?? "[]") as Undo[];
  return journal.flatMap((entry) => entry.undo === "remove-cgroups" ? entry.folders : []);
}

/** Why a program could not be executed, in words. */
export async function explain(
  { step, errno }: JoinFailure,
  setup: JoinSetup,
  container: ContainerRecord,
): Promise<DhowError> {
  const why = errno === 0 ? "the container has ended meanwhile" : describeErrno(errno);
  const error = (what: string, hint?: string) =>
    new HostError({ what, why, ...(hint === undefined ? {} : { hint }) });
  switch (step) {
    case "joinCgroup":
      return (errno === ENOENT || errno === ENODEV) && !isAlive(container.process)
        ? notRunning(container)
        : error("cannot join the container's cgroup", "see that /sys/fs/cgroup is mounted and writable");
    case "adjustOomScore":
      return error("cannot say how readily the kernel may end the command when memory is short");
    case "joinNamespaces":
      return errno === ESRCH ? notRunning(container) : error("cannot join the container's namespaces");
    case "makeProcess":
      // clone(2): so it is when the pid namespace's first process has ended
      return errno === ENOMEM
        ? notRunning(container)
        : error(WHAT, errno === EPERM ? "does the container's seccomp profile allow clone?" : undefined);
    case "openNull":
      return error("cannot open the container's /dev/null", "is it the null device?");
    case "openTerminal":
    case "takeTerminal":
      return error("cannot open a terminal in the container", "is devpts mounted on its /dev/pts?");
    case "changeDirectory":
      return new CommandError(
        { what: `cannot change to the working directory "${setup.cwd}"`, why },
        EXIT_NOT_EXECUTABLE,
      );
    case "confine":
      return error(
        "cannot limit what the command may do",
        "does the container's seccomp profile allow prctl and capset?",
      );
    case "setUser": {
      const { uid, gid, additionalGids } = setup.user;
      const hint = errno !== EINVAL
        ? undefined
        : (additionalGids ?? []).length > NGROUPS_MAX
        ? `its /etc/group makes it a member of more than ${NGROUPS_MAX} groups`
        : "the user namespace may not map these ids";
      return error(`cannot become user ${uid}:${gid} in the container`, hint);
    }
    case "execute": {
      const { explainExecuteFailure } = await import("../plan/failure.ts");
      return explainExecuteFailure(setup, [{ errno }]);
    }
    case "start":
    case "terminalReady":
      return errno === 0 || errno === ESRCH ? notRunning(container) : error(WHAT);
  }
}
