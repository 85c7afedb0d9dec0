/**
 * Starts a container's name server (server.ts): its sockets are made in the container's network namespace, and it gets nothing but them,
 * the container's folder and the container's end. What it sees of the file system is the folder with all zones. So that the container can
 * have a server of its own on port 53, the sockets have other ports, and the kernel leads there what is sent to 127.0.0.11
 * (ffi/socket_lookup.ts). Where the kernel cannot, they have port 53 themselves.
 */
import {
  AF_INET,
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWNET,
  F_DUPFD,
  IP_FREEBIND,
  IPPROTO_RAW,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  PR_SET_NO_NEW_PRIVS,
  SIG_SETMASK,
  SIGNALS,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_SNDTIMEO,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_IP,
  SOL_SOCKET,
} from "../../../ffi/constants.ts";
import { Arena } from "../../../ffi/arena.ts";
import { ANY_ERRNO, describeErrno, SystemCallError } from "../../../ffi/errno.ts";
import { cloneBriefly, makePipe, STACK_SIZE, waitForExit, walkElsewhere } from "../../../ffi/process.ts";
import { steerToSockets } from "../../../ffi/socket_lookup.ts";
import { executableInMemory } from "../../../ffi/standalone.ts";
import { type Argument, CallTable, libcCall } from "../../../ffi/table.ts";
import { HostError } from "../../errors.ts";
import { log } from "../../log.ts";
import { identify, type ProcessIdentity } from "../../state/process_identity.ts";
import type { HostStep } from "../step.ts";
import { nameServer } from "./built.ts";
import { DNS_PORT, NAME_SERVER_ADDRESS, NAME_SERVER_FDS as FDS } from "./layout.ts";

type Step = Pick<Extract<HostStep, { do: "serve-names" }>, "root" | "folder" | "asksFrom" | "user">;

/** Connections that may wait to be taken. */
const BACKLOG = 16;

const PROGRAM_FD = Math.max(...Object.values(FDS)) + 1;
const LAST_FD = 0xffffffff;
/** sigset_t of the kernel, in bytes. */
const SIGNAL_SET_SIZE = 8;

/** How long a client may take to send the rest of a question, or the next, and to take an answer: struct timeval, ten seconds. */
const PATIENCE = [10, 0];

interface Sockets {
  readonly udp: number;
  readonly tcp: number;
  /** Undefined where the first two have the port that is asked. */
  readonly raw: number | undefined;
  readonly steering: number | undefined;
}

/**
 * Starts the name server of a container that has started, or is about to.
 * @param container a process of it, its pid and a descriptor of it (pidfd_open(2)): with it, the server ends
 * @param record told of the server, which is to be ended
 * @returns once it listens
 * @throws {HostError} when it does not start
 */
