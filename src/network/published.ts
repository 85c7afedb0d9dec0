/** Ports of the host that lead to running containers, as the database keeps them. */
import type { Forward } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { reachableEndpointsOf } from "./endpoints.ts";
import { forwardsInto } from "./forwards.ts";
import type { PublishedPort } from "./ports.ts";

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
    return forwardsInto(network, ports, reachableEndpointsOf(database, container));
  });
}

/** Ports of the host that lead to a container, or are about to. */
export function portsOf(database: Database, container: string): PublishedPort[] {
  const rows = database.all<PublishedRow>("SELECT * FROM published_ports WHERE container = ?", container);
  return rows.map(portOf);
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
