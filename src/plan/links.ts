import { Arena } from "../../ffi/arena.ts";
import { AF_INET, SIOCBRADDIF, SOCK_CLOEXEC, SOCK_DGRAM } from "../../ffi/constants.ts";
import { ENODEV, SystemCallError } from "../../ffi/errno.ts";
import { libcCall } from "../../ffi/table.ts";
import { readIfThere } from "../state/read.ts";
import { runIp } from "./program.ts";
import { CHILD, HOST, type HostStep } from "./step.ts";

/** The names of the network interfaces of this process's network namespace (proc(5), /proc/net/dev). */
export function hostLinks(): string[] {
  return namesIn(Deno.readTextFileSync("/proc/thread-self/net/dev"));
}

/** Those of another process's; none when it has ended. */
export function linksOf(pid: number): string[] {
  return namesIn(readIfThere(`/proc/${pid}/net/dev`) ?? "");
}

function namesIn(text: string): string[] {
  return text.split("\n").slice(2)
    .map((line) => line.slice(0, line.indexOf(":")).trim())
    .filter((name) => name !== "");
}

/** struct ifreq (netdevice(7)): in bytes, and where the number of a link is. */
const IFREQ = { size: 40, number: 16 };

/**
 * Makes a link of this network namespace a port of a bridge, by one call in place of one more process of `ip`.
 * @throws {SystemCallError} ENODEV when there is no such link or bridge, EBUSY when it is in one
 */
export function joinBridge(bridge: string, link: string): void {
  const number = libcCall("if_nametoindex", link);
  if (number === 0) throw new SystemCallError(`if_nametoindex ${link}`, ENODEV);
  const arena = new Arena(256);
  const socket = libcCall("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    const request = arena.allocate(IFREQ.size);
    arena.bytes.set(new TextEncoder().encode(bridge), request - arena.address);
    arena.setInt(request + IFREQ.number, number);
    libcCall("ioctl", socket, SIOCBRADDIF, request);
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
