/** Which ports of the host lead into a network's containers. */
import type { Forward } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { endpointsOf } from "./endpoints.ts";
import type { Endpoint } from "./network.ts";
import type { PublishedPort } from "./ports.ts";
import { formatAddress } from "./subnet.ts";

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

/** Those of all containers that are in a network, or about to be. */
export function forwardsOf(database: Database, network: string): Forward[] {
  const rows = database.all<{ container: string } & PublishedRow>(
    `SELECT published_ports.* FROM published_ports JOIN endpoints USING (container) WHERE network = ?
      ORDER BY container, protocol, host_port, ip`,
    network,
  );
  const containers = [...new Set(rows.map(({ container }) => container))];
  return containers.flatMap((container) => {
    const ports = rows.filter((row) => row.container === container).map(portOf);
    return forwardsInto(network, ports, endpointsOf(database, container));
  });
}

interface PublishedRow {
  readonly protocol: PublishedPort["protocol"];
  readonly ip: string;
  readonly host_port: number;
  readonly container_port: number;
}

export const portOf = ({ protocol, ip, host_port, container_port }: PublishedRow): PublishedPort => ({
  protocol,
  ip,
  hostPort: host_port,
  containerPort: container_port,
});
