/** What an ordinary user's container cannot have, and what is chosen for it. Loaded for ordinary users only. */
import { normalize } from "@std/path";
import { HostError } from "../errors.ts";
import { delegatedCgroup } from "../limits/delegated.ts";
import { log } from "../log.ts";
import type { PublishedPort } from "../network/ports.ts";
import { mappedFromZero, mappingFault } from "../security/id_mappings.ts";
import { readIfThere } from "../state/read.ts";
import { type IdMapping, isSingle, ownNamespace } from "../state/user_namespace.ts";
import { hasOwnIds, type RunOptions } from "./options.ts";
import { chooseDriver } from "./overlay_driver.ts";
import { warnOfNoLimits } from "./user_namespace.ts";

/**
 * The options as they can be carried out.
 * @throws {HostError} when no port is free, or nothing lays layers over each other
 */
export async function withPossibleForUser(
  options: RunOptions,
  context: Parameters<typeof chooseDriver>[0],
): Promise<RunOptions> {
  refuseOwnIds(options);
  const ports = options.ports?.map((port) => port.hostPort === 0 ? withFreePort(port) : port);
  const driver = await chooseDriver(context);
  if (driver !== undefined && hasOwnIds(options)) {
    throw new HostError({
      what: "cannot run a container with ids of its own",
      why: `its files are mounted by ${driver}, which only the ids of your other containers can use`,
      hint:
        "leave out --userns, --uidmap and --gidmap, or use a kernel that mounts overlay for users (Linux 5.11)",
    });
  }
  return withCgroup(withPossibleScore({
    ...options,
    ...(ports === undefined ? {} : { ports }),
    ...(driver === undefined ? {} : { driver }),
  }));
}

/**
 * The namespace of a container with ids of its own is below the one that all of the user's containers are in, and has its ids from there.
 * @throws {HostError} when they are not there, or files would have to be shown with other owners
 */
function refuseOwnIds({ ids, autoIds, mounts }: RunOptions): void {
  if (ids === undefined && autoIds === undefined) return;
  const what = "cannot run a container with ids of its own";
  const own = ownNamespace();
  if (own === undefined || isSingle(own)) {
    throw new HostError({
      what,
      why: "this host gives you no other ids than your own",
      hint:
        "the administrator can give you some, see: dhow doctor; or leave out --userns, --uidmap and --gidmap",
    });
  }
  for (const kind of ["uids", "gids"] as const) {
    const why = mappingFault(ids?.[kind] ?? [{ containerID: 0, hostID: 0, size: 1 }]);
    if (why !== undefined) throw new HostError({ what, why });
    const [range] = ids?.[kind].filter((range) => !isWithin(range, own[kind])) ?? [];
    if (range === undefined) continue;
    throw new HostError({
      what,
      why: `you have no ${kind} from ${range.hostID} to ${range.hostID + range.size - 1}`,
      hint: `yours are those from 0, which is your own, to ${mappedFromZero(own[kind]) - 1}`,
    });
  }
  if (mounts.some((mount) => mount.type === "bind" && mount.idmap === true)) {
    throw new HostError({
      what,
      why: "only root can show a path of the host with other owners",
      hint: "leave out idmap",
    });
  }
}

/** Ids of a user's namespace follow upon each other from 0 on. */
const isWithin = ({ hostID, size }: IdMapping, own: readonly IdMapping[]) =>
  hostID + size <= mappedFromZero(own);

/** In the cgroup that is the user's; without limits where there is none. */
function withCgroup(options: RunOptions): RunOptions {
  const { cgroupParent = "", limits, ...others } = options;
  const { path } = delegatedCgroup();
  if (path !== undefined) {
    return { ...options, cgroupBase: path, cgroupParent: `${path}${normalize(`/${cgroupParent}`)}` };
  }
  if (limits !== undefined) warnOfNoLimits();
  return others;
}

/** Nobody but root can be killed later than who starts it (proc_pid_oom_score_adj(5)). */
function withPossibleScore(options: RunOptions): RunOptions {
  const { oomScoreAdjustment: wanted, ...others } = options;
  const own = Number(readIfThere("/proc/self/oom_score_adj") ?? 0);
  if (wanted === undefined || wanted >= own) return options;
  log.warn(`--oom-score-adj ${wanted} is root's alone: the container has ${own}, as its user`);
  return others;
}

/** Chosen once, and kept: other than with docker, it stays the same when the container is started again. */
function withFreePort(port: PublishedPort): PublishedPort {
  const { ip, protocol } = port;
  const hostname = ip === "" ? "0.0.0.0" : ip;
  try {
    if (protocol === "tcp") {
      using listener = Deno.listen({ hostname, port: 0 });
      return { ...port, hostPort: listener.addr.port };
    }
    const listener = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    const { port: hostPort } = listener.addr as Deno.NetAddr;
    listener.close();
    return { ...port, hostPort };
  } catch (error) {
    throw new HostError({
      what: `cannot choose a port of ${hostname}`,
      why: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}
