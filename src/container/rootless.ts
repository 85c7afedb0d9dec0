/** What an ordinary user's container cannot have, and what is chosen for it. Loaded for ordinary users only. */
import { HostError } from "../errors.ts";
import type { PublishedPort } from "../network/ports.ts";
import type { RunOptions } from "./options.ts";

/**
 * The options as they can be carried out.
 * @throws {HostError} when no port is free
 */
export function withPossibleForUser(options: RunOptions): RunOptions {
  const ports = options.ports?.map((port) => port.hostPort === 0 ? withFreePort(port) : port);
  return { ...options, ...(ports === undefined ? {} : { ports }) };
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
