/** Ports of the host that lead into containers, for lists. */
import { endpointsOf } from "../network/endpoints.ts";
import { networksWithPorts } from "../network/forwards.ts";
import type { Endpoint } from "../network/network.ts";
import { portOf } from "../network/published.ts";
import type { PublishedPort } from "../network/ports.ts";
import type { Database } from "../state/database.ts";
import { isRootless } from "../state/user_namespace.ts";
import { type ContainerRecord, isRunning } from "./records.ts";

/** The ports of containers that run, by the containers' ids. */
function publishedPorts(database: Database): Map<string, PublishedPort[]> {
  const ports = new Map<string, PublishedPort[]>();
  for (
    const row of database.all<{ container: string } & Parameters<typeof portOf>[0]>(
      "SELECT * FROM published_ports ORDER BY container_port, protocol, ip",
    )
  ) {
    const own = ports.get(row.container) ?? [];
    own.push(portOf(row));
    ports.set(row.container, own);
  }
  return ports;
}

/** Those that lead to a container, wherever it is. */
function leading(ports: readonly PublishedPort[], endpoints: readonly Endpoint[]): PublishedPort[] {
  return ports.filter((port) => networksWithPorts([port], endpoints).length > 0);
}

/** What knows the ports of each container, while it runs. */
export function portsIn(database: Database): (record: ContainerRecord) => readonly PublishedPort[] {
  const ports = publishedPorts(database);
  return (record) => {
    // an ordinary user's are chosen once, and kept with the container
    if (isRootless()) return isRunning(record) ? record.config.options.ports ?? [] : [];
    const own = ports.get(record.id);
    return own === undefined ? [] : leading(own, endpointsOf(database, record.id));
  };
}
