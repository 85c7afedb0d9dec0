/** What an ordinary user's container cannot have, and what is chosen for it. Loaded for ordinary users only. */
import { normalize } from "@std/path";
import { HostError } from "../errors.ts";
import { delegatedCgroup } from "../limits/delegated.ts";
import { log } from "../log.ts";
import type { PublishedPort } from "../network/ports.ts";
import { readIfThere } from "../state/read.ts";
import { hasOwnIds, joinedContainer, type RunOptions } from "./options.ts";
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
  refuseJoinedProcesses(options);
  refuseOwnIds(options);
  const ports = options.ports?.map((port) => port.hostPort === 0 ? withFreePort(port) : port);
  const driver = await chooseDriver(context);
  return withCgroup(withPossibleScore({
    ...options,
    ...(ports === undefined ? {} : { ports }),
    ...(driver === undefined ? {} : { driver }),
  }));
}

/**
 * Who starts a process in another pid namespace has to go back to its own, which is root's (setns(2)).
 * @throws {HostError} when that is asked for
 */
function refuseJoinedProcesses({ pid }: RunOptions): void {
  if (joinedContainer(pid) === undefined) return;
  throw new HostError({
    what: `cannot run a container with --pid ${pid}`,
    why: "only root's containers can join the processes of another",
    hint: "run the command in that one: dhow exec",
  });
}

/**
 * All of a user's containers are in one user namespace, where one command can work on what another has made.
 * @throws {HostError} when ids of its own are asked for
 */
function refuseOwnIds(options: RunOptions): void {
  if (!hasOwnIds(options)) return;
  throw new HostError({
    what: "cannot run a container with ids of its own",
    why: "an ordinary user's containers have the user's own ids, and those of /etc/subuid and /etc/subgid",
    hint: "leave out --userns, --uidmap and --gidmap, or run it as root",
  });
}

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
