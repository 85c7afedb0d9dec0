/** Which ports of the host lead into a network's containers. */
import type { Forward } from "../plan/step.ts";
import type { Endpoint } from "./network.ts";
import type { PublishedPort } from "./ports.ts";
import { formatAddress } from "./subnet.ts";

/** The networks through which ports of the host lead to a container. */
export function networksWithPorts(
  ports: readonly PublishedPort[],
  endpoints: readonly Endpoint[],
): string[] {
  return endpoints.map(({ network }) => network.name)
    .filter((name) => forwardsInto(name, ports, endpoints).length > 0);
}

/**
 * Where the ports of a container lead to: to its place in the first network that leads elsewhere; what comes by IPv6, to the first of
 * these that has it.
 * @returns those that are of one network
 */
export function forwardsInto(
  network: string,
  ports: readonly PublishedPort[],
  endpoints: readonly Endpoint[],
): Forward[] {
  const reachable = endpoints.filter((one) => !one.network.internal && one.network.driver === "bridge");
  const four = reachable[0];
  const six = reachable.find(({ address6 }) => address6 !== undefined);
  return ports.flatMap(({ ip, hostPort, containerPort, protocol }) => {
    const lead = (address: string): Forward => ({ protocol, hostIp: ip, hostPort, address, containerPort });
    const isSix = ip.includes(":");
    return [
      ...(four?.network.name === network && !isSix ? [lead(formatAddress(four.address))] : []),
      ...(six?.network.name === network && (isSix || ip === "") ? [lead(six.address6!)] : []),
    ];
  });
}
