import { Arena } from "../../ffi/arena.ts";
import {
  AF_INET,
  IFF_UP,
  SIOCBRADDIF,
  SIOCGIFFLAGS,
  SIOCSIFFLAGS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../../ffi/constants.ts";
import { ENODEV, SystemCallError } from "../../ffi/errno.ts";
import { libcCall } from "../../ffi/table.ts";
import { readIfThere } from "../state/read.ts";
import { runIp } from "./program.ts";
import { CHILD, HOST, type HostStep } from "./step.ts";

/** The names of the network interfaces of this process's network namespace (proc(5), /proc/net/dev). */
export function hostLinks(): string[] {
  return linksIn(Deno.readTextFileSync("/proc/thread-self/net/dev"));
}

/** Those of another process's; none if it has ended. */
export function linksOf(pid: number): string[] {
  return linksIn(readIfThere(`/proc/${pid}/net/dev`) ?? "");
}

function linksIn(text: string): string[] {
  return text.split("\n").slice(2)
    .map((line) => line.slice(0, line.indexOf(":")).trim())
    .filter((name) => name !== "");
}

/** struct ifreq (netdevice(7)): its size in bytes, and where the number of a link is, or its flags are. */
const IFREQ = { size: 40, value: 16 };

/**
 * Makes a link of this network namespace a port of a bridge, and switches it on, by calls in place of one more process of `ip`. In this
 * order: a link that is on and in no bridge would be the host's own, with whoever is at its other end for a neighbour.
 * @throws {SystemCallError} ENODEV when there is no such link or bridge, EBUSY when it is in one
 */
export function joinBridge(bridge: string, link: string): void {
  const number = libcCall("if_nametoindex", link);
  if (number === 0) throw new SystemCallError(`if_nametoindex ${link}`, ENODEV);
  const arena = new Arena(1024);
  const socket = libcCall("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const requestOf = (name: string) => {
    const request = arena.allocate(IFREQ.size);
    arena.bytes.set(new TextEncoder().encode(name), request - arena.address);
    return request;
  };
  try {
    const joining = requestOf(bridge);
    arena.setInt(joining + IFREQ.value, number);
    libcCall("ioctl", socket, SIOCBRADDIF, joining);
    const flags = requestOf(link);
    libcCall("ioctl", socket, SIOCGIFFLAGS, flags);
    arena.setInt(flags + IFREQ.value, arena.int(flags + IFREQ.value) | IFF_UP);
    libcCall("ioctl", socket, SIOCSIFFLAGS, flags);
  } finally {
    libcCall("close", socket);
    arena.release();
  }
}

/**
 * Makes a container's links, or what belongs to them.
 * @param child the pid of its first process
 * @throws {HostError} when `ip` fails
 * @throws {SystemCallError} when a link cannot join a bridge
 */
export async function makeLinks(
  step: Extract<HostStep, { do: "ip" | "join-bridge" }>,
  child: number,
): Promise<void> {
  if (step.do === "join-bridge") return joinBridge(step.bridge, step.link);
  const commands = step.commands.map((command) =>
    command.replaceAll(CHILD, String(child)).replaceAll(HOST, String(Deno.pid))
  );
  await runIp(commands, `cannot ${step.why}`, step.namespace === "container" ? child : undefined);
}
