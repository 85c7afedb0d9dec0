/** Containers that join namespaces of others: what is kept of that, and what a start finds out. */
import { errnoOf, ESRCH } from "../../ffi/errno.ts";
import { pathExists } from "../../ffi/files.ts";
import { DhowError } from "../errors.ts";
import { cannotJoin } from "../plan/failure.ts";
import { type Join, JOINABLE, type JoinableKind } from "../plan/step.ts";
import { CONTAINER_FILES } from "../rootfs/etc_files.ts";
import { capabilityMask } from "../security/capabilities.ts";
import type { Database } from "../state/database.ts";
import { readIfThere } from "../state/read.ts";
import { containerRun, type Paths } from "../state/paths.ts";
import { joinedContainer, type RunOptions } from "./options.ts";
import type { PartnersOfStart } from "./prepare.ts";
import { type ContainerRecord, findContainer, getContainer, lookUpContainer } from "./records.ts";
import { hostnameOf } from "./spec.ts";

/**
 * The options as they are kept: other containers by their ids, as docker has it, since names change. One that has the network of
 * another has its host name as well. To be called in the transaction that makes the container.
 * @throws {DhowError} in docker's words, when there is no such container
 */
export function resolveJoins(database: Database, options: RunOptions): RunOptions {
  const resolve = <Mode extends string>(mode: Mode): Mode => {
    const wanted = joinedContainer(mode);
    return wanted === undefined ? mode : `container:${findContainer(database, wanted).id}` as Mode;
  };
  const resolved = {
    ...options,
    network: resolve(options.network),
    ipc: resolve(options.ipc),
    pid: resolve(options.pid),
  };
  const other = joinedContainer(resolved.network);
  if (other === undefined || options.uts === "host") return resolved;
  const partner = getContainer(database, other);
  return { ...resolved, hostname: hostnameOf(other, partner.config.options, Deno.hostname) };
}

/** Writes down whose namespaces a container joins. In the same transaction. */
export function registerJoins(database: Database, container: string, options: RunOptions): void {
  for (const kind of JOINABLE) {
    const partner = joinedContainer(options[kind]);
    if (partner === undefined) continue;
    database.run("INSERT INTO joins (container, kind, partner) VALUES (?, ?, ?)", container, kind, partner);
  }
}

/**
 * Finds the containers whose namespaces a start joins.
 * @param options as resolveJoins has made them
 * @throws {DhowError} in docker's words, when one of them does not run
 */
export function findPartners(database: Database, paths: Paths, options: RunOptions): PartnersOfStart {
  const joins = JOINABLE.flatMap((kind) => {
    const id = joinedContainer(options[kind]);
    return id === undefined ? [] : [joinOf(kind, getContainer(database, id))];
  });
  for (const join of joins) if (join.kind === "pid") refuseTracers(database, join);
  const other = joinedContainer(options.network);
  return { joins, files: other === undefined ? undefined : filesOf(database, paths, other) };
}

function joinOf(kind: JoinableKind, { id, status, process, config }: ContainerRecord): Join {
  if (status === "restarting") {
    throw cannotJoin(kind, id, `Container ${id} is restarting, wait until the container is running`);
  }
  if ((status !== "running" && status !== "foreground") || process === null) throw cannotJoin(kind, id);
  const { ipc, userNamespace } = config.options;
  if (userNamespace) throw cannotJoin(kind, id, "it has a user namespace of its own");
  if (kind === "ipc" && (ipc === "private" || ipc === "none")) {
    throw new DhowError({
      what: `can't join IPC of container ${id}`,
      why: "non-shareable IPC",
      hint: "make that container with --ipc shareable",
    });
  }
  return { kind, container: id, process };
}

/**
 * A process that joins others is dhow's child until it executes its program, and dhow's child can do whatever dhow can. That it is not
 * dumpable keeps others from tracing it, but not those with CAP_SYS_PTRACE (ptrace(2)). One that is privileged has the host as it is.
 * @throws {DhowError} when a container among those processes has that capability
 */
function refuseTracers(database: Database, { container, process }: Join): void {
  const joined = namespaceOf(process.pid);
  const rows = database.all<{ id: string }>(
    "SELECT id FROM containers WHERE status IN ('running', 'foreground')",
  );
  for (const { id } of rows) {
    const other = lookUpContainer(database, id);
    const pid = other?.process?.pid;
    if (pid === undefined || other?.config.options.security?.privileged === true) continue;
    if (namespaceOf(pid) !== joined || !mayTrace(pid)) continue;
    throw new DhowError({
      what: `can't join PID of container ${container}`,
      why: `container ${id} is there, and could take dhow over with its CAP_SYS_PTRACE`,
      hint: "give SYS_PTRACE to the container that joins, and not to one that is joined; or use exec",
    });
  }
}

/** Of a process; undefined when there is none any more. */
function namespaceOf(pid: number): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/pid`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || errnoOf(error) === ESRCH) return undefined;
    throw error;
  }
}

/** Whether it has CAP_SYS_PTRACE, or a program of its could get it. */
function mayTrace(pid: number): boolean {
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readIfThere(`/proc/${pid}/status`) ?? "")?.[1] ?? "0";
  return (BigInt(`0x${bounding}`) & capabilityMask(["CAP_SYS_PTRACE"])) !== 0n;
}

/** The files are those of the container that the network belongs to; undefined when they have gone with it. */
function filesOf(database: Database, paths: Paths, id: string): Record<string, string> | undefined {
  let owner = id;
  for (let next: string | undefined = id; next !== undefined;) {
    owner = next;
    const record = lookUpContainer(database, owner);
    next = record && joinedContainer(record.config.options.network);
  }
  const files = CONTAINER_FILES.map((path) => [path, containerRun(paths, owner) + path] as const);
  return files.every(([, source]) => pathExists(source)) ? Object.fromEntries(files) : undefined;
}
