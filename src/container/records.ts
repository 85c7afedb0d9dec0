/** What dhow remembers of containers. */
import { isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import type { Database } from "../state/database.ts";
import { DhowError } from "../errors.ts";
import type { ImageConfig } from "../image/config.ts";
import { type Healthcheck, mergeHealthcheck } from "../image/healthcheck.ts";
import type { ContainerMount } from "./mounts.ts";
import type { RunOptions } from "./options.ts";
import { cgroupName } from "../limits/cgroup.ts";

/**
 * `foreground`: a dhow command waits for its end, and removes it then. The others stay: `created` has not been started yet, `running`
 * is in the hands of its monitor, `exited` was, and `restarting` was and will be.
 */
export type Status = "foreground" | "created" | "running" | "exited" | "restarting";

/** The owner of a container that nobody works on, and that does not run. */
export const NOBODY = "null";

/** How a container was wanted: what a start of it needs, now and later. */
export interface ContainerConfig {
  readonly options: RunOptions;
  /** By what its image is found again: an id in the store, or the path of an archive. */
  readonly source: string;
  /** What it runs, as lists show it. */
  readonly command: readonly string[];
  /** What asks it to end: a name of signal(7). */
  readonly stopSignal: string;
  /** What its image says of programs in it, for those that come later. */
  readonly defaults: Pick<ImageConfig, "env" | "user" | "workingDir" | "shell">;
  /** What it has mounted besides what every container has. Absent for none. */
  readonly mounts?: readonly ContainerMount[];
  /** How its health is checked. Absent when neither user nor image have said anything. */
  readonly healthcheck?: Healthcheck;
}

/** A container on record. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  /** `sha256:...` of its image. */
  readonly image: string;
  readonly status: Status;
  readonly owner: ProcessIdentity | null;
  readonly config: ContainerConfig;
  /** Its first process, if it was started; of one in the foreground, once its program is about to run. */
  readonly process: ProcessIdentity | null;
  /** In milliseconds since 1970. */
  readonly created: number;
  readonly started: number | null;
  readonly finished: number | null;
  /** Of its last run; null when that is not known, or there was none. */
  readonly exitCode: number | null;
  readonly error: string | null;
  /** Whether something of its last run was killed for lack of memory. */
  readonly oomKilled: boolean;
  /** How often it was restarted by its policy since somebody started it. */
  readonly restarts: number;
  /** How long its last restart was put off, in milliseconds. */
  readonly restartDelay: number;
  /** One of STOPPED. */
  readonly stopped: number;
}

/** The cgroup that it has while it runs, as cgroupName gives it. */
export function cgroupOf({ id, config }: Pick<ContainerRecord, "id" | "config">): string {
  return cgroupName(id, config.options.cgroupParent);
}

/** Whether its first process is there. */
export function isRunning({ status, process }: Pick<ContainerRecord, "status" | "process">): boolean {
  return (status === "running" || status === "foreground") && isAlive(process);
}

/**
 * Whether somebody has stopped a container since it was started; and whether that holds for every restart policy. One that was stopped
 * because the machine stops is not started again before the machine is.
 */
export const STOPPED = { byShutdown: -1, no: 0, byUser: 1, forGood: 2 } as const;

interface Row {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly status: Status;
  readonly owner: string;
  readonly undo: string;
  readonly config: string;
  readonly process: string | null;
  readonly created: number;
  readonly started: number | null;
  readonly finished: number | null;
  readonly exit_code: number | null;
  readonly error: string | null;
  readonly oom_killed: number;
  readonly restarts: number;
  readonly restart_delay: number;
  readonly stopped: number;
}

/** The first process of a container, which its journal says is to be killed, as are others that belong to it. */
function processIn(undo: string): ProcessIdentity | null {
  const journal = JSON.parse(
    undo,
  ) as ({ readonly undo: string; readonly isContainer?: true } & ProcessIdentity)[];
  const first = journal.find((entry) => entry.undo === "kill" && entry.isContainer);
  return first === undefined ? null : { pid: first.pid, startTime: first.startTime, bootId: first.bootId };
}

