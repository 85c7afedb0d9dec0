/**
 * Flows of UDP that the kernel tracks. It translates what belongs to one as it did the first packet, whatever the rules say since; and a
 * client that keeps its port goes on with one for as long as it sends something every two minutes (nf_conntrack_udp_timeout_stream). So
 * where rules for published ports change, flows are forgotten that go where the rules no longer lead. Connections of TCP end by themselves.
 */
import { deleteUdpFlows, type Flow } from "../../ffi/conntrack.ts";
import { EINVAL, EPROTONOSUPPORT, SystemCallError } from "../../ffi/errno.ts";
import { log } from "../log.ts";
import type { Forward } from "../plan/step.ts";
import { boundTo } from "./firewall/network.ts";

/**
 * Forgets flows to ports of the host: those that are led by a forward that there is no more, or those that are not led by one that there
 * is now. A failure is reported, and keeps nobody from starting or ending a container.
 * @param forwards of UDP, and others, which have no part in it
 * @param led whether the flows go where the forwards lead, or anywhere else
 */
export function forgetFlows(forwards: readonly Forward[], led: "there" | "elsewhere"): void {
  for (const family of [4, 6] as const) {
    const own = forwards.filter(({ protocol, address }) =>
      protocol === "udp" && address.includes(":") === (family === 6)
    );
    if (own.length === 0) continue;
    const local = hostAddresses();
    const [port, ...others] = new Set(own.map(({ hostPort }) => hostPort));
    try {
      const isWanted = (flow: Flow) => goes(flow, own, local, led);
      const count = deleteUdpFlows(family, others.length === 0 ? port : undefined, isWanted);
      if (count > 0) log.debug(`forgot ${count} flows of UDP to published ports`);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      // without ctnetlink there is no way to tell the kernel
      const say = [EINVAL, EPROTONOSUPPORT].includes(error.errno) ? log.debug : log.warn;
      say(`cannot have the kernel forget flows of UDP to published ports: ${error.message}`);
    }
  }
}

/**
 * Whether a flow is for a port of the host that a forward is of, and goes there, or elsewhere.
 * @param forwards of UDP, and of the flow's family
 * @param local the host's addresses, as `canonical` writes them
 */
export function goes(
  flow: Flow,
  forwards: readonly Forward[],
  local: ReadonlySet<string>,
  led: "there" | "elsewhere",
): boolean {
  return forwards.some((forward) =>
    isTo(flow, forward, local) && isLedBy(flow, forward) === (led === "there")
  );
}

/** Whether a flow's first packet was for a port of the host's. */
function isTo({ original }: Flow, forward: Forward, local: ReadonlySet<string>): boolean {
  if (original.destinationPort !== forward.hostPort) return false;
  const [bound, destination] = [boundTo(forward), textOf(original.destination)];
  if (bound !== undefined) return canonical(bound) === destination;
  return local.has(destination) || destination.startsWith("127.");
}

/** Whether answers to it come from the place that a forward leads to. */
function isLedBy({ reply }: Flow, { address, containerPort }: Forward): boolean {
  return reply.sourcePort === containerPort && textOf(reply.source) === canonical(address);
}

const hostAddresses = () => new Set(Deno.networkInterfaces().map(({ address }) => canonical(address)));

/** An address in one form, whoever has written it; those of IPv6 in brackets. */
export function canonical(address: string): string {
  const [plain = ""] = address.split("%");
  return plain.includes(":") ? new URL(`http://[${plain}]/`).hostname : plain;
}

function textOf(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => address[2 * index]! * 256 + address[2 * index + 1]!);
  return canonical(groups.map((group) => group.toString(16)).join(":"));
}
