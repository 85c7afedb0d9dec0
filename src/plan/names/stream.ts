/**
 * The part of the name server that answers by TCP (RFC 7766): for clients that got a truncated answer by UDP, or want nothing else. Each
 * connection has a process of its own, which waits as it must without keeping others waiting, and ends with the connection.
 */
import {
  ITIMER_REAL,
  MSG_NOSIGNAL,
  MSG_WAITALL,
  O_CLOEXEC,
  PR_SET_PDEATHSIG,
  SIGNALS,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
  WNOHANG,
} from "../../../ffi/constants.ts";
import { Label } from "../../../ffi/standalone.ts";
import { type Argument, Word } from "../../../ffi/table.ts";
import { NAME_SERVER_FDS as FDS, SERVER_SIZE } from "./layout.ts";
import { type Exits, MAY_FAIL, type Memory } from "./memory.ts";
import { type Servers, SOCKADDR_IN6_SIZE } from "./servers.ts";

/** How many connections there can be. One more is closed at once. */
const MOST = 8;

/** How long a server may take, and how long a connection may last, in seconds. The client's part is in start.ts. */
const PATIENCE = 10;
const LONGEST = 120;

/** struct timeval (setsockopt(2), SO_RCVTIMEO) */
const TIMEVAL_SIZE = 16;

/** struct signalfd_siginfo (signalfd(2)) */
const SIGINFO_SIZE = 128;

export class Stream {
  /** 1 in a process that serves a connection, whose descriptor that is. */
  readonly isOne: Word;
  readonly #connection: Word;
  readonly #connections: Word;
  readonly #siginfo: number;
  /** struct timeval, and struct itimerval */
  readonly #patience: number;
  readonly #longest: number;
  readonly #offset: Word;
  readonly #expected: Word;
  readonly #request = new Label();
  /** The end of a connection. */
  readonly end = new Label();

  constructor(readonly memory: Memory, readonly servers: Servers) {
    const { program } = memory;
    this.isOne = program.word(0);
    this.#connection = program.word(0);
    this.#connections = program.word(0);
    this.#siginfo = program.words(...Array(SIGINFO_SIZE / 8).fill(0));
    this.#patience = program.words(PATIENCE, 0);
    this.#longest = program.words(0, 0, LONGEST, 0);
    this.#offset = program.word(0);
    this.#expected = program.word(0);
  }

  /** Takes the ends of processes: one signal may stand for several. */
  reap(): void {
    const { program } = this.memory;
    const [next, none] = [new Label(), new Label()];
    program.call("read", [FDS.children, this.#siginfo, SIGINFO_SIZE], MAY_FAIL);
    program.place(next);
    const ended = program.call("wait4", [-1, 0, WNOHANG, 0], MAY_FAIL);
    program.jumpIfLess(ended, 1, none);
    program.add(this.#connections, -1);
    program.jump(next);
    program.place(none);
  }

  /**
   * Takes a connection.
   * @param question where a message goes on that has come by one
   */
  accept({ ignore }: Exits, question: Label): void {
    const { program } = this.memory;
    const [hasPlace, isChild] = [new Label(), new Label()];
    const accepted = program.call("accept4", [FDS.tcp, 0, 0, O_CLOEXEC], MAY_FAIL);
    program.jumpIfLess(accepted, 0, ignore);
    program.store(this.#connection, accepted);
    program.jumpIfLess(this.#connections, MOST, hasPlace);
    program.call("close", [accepted]);
    program.jump(ignore);
    program.place(hasPlace);
    const child = program.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], MAY_FAIL);
    program.jumpIfEqual(child, 0, isChild);
    program.call("close", [accepted]);
    program.jumpIfLess(child, 0, ignore);
    program.add(this.#connections, 1);
    program.jump(ignore);

    program.place(isChild);
    program.store(this.isOne, 1);
    program.call("prctl", [PR_SET_PDEATHSIG, SIGNALS.SIGKILL, 0, 0, 0]);
    program.call("setitimer", [ITIMER_REAL, this.#longest, 0]);
    program.place(this.#request);
    this.#receive(this.#connection, this.end);
    program.jump(question);
    program.place(this.end);
    program.call("exit_group", [0]);
  }

  /** A message with its length before it. */
  #receive(socket: Argument, failed: Label): void {
    const { program, message, length } = this.memory;
    const [hasLength, hasAll] = [new Label(), new Label()];
    const first = program.call("recvfrom", [socket, message - 2, 2, MSG_WAITALL, 0], MAY_FAIL);
    program.jumpIfEqual(first, 2, hasLength);
    program.jump(failed);
    program.place(hasLength);
    program.store(length, 0);
    program.copy(length.address, message - 1, 1);
    program.copy(length.address + 1, message - 2, 1);
    program.jumpIfEqual(length, 0, failed); // nothing would be waited for
    const rest = program.call("recvfrom", [socket, message, length, MSG_WAITALL, 0], MAY_FAIL);
    program.jumpIfEqual(rest, length, hasAll);
    program.jump(failed);
    program.place(hasAll);
  }

  #send(socket: Argument, failed: Label): void {
    const { program, message, length } = this.memory;
    const isSent = new Label();
    program.copy(message - 1, length.address, 1);
    program.copy(message - 2, length.address + 1, 1);
    program.store(this.#expected, length);
    program.add(this.#expected, 2);
    const sent = program.call("sendto", [socket, message - 2, this.#expected, MSG_NOSIGNAL, 0], MAY_FAIL);
    program.jumpIfEqual(sent, this.#expected, isSent);
    program.jump(failed);
    program.place(isSent);
  }

  /** Passes the message on to the first server that takes it, and waits for its answer. */
  ask({ deliver, failed }: Exits): void {
    const { program } = this.memory;
    const [next, closesFirst] = [new Label(), new Label()];
    program.store(this.#offset, 0);
    program.place(next);
    this.servers.take(this.#offset, failed);
    program.add(this.#offset, SERVER_SIZE);
    const socket = program.call("socket", [this.servers.family, SOCK_STREAM | SOCK_CLOEXEC, 0], MAY_FAIL);
    program.jumpIfLess(socket, 0, next);
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) {
      program.call("setsockopt", [socket, SOL_SOCKET, option, this.#patience, TIMEVAL_SIZE], MAY_FAIL);
    }
    const connected = program.call("connect", [socket, this.servers.address, SOCKADDR_IN6_SIZE], MAY_FAIL);
    program.jumpIfLess(connected, 0, closesFirst);
    this.#send(socket, closesFirst);
    this.#receive(socket, this.end);
    program.call("close", [socket]);
    program.jump(deliver);
    program.place(closesFirst);
    program.call("close", [socket]);
    program.jump(next);
  }

  /** Sends the message back, and waits for the next. */
  respond(): void {
    const { program } = this.memory;
    this.#send(this.#connection, this.end);
    program.jump(this.#request);
  }
}
