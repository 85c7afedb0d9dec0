/**
 * Ports of the host that lead to a container. What comes there never reaches a socket, since the kernel sends it on before; but a socket
 * that is bound to the port keeps other programs, and other containers, from taking it for themselves, and tells when somebody has it
 * already. So each published port has one, which lives as long as the container: in its monitor, or in the dhow that waits for it.
 */
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import {
  describeErrno,
  EADDRINUSE,
  EAFNOSUPPORT,
  EMFILE,
  EPROTONOSUPPORT,
  SystemCallError,
} from "../../ffi/errno.ts";
import { libcCall } from "../../ffi/table.ts";
import { HostError, TakenError } from "../errors.ts";
import { type PublishedPort, shownAddress } from "./ports.ts";
import { parseAddress } from "./subnet.ts";
import { parseAddress6 } from "./subnet6.ts";

/** How many free ports of the kernel's choice are tried that turn out to be taken in the other family, or by another protocol's. */
const ATTEMPTS = 64;

const ADDRESS_SIZE = 28;

/** A socket of each family that a port is published in. */
export class HeldPorts {
  readonly sockets: number[] = [];
  /** With their numbers. */
  readonly ports: PublishedPort[] = [];

  /**
   * Binds a port, and adds it.
   * @param isTaken whether another container has a port; both of all addresses and of this one
   * @param six whether what comes by IPv6 can be sent on
   * @returns the port, with its number
   * @throws {TakenError} in docker's words, when somebody has it
   */
  hold(wanted: PublishedPort, isTaken: (port: PublishedPort) => boolean, six: boolean): PublishedPort {
    const port = this.#choose(wanted, isTaken, six);
    this.ports.push(port);
    return port;
  }

  #choose(wanted: PublishedPort, isTaken: (port: PublishedPort) => boolean, six: boolean): PublishedPort {
    const { lastHostPort, ...port } = wanted;
    if (port.hostPort === 0) return this.#holdAny(port, isTaken, six);
    for (let number = port.hostPort; number < (lastHostPort ?? number); number++) {
      const tried = { ...port, hostPort: number };
      if (!isTaken(tried) && this.#bind(tried, six) === undefined) return tried;
    }
    const last = { ...port, hostPort: lastHostPort ?? port.hostPort };
    if (isTaken(last)) throw taken(wanted, "port is already allocated: another container publishes it");
    const failure = this.#bind(last, six);
    if (failure !== undefined) {
      throw taken(wanted, "address already in use: a program of the host has the port");
    }
    return last;
  }

  #holdAny(port: PublishedPort, isTaken: (port: PublishedPort) => boolean, six: boolean): PublishedPort {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const hostPort = this.#freePort(port);
      const chosen = { ...port, hostPort };
      if (!isTaken(chosen) && this.#bind(chosen, six) === undefined) return chosen;
    }
    throw taken(port, "no free port was found");
  }

  /** The kernel's choice, for a moment (ip(7), ip_local_port_range). */
  #freePort({ protocol, ip }: PublishedPort): number {
    const family = ip.includes(":") ? AF_INET6 : AF_INET;
    const port: PublishedPort = { protocol, ip, hostPort: 0, containerPort: 0 };
    const own = open(family, port);
    // of a protocol that the kernel does not know nobody has a port: what TCP has free will do
    const socket = own === -EPROTONOSUPPORT ? open(family, { ...port, protocol: "tcp" }) : own;
    if (socket < 0) throw unusable(port, -socket);
    const arena = new Arena(4096);
    try {
      libcCall("bind", socket, addressOf(arena, family, ip, 0), ADDRESS_SIZE);
      const [found, size] = [arena.allocate(ADDRESS_SIZE), arena.allocate(8)];
      arena.setInt(size, ADDRESS_SIZE);
      libcCall("getsockname", socket, found, size);
      const at = found - arena.address;
      return arena.bytes[at + 2]! * 256 + arena.bytes[at + 3]!;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      throw unusable(port, error.errno, error);
    } finally {
      libcCall("close", socket);
      arena.release();
    }
  }

  /** @returns the error's number when somebody has it */
  #bind(port: PublishedPort, six: boolean): number | undefined {
    const opened: number[] = [];
    for (const family of familiesOf(port, six)) {
      const outcome = bind(port, family);
      if (outcome >= 0) opened.push(outcome);
      else if (-outcome === EADDRINUSE) {
        for (const socket of opened) libcCall("close", socket);
        return EADDRINUSE;
      }
    }
    this.sockets.push(...opened);
    return undefined;
  }

  /** Lets other programs have them. */
  release(): void {
    for (const socket of this.sockets) libcCall("close", socket);
    this.sockets.length = 0;
  }
}