function toRecord(row: Row): ContainerRecord {
  const { undo, exit_code: exitCode, restart_delay: restartDelay, oom_killed: oomKilled, ...rest } = row;
  return {
    ...rest,
    owner: JSON.parse(row.owner),
    config: JSON.parse(row.config),
    process: row.process === null ? processIn(undo) : JSON.parse(row.process),
    exitCode,
    restartDelay,
    oomKilled: oomKilled === 1,
  };
}

/** All containers, the newest first. */
export function allContainers(database: Database): ContainerRecord[] {
  return database.all<Row>(
    // a journal is long, and seldom needed
    `SELECT id, name, image, status, owner, iif(process IS NULL, undo, '[]') AS undo, config, process, created, started, finished,
      exit_code, error, oom_killed, restarts, restart_delay, stopped
      FROM containers WHERE config IS NOT NULL ORDER BY created DESC, id`,
  ).map(toRecord);
}

/** The container with an id; undefined when it is gone. */
export function lookUpContainer(database: Database, id: string): ContainerRecord | undefined {
  const row = database.get<Row>("SELECT * FROM containers WHERE id = ? AND config IS NOT NULL", id);
  return row === undefined ? undefined : toRecord(row);
}

/** The container with an id. @throws {DhowError} when it is gone */
export function getContainer(database: Database, id: string): ContainerRecord {
  const record = lookUpContainer(database, id);
  if (record === undefined) throw noSuchContainer(id);
  return record;
}

/**
 * The container that a user means: by its id, its name, or the start of its id.
 * @throws {DhowError} in docker's words, when there is none, or there are several
 */
export function findContainer(database: Database, wanted: string): ContainerRecord {
  const found = seekContainer(database, wanted);
  if (found === undefined) throw noSuchContainer(wanted);
  return found;
}

/** The same; undefined when there is none. */
export function seekContainer(database: Database, wanted: string): ContainerRecord | undefined {
  if (wanted === "") throw new DhowError({ what: "invalid container name or ID", why: "value is empty" });
  const name = wanted.replace(/^\//, "");
  const exact = database.get<Row>(
    "SELECT * FROM containers WHERE (id = ? OR name = ?) AND config IS NOT NULL ORDER BY id = ? DESC",
    wanted,
    name,
    wanted,
  );
  if (exact !== undefined) return toRecord(exact);
  if (!/^[0-9a-f]{1,63}$/.test(wanted)) return undefined;
  const [found, second] = database.all<Row>(
    "SELECT * FROM containers WHERE id BETWEEN ? AND ? AND config IS NOT NULL LIMIT 2",
    wanted,
    `${wanted}g`,
  );
  if (second !== undefined) {
    throw new DhowError({ what: "multiple IDs found with provided prefix", why: wanted });
  }
  return found && toRecord(found);
}

/** In docker's words. */
export function noSuchContainer(wanted: string): DhowError {
  return new DhowError({ what: "No such container", why: wanted });
}

/** What to remember of a container that is about to be. */
export function makeConfig(
  options: RunOptions,
  { source, config }: { readonly source: string; readonly config: ImageConfig },
  mounts: readonly ContainerMount[],
): ContainerConfig {
  const { env, user, workingDir, shell } = config;
  const healthcheck = mergeHealthcheck(options.healthcheck, config.healthcheck);
  return {
    options,
    source,
    command: commandOf(options, config),
    stopSignal: options.stopSignal ?? (config.stopSignal || "SIGTERM"),
    defaults: { env, user, workingDir, ...(shell === undefined ? {} : { shell }) },
    ...(mounts.length === 0 ? {} : { mounts }),
    ...(healthcheck === undefined ? {} : { healthcheck }),
  };
}

function commandOf({ entrypoint, command }: RunOptions, config: ImageConfig): readonly string[] {
  if (entrypoint !== undefined) return [...(entrypoint === "" ? [] : [entrypoint]), ...command];
  return [...config.entrypoint, ...(command.length > 0 ? command : config.cmd)];
}
