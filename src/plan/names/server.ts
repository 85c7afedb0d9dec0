/**
 * What answers a container's questions for names: a standalone program (ffi/standalone.ts), because it stays as long as the container
 * does, and should cost no memory. Names of the container's networks it finds in folders, where dhow writes them (layout.ts): so it need
 * not be told of containers that come and go. For all others it asks the servers that the container's folder names.
 *
 * It trusts neither the container nor those servers. It has no powers but its descriptors (start.ts), and does one thing at a time: after
 * each it waits anew, and looks first for the container's end. For a connection by TCP it makes a process (stream.ts).
 */
import { MSG_DONTWAIT, PR_SET_NAME } from "../../../ffi/constants.ts";
import { Label, StandaloneProgram } from "../../../ffi/standalone.ts";
import { Word } from "../../../ffi/table.ts";
import { CLOSED, HAS_COME, IS_BROKEN, waitFor } from "../pollfd.ts";
import type { Owner } from "../step.ts";
import { NAME_SERVER_FDS as FDS } from "./layout.ts";
import {
  CODES,
  type Exits,
  FLAGS,
  HEADER,
  LARGEST_MESSAGE,
  MAY_FAIL,
  Memory,
  RECURSION_AVAILABLE,
  SOCKADDR,
} from "./memory.ts";
import { Question } from "./question.ts";
import { Reply } from "./reply.ts";
import { Servers } from "./servers.ts";
import { Stream } from "./stream.ts";
import { MOST_PENDING, Upstream } from "./upstream.ts";

export interface NameServerSetup {
  /** Whether its sockets have another port than the one that is asked (reply.ts). */
  readonly isSteered: boolean;
  /** Who it becomes. Undefined to stay who starts it. */
  readonly user: Owner | undefined;
}

const MOST_CALLS = 356;

/** @param arch the CPU that it is for; this one by default */
export function nameServerProgram(setup: NameServerSetup, arch?: string): Uint8Array<ArrayBuffer> {
  return new NameServerBuilder(setup, arch).build();
}

class NameServerBuilder {
  readonly #program: StandaloneProgram;
  readonly #memory: Memory;
  /** struct pollfd for each. */
  readonly #container: Word;
  readonly #children: Word;
  readonly #udp: Word;
  readonly #tcp: Word;
  readonly #name: number;
  /** What takes the place of one of them that is not polled any more. */
  readonly #closed: number;
  /** struct iovec and struct msghdr (recvmsg(2)) */
  readonly #piece: number;
  readonly #header: number;
  readonly #reply: Reply;
  readonly #question: Question;
  readonly #upstream: Upstream;
  readonly #stream: Stream;

  constructor(readonly setup: NameServerSetup, arch?: string) {
    const program = new StandaloneProgram(MOST_CALLS, 8192 + Memory.size + Upstream.size, arch);
    const memory = new Memory(program);
    this.#program = program;
    this.#memory = memory;
    const polled = program.words(
      ...[waitFor(FDS.container), waitFor(FDS.children), waitFor(FDS.udp), waitFor(FDS.tcp)],
      ...Array(MOST_PENDING).fill(CLOSED),
    );
    [this.#container, this.#children, this.#udp, this.#tcp] = [0, 8, 16, 24].map((at) =>
      new Word(polled + at)
    ) as [Word, Word, Word, Word];
    this.#name = program.text("dhow-names");
    this.#closed = program.words(CLOSED);
    this.#piece = program.words(0, LARGEST_MESSAGE);
    this.#header = program.words(memory.client, SOCKADDR.size, this.#piece, 1, 0, 0, 0);
    const servers = new Servers(memory);
    this.#reply = new Reply(memory, setup.isSteered);
    this.#question = new Question(memory);
    this.#upstream = new Upstream(memory, servers, polled + 32);
    this.#stream = new Stream(memory, servers);
    memory.allocate();
    this.#upstream.allocate();
  }

  build(): Uint8Array<ArrayBuffer> {
    const program = this.#program;
    const { message, length } = this.#memory;
    const loop = new Label();
    const exits: Exits = { respond: new Label(), failed: new Label(), deliver: new Label(), ignore: loop };
    const [question, forward, asking] = [new Label(), new Label(), new Label()];
    this.#begin();

    program.place(loop);
    const woken = program.call("ppoll", [this.#container.address, 4 + MOST_PENDING, 0, 0, 0], MAY_FAIL);
    program.jumpIfLess(woken, 1, loop);
    this.#whenCome(this.#container, () => program.call("exit_group", [0]));
    this.#whenCome(this.#children, () => this.#stream.reap());
    this.#upstream.attend(exits, asking);
    this.#whenCome(this.#udp, () => {
      const size = program.call("recvmsg", [FDS.udp, this.#header, MSG_DONTWAIT], MAY_FAIL);
      program.store(length, size);
      program.jump(question);
    });
    program.jumpIfLess(this.#tcp, HAS_COME, loop);
    const isListening = new Label();
    program.jumpIfLess(this.#tcp, IS_BROKEN, isListening);
    // CAP_NET_ADMIN in the container may end a socket that listens (sock_diag(7), SOCK_DESTROY): it would be told of for ever
    program.copy(this.#tcp.address, this.#closed, 8);
    program.jump(loop);
    program.place(isListening);
    this.#stream.accept(exits, question);

    const ignore = new Label();
    program.place(ignore);
    program.jumpIfEqual(this.#stream.isOne, 0, loop);
    program.jump(this.#stream.end);
    program.place(question);
    this.#question.answer({ ...exits, ignore }, forward);

    const [streamAsks, streamResponds] = [new Label(), new Label()];
    program.place(forward);
    program.jumpIfEqual(this.#stream.isOne, 1, streamAsks);
    this.#upstream.ask(exits, asking);
    program.place(streamAsks);
    this.#stream.ask(exits);

    program.place(exits.failed);
    program.store(this.#memory.code, RECURSION_AVAILABLE + CODES.serverFailure);
    program.place(exits.respond);
    this.#setFlags(message);
    program.place(exits.deliver);
    program.jumpIfEqual(this.#stream.isOne, 1, streamResponds);
    this.#reply.send();
    program.jump(loop);
    program.place(streamResponds);
    this.#stream.respond();
    return program.build();
  }

  #begin() {
    const program = this.#program;
    const { user } = this.setup;
    program.call("prctl", [PR_SET_NAME, this.#name, 0, 0, 0]);
    if (user !== undefined) {
      program.call("setgroups", [0, 0]);
      program.call("setresgid", [user.gid, user.gid, user.gid]);
      program.call("setresuid", [user.uid, user.uid, user.uid]);
    }
    program.store(this.#piece, this.#memory.message);
    this.#reply.begin();
    this.#upstream.begin();
    program.call("write", [FDS.ready, this.#name, 1]);
    program.call("close", [FDS.ready]);
  }

  #whenCome(polled: Word, work: () => void): void {
    const next = new Label();
    this.#program.jumpIfLess(polled, HAS_COME, next);
    work();
    this.#program.place(next);
  }

  /** A response has the operation of the query, and whether it wants recursion (RFC 1035, 4.1.1). */
  #setFlags(message: number): void {
    const { byte, code } = this.#memory;
    const program = this.#program;
    program.copy(byte.address, message + HEADER.flags, 1);
    program.and(byte, FLAGS.operation + FLAGS.recursionDesired);
    program.add(byte, FLAGS.response);
    program.copy(message + HEADER.flags, byte.address, 1);
    program.copy(message + HEADER.code, code.address, 1);
  }
}