/** @returns what the call returns; or the error's number, if it is one of these, as a negative one: tables cannot tell those of sockets apart */
function attempt(tolerated: readonly number[], ...call: Parameters<typeof libcCall>): number {
  try {
    return libcCall(...call);
  } catch (error) {
    if (error instanceof SystemCallError && tolerated.includes(error.errno)) return -error.errno;
    throw error;
  }
}

const typeOf = (protocol: PublishedPort["protocol"]) => protocol === "udp" ? SOCK_DGRAM : SOCK_STREAM;
const protocolNumber = (protocol: PublishedPort["protocol"]) => protocol === "sctp" ? IPPROTO_SCTP : 0;

/**
 * @returns a socket; the error's number as a negative one where the kernel has no such family or protocol
 * @throws {HostError} when no descriptor is left
 */
function open(family: number, port: PublishedPort): number {
  const tolerated = [EAFNOSUPPORT, EPROTONOSUPPORT, EMFILE];
  const type = typeOf(port.protocol) | SOCK_CLOEXEC;
  const socket = attempt(tolerated, "socket", family, type, protocolNumber(port.protocol));
  if (socket === -EMFILE) throw tooMany(port);
  return socket;
}

function familiesOf({ ip }: PublishedPort, six: boolean): number[] {
  if (ip === "") return six ? [AF_INET, AF_INET6] : [AF_INET];
  return [ip.includes(":") ? AF_INET6 : AF_INET];
}

/** @returns the socket, or the error's number as a negative one: EADDRINUSE, or what says that there is no such family or protocol here */
function bind(port: PublishedPort, family: number): number {
  const { ip, hostPort, protocol } = port;
  const socket = open(family, port);
  if (socket < 0) return socket;
  const arena = new Arena(4096);
  try {
    const address = addressOf(arena, family, ip, hostPort);
    const on = arena.integers([1]);
    if (family === AF_INET6) libcCall("setsockopt", socket, IPPROTO_IPV6, IPV6_V6ONLY, on, 4);
    let outcome = attempt([EADDRINUSE], "bind", socket, address, ADDRESS_SIZE);
    if (outcome < 0 && protocol === "tcp" && canListen(family, address)) {
      // all that has it are ends of connections that are over (TIME_WAIT, tcp(7))
      libcCall("setsockopt", socket, SOL_SOCKET, SO_REUSEADDR, on, 4);
      outcome = attempt([EADDRINUSE], "bind", socket, address, ADDRESS_SIZE);
    }
    if (outcome >= 0) return socket;
    libcCall("close", socket);
    return outcome;
  } catch (error) {
    libcCall("close", socket);
    if (!(error instanceof SystemCallError)) throw error;
    throw unusable(port, error.errno, error);
  } finally {
    arena.release();
  }
}

/** Whether a program could serve there. */
function canListen(family: number, address: number): boolean {
  const socket = libcCall("socket", family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const arena = new Arena(4096);
  try {
    const on = arena.integers([1]);
    libcCall("setsockopt", socket, SOL_SOCKET, SO_REUSEADDR, on, 4);
    if (family === AF_INET6) libcCall("setsockopt", socket, IPPROTO_IPV6, IPV6_V6ONLY, on, 4);
    return attempt([EADDRINUSE], "bind", socket, address, ADDRESS_SIZE) >= 0 &&
      attempt([EADDRINUSE], "listen", socket, 1) >= 0;
  } finally {
    libcCall("close", socket);
    arena.release();
  }
}

/** A struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)); an empty address stands for all. */
function addressOf(arena: Arena, family: number, ip: string, port: number): number {
  const bytes = new Uint8Array(ADDRESS_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port);
  if (family === AF_INET) view.setUint32(4, ip === "" ? 0 : parseAddress(ip)!);
  else {
    const address = ip === "" ? 0n : parseAddress6(ip)!;
    view.setBigUint64(8, address >> 64n);
    view.setBigUint64(16, address & 0xffffffffffffffffn);
  }
  return arena.data(bytes);
}

function taken(port: PublishedPort, why: string): TakenError {
  const range = port.lastHostPort === undefined ? "" : `-${port.lastHostPort}`;
  return new TakenError({
    what: `Bind for ${shownAddress(port.ip)}:${port.hostPort}${range}/${port.protocol} failed`,
    why,
    hint: "choose another port, or leave it out to get a free one: --publish PORT",
  });
}

function tooMany({ ip, hostPort, protocol }: PublishedPort): HostError {
  return new HostError({
    what: `cannot publish ${shownAddress(ip)}:${hostPort}/${protocol}`,
    why: describeErrno(EMFILE),
    hint:
      "each port takes a descriptor, two with IPv6: publish fewer, or allow more of them: ulimit -n NUMBER",
  });
}

function unusable({ ip, hostPort, protocol }: PublishedPort, errno: number, cause?: unknown): HostError {
  return new HostError({
    what: `cannot publish ${shownAddress(ip)}:${hostPort}/${protocol}`,
    why: describeErrno(errno),
    hint: "the address must be one of the host's",
    cause,
  });
}
