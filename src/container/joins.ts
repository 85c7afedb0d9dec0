/** Containers that join namespaces of others: what is kept of that, and what a start finds out. */
import { pathExists } from "../../ffi/files.ts";
import { DhowError } from "../errors.ts";
import { cannotJoin } from "../plan/failure.ts";
import { type Join, JOINABLE, type JoinableKind } from "../plan/step.ts";
import { CONTAINER_FILES } from "../rootfs/etc_files.ts";
import type { Database } from "../state/database.ts";
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
