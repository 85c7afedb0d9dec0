import { Arena } from "../../ffi/arena.ts";
import {
  AF_INET,
  AT_FDCWD,
  CLONE_NEWNET,
  IFF_UP,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
  SIOCBRADDIF,
  SIOCGIFFLAGS,
  SIOCSIFFLAGS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../../ffi/constants.ts";
import { ANY_ERRNO, EBADF, ENODEV, ENOENT, SystemCallError } from "../../ffi/errno.ts";
import { STACK_SIZE, walkElsewhere } from "../../ffi/process.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";
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
 * The command that has a bridge send back to a container what it has sent itself. A container that asks for its own published port is
 * answered by the port of the bridge that it has asked through, where the bridge hands packets to iptables
 * (net.bridge.bridge-nf-call-iptables, which docker switches on).
 */
export const reflectCommand = (link: string) => `link set ${link} type bridge_slave hairpin on`;

/**
 * Has bridges do that for links of this network namespace: by a file of sysfs, or by `ip` where that shows another one's links.
 * @throws {HostError} when `ip` fails
 */
export async function reflect(links: readonly string[], what: string): Promise<void> {
  const others = links.filter((link) => {
    const folder = `/sys/class/net/${link}`;
    const number = libcCall("if_nametoindex", link);
    if (readIfThere(`${folder}/ifindex`)?.trim() !== String(number)) return true;
    const file = tryLibcCall(
      ANY_ERRNO,
      "openat",
      AT_FDCWD,
      `${folder}/brport/hairpin_mode`,
      O_WRONLY | O_CLOEXEC,
    );
    if (file < 0) return true;
    try {
      return tryLibcCall(ANY_ERRNO, "write", file, "1", 1) !== 1;
    } finally {
      libcCall("close", file);
    }
  });
  if (others.length > 0) await runIp(others.map(reflectCommand), what);
}

/**
 * Makes a container's links, or what belongs to them.
 * @param child the pid of its first process
 * @throws {HostError} when `ip` fails
 * @throws {SystemCallError} when a link cannot join a bridge
 */
export async function makeLinks(
  step: Extract<HostStep, { do: "ip" | "join-bridge" | "reflect" }>,
  child: number,
): Promise<void> {
  if (step.do === "join-bridge") return joinBridge(step.bridge, step.link);
  if (step.do === "reflect") return await reflect(step.links, `cannot ${step.why}`);
  const commands = step.commands.map((command) =>
    command.replaceAll(CHILD, String(child)).replaceAll(HOST, String(Deno.pid))
  );
  await runIp(commands, `cannot ${step.why}`, step.namespace === "container" ? child : undefined);
  if (step.sysctls !== undefined) await setSysctls(step.sysctls, child);
}

/**
 * Writes settings of a container's network namespace: `/proc/sys/net` is that of who looks (proc(5)).
 * @throws {SystemCallError} for one that cannot be written; one that the kernel lacks is left out
 */
async function setSysctls(
  sysctls: readonly { readonly path: string; readonly value: string }[],
  child: number,
): Promise<void> {
  const arena = new Arena(STACK_SIZE + 16 * 1024 + sysctls.length * 1024);
  const network = libcCall("openat", AT_FDCWD, `/proc/${child}/ns/net`, O_RDONLY | O_CLOEXEC);
  try {
    const table = new CallTable(arena, 1 + 3 * sysctls.length);
    table.call("setns", [network, CLONE_NEWNET]);
    for (const { path, value } of sysctls) {
      const file = table.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC], { tolerate: [ENOENT] });
      table.call("write", [file, value, value.length], { tolerate: [EBADF] });
      table.call("close", [file], { tolerate: [EBADF] });
    }
    await walkElsewhere(table);
  } finally {
    libcCall("close", network);
    arena.release();
  }
}