export async function serveNames(
  step: Step,
  container: { readonly pid: number; readonly pidfd: number },
  record: (started: ProcessIdentity) => void,
): Promise<void> {
  const ready = makePipe();
  const opened = [ready.reader, ready.writer];
  const keep = (fd: number) => {
    opened.push(fd);
    return fd;
  };
  const arena = new Arena(STACK_SIZE + 64 * 1024);
  try {
    const root = keep(libcCall("openat", AT_FDCWD, step.root, O_PATH | O_DIRECTORY | O_CLOEXEC));
    const folder = keep(libcCall("openat", root, step.folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    const network = keep(libcCall("openat", AT_FDCWD, `/proc/${container.pid}/ns/net`, O_RDONLY | O_CLOEXEC));
    libcCall("pidfd_send_signal", container.pidfd, 0, 0, 0); // if it has ended, the pid, and the namespace, may be somebody else's
    const { udp, tcp, raw, steering } = await makeSockets(network, keep);
    const setup = { isSteered: raw !== undefined, user: step.user };
    const program = keep(executableInMemory("dhow-names", await nameServer(setup)));
    const table = new CallTable(arena, 48);
    table.call("setsid", []);
    if (step.asksFrom === "container") table.call("setns", [network, CLONE_NEWNET]);
    table.call("fchdir", [root]);
    table.call("chroot", ["."]);
    const signals = arena.words([2 ** (SIGNALS.SIGCHLD - 1)]);
    const children = table.call("signalfd4", [-1, signals, SIGNAL_SET_SIZE, O_CLOEXEC]);
    const sources = {
      container: container.pidfd,
      ready: ready.writer,
      folder,
      udp,
      tcp,
      raw,
      children,
      steering,
    };
    const gather = (fd: Argument) => table.call("fcntl", [fd, F_DUPFD, PROGRAM_FD + 1]);
    const own = gather(program);
    const gathered = Object.entries(sources).map(([name, fd]) =>
      [name as keyof typeof FDS, fd === undefined ? undefined : gather(fd)] as const
    );
    // what it does not have is closed
    table.call("close_range", [0, PROGRAM_FD, 0]);
    for (const [name, fd] of gathered) if (fd !== undefined) table.call("dup3", [fd, FDS[name], 0]);
    table.call("dup3", [own, PROGRAM_FD, O_CLOEXEC]);
    table.call("close_range", [PROGRAM_FD + 1, LAST_FD, 0]);
    table.call("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
    table.call("rt_sigprocmask", [SIG_SETMASK, signals, 0, SIGNAL_SET_SIZE]);
    const argv = arena.strings(["dhow-names", step.folder]);
    table.call("execveat", [PROGRAM_FD, "", argv, arena.strings([]), AT_EMPTY_PATH]);
    const pid = cloneBriefly(table);
    record(identify(pid));
    libcCall("close", opened.splice(opened.indexOf(ready.writer), 1)[0]!);
    if (table.failure !== undefined) {
      await waitForExit(pid);
      throw new SystemCallError(table.failure.name, table.failure.errno);
    }
    const listening = new CallTable(arena, 1);
    const said = listening.call("read", [ready.reader, arena.allocate(1), 1]);
    await listening.runBlocking();
    if (said.result !== 1) throw new Error("it has ended by itself");
  } catch (error) {
    const why = error instanceof SystemCallError
      ? `${describeErrno(error.errno)} in ${error.call}`
      : (error as Error).message;
    throw new HostError({ what: "cannot start the container's name server", why, cause: error });
  } finally {
    for (const fd of opened) libcCall("close", fd);
    arena.release();
  }
}

/** Makes the sockets in a network namespace, by a descriptor of it. */
async function makeSockets(network: number, keep: (fd: number) => number): Promise<Sockets> {
  const { udp, tcp, raw } = await socketsIn(network, 0, keep);
  try {
    if (typeof raw !== "number") throw raw;
    const steered = { address: NAME_SERVER_ADDRESS, port: DNS_PORT, udp, tcp };
    return { udp, tcp, raw, steering: keep(steerToSockets(network, steered)) };
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const address = NAME_SERVER_ADDRESS.join(".");
    log.debug(
      `the container's name server takes port ${DNS_PORT} of ${address} itself: ${error.message}`,
    );
    const direct = await socketsIn(network, DNS_PORT, keep);
    return { udp: direct.udp, tcp: direct.tcp, raw: undefined, steering: undefined };
  }
}

/**
 * What comes of making sockets that are bound to a port of the server's address, also where the container's loopback is not up yet. A child
 * makes them, which shares this process's descriptors: this process itself stays where it is, as others count on (`netns` of ip-link(8)).
 * @returns them; the third may have failed
 */
async function socketsIn(
  network: number,
  port: number,
  keep: (fd: number) => number,
): Promise<{ udp: number; tcp: number; raw: number | SystemCallError }> {
  const arena = new Arena(STACK_SIZE + 16 * 1024);
  try {
    const table = new CallTable(arena, 16);
    table.call("setns", [network, CLONE_NEWNET]);
    const one = arena.integers([1]);
    const port16 = [port >> 8, port & 0xff];
    const address = Uint8Array.of(AF_INET, 0, ...port16, ...NAME_SERVER_ADDRESS, 0, 0, 0, 0, 0, 0, 0, 0);
    const make = (type: number) => {
      const socket = table.call("socket", [AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0]);
      table.call("setsockopt", [socket, SOL_IP, IP_FREEBIND, one, 4]);
      table.call("setsockopt", [socket, SOL_SOCKET, SO_REUSEADDR, one, 4]);
      table.call("bind", [socket, arena.data(address), address.length]);
      return socket;
    };
    const [udp, tcp] = [make(SOCK_DGRAM), make(SOCK_STREAM)];
    // connections inherit how long they wait
    const patience = arena.words(PATIENCE);
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) {
      table.call("setsockopt", [tcp, SOL_SOCKET, option, patience, 16]);
    }
    table.call("listen", [tcp, BACKLOG]);
    const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    const raw = table.call("socket", [AF_INET, type, IPPROTO_RAW], { tolerate: ANY_ERRNO });
    try {
      await walkElsewhere(table, CLONE_FILES);
    } finally {
      for (const { result } of [udp, tcp, raw]) if (result > 0) keep(result);
    }
    return {
      udp: udp.result,
      tcp: tcp.result,
      raw: raw.result < 0 ? new SystemCallError(raw.name, raw.errno) : raw.result,
    };
  } finally {
    arena.release();
  }
}
