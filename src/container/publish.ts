/** Ports of the host that lead into containers: taken with the container's start, given back with its end. */
import { ImageError, UsageError } from "../errors.ts";
import { log } from "../log.ts";
import { portOf } from "../network/published.ts";
import { HeldPorts } from "../network/held_ports.ts";
import type { Endpoint } from "../network/network.ts";
import { LAST_PORT, overlapOnHost, PROTOCOLS, type PublishedPort } from "../network/ports.ts";
import type { Database } from "../state/database.ts";
import type { RunOptions } from "./options.ts";

/**
 * Takes a container's ports, also if only a network that it comes to later leads to them. Must run inside the transaction that writes down what is to be undone.
 * @param exposed `80/tcp`: those of its image
 * @param endpoints its places
 * @throws {TakenError} in docker's words, when somebody has one
 */
export function takePorts(
  database: Database,
  container: string,
  { ports = [], publishAll, exposed: more }: RunOptions,
  exposed: readonly string[],
  endpoints: readonly Endpoint[],
): HeldPorts {
  const held = new HeldPorts();
  const reachable = endpoints.filter(({ network }) => !network.internal && network.driver === "bridge");
  const [way] = endpoints.filter(({ network }) => !network.internal);
  if (reachable.length === 0) {
    log.warn("no port is published: none of the container's networks leads to the host's ports");
  } else if (way !== reachable[0]) {
    const [leading, leaving] = [reachable[0]!.network.name, way!.network.name];
    log.warn(
      `ports lead into network ${leading}, but the container's way out is network ${leaving}: ` +
        `only this host gets answers; give --network ${leading} first`,
    );
  }
  // a network that it comes to later may have it
  const six = reachable.length === 0 || reachable.some(({ address6 }) => address6 !== undefined);
  const implied = publishAll === true ? impliedPorts([...exposed, ...more], ports) : [];
  try {
    for (const wanted of [...ports, ...implied]) {
      if (wanted.ip.includes(":") && !six) {
        throw new UsageError({
          what: `cannot publish [${wanted.ip}]:${wanted.hostPort}`,
          why: "the container has no IPv6 address",
          hint: "connect it to a network that was made with --ipv6",
        });
      }
      const { ip, hostPort, containerPort, protocol } = held.hold(
        wanted,
        (port) => isTaken(database, port),
        six,
      );
      database.run(
        "INSERT INTO published_ports (container, protocol, ip, host_port, container_port) VALUES (?, ?, ?, ?, ?)",
        container,
        protocol,
        ip,
        hostPort,
        containerPort,
      );
    }
  } catch (error) {
    held.release();
    throw error;
  }
  return held;
}

/** A free port of the host for each that is exposed, and not published already. */
function impliedPorts(exposed: readonly string[], published: readonly PublishedPort[]): PublishedPort[] {
  return [...new Set(exposed)].flatMap((text) => {
    // an image may say anything
    const [, port = "", kind = "tcp"] = /^(\d{1,5})(?:\/([a-z]+))?$/.exec(text) ?? [];
    const containerPort = Number(port);
    const protocol = PROTOCOLS.find((one) => one === kind);
    if (protocol === undefined || containerPort < 1 || containerPort > LAST_PORT) {
      throw new ImageError({
        what: "cannot publish all ports that are exposed",
        why: `the image exposes ${JSON.stringify(text)}, which is no port`,
        hint: "publish those that you need: --publish PORT",
      });
    }
    const isPublished = published.some((one) =>
      one.containerPort === containerPort && one.protocol === protocol
    );
    return isPublished ? [] : [{ ip: "", hostPort: 0, containerPort, protocol }];
  });
}

function isTaken(database: Database, port: PublishedPort): boolean {
  const rows = database.all<Parameters<typeof portOf>[0]>(
    "SELECT * FROM published_ports WHERE protocol = ? AND host_port = ?",
    port.protocol,
    port.hostPort,
  );
  return rows.some((row) => overlapOnHost(portOf(row), port));
}
