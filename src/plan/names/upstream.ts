/**
 * The part of the name server that passes questions by UDP on to servers, and their answers back. Each question has a socket of its own,
 * which takes datagrams from that server only, with a port that nobody can guess. As with resolv.conf(5), a server is asked if those
 * before it could not be reached, or said that they had failed or would not answer; or if the client asks once more, because there was
 * no answer.
 */
import { MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "../../../ffi/constants.ts";
import { Label } from "../../../ffi/standalone.ts";
import { Word } from "../../../ffi/table.ts";
import { CLOSED, HAS_COME, waitFor } from "../pollfd.ts";
import { SERVER_SIZE } from "./layout.ts";
import {
  CODES,
  type Exits,
  FLAGS,
  HEADER,
  LARGEST_MESSAGE,
  MAY_FAIL,
  type Memory,
  NOTHING_OPEN,
  SOCKADDR,
} from "./memory.ts";
import { type Servers, SOCKADDR_IN6_SIZE } from "./servers.ts";

/** How many questions can be under way. One more takes the place of another, whose client has to ask again. */
export const MOST_PENDING = 64;

/**
 * What is known of a question under way: the id, and the port and address of who asks, as one word that is 0 for none; where in the file
 * its server is; how long it is; and the question itself. A longer one is asked only once: its length is 0.
 */
const PENDING = { key: 0, offset: 8, length: 16, question: 24, size: 256 };
const LONGEST_QUESTION = PENDING.size - PENDING.question;

export class Upstream {
  /** Of the question that is worked on. */
  readonly #current: number;
  readonly #key: Word;
  readonly #offset: Word;
  readonly #length: Word;
  /** Whether the servers may be gone through once more. */
  readonly #isAgain: Word;
  /** Places of the current one in both lists; and of the next that must make way. */
  readonly #pending: Word;
  readonly #polled: Word;
  readonly #nextPending: Word;
  readonly #nextPolled: Word;
  readonly #wanted: Word;
  readonly #word: Word;
  readonly #fd: Word;
  readonly #closed: number;
  #list = 0;

  /** @param polledList of what is polled, the part with the sockets */
  constructor(readonly memory: Memory, readonly servers: Servers, readonly polledList: number) {
    const { program } = memory;
    this.#current = program.words(...Array(PENDING.size / 8).fill(0));
    this.#key = new Word(this.#current + PENDING.key);
    this.#offset = new Word(this.#current + PENDING.offset);
    this.#length = new Word(this.#current + PENDING.length);
    const word = () => program.word(0);
    this.#isAgain = word();
    this.#pending = word();
    this.#polled = word();
    this.#nextPending = word();
    this.#nextPolled = word();
    this.#wanted = word();
    this.#word = word();
    this.#fd = word();
    this.#closed = program.words(CLOSED);
  }

  /** Bytes that `allocate` takes. */
  static readonly size = MOST_PENDING * PENDING.size + 4096;

  allocate(): void {
    this.#list = this.memory.program.buffer(MOST_PENDING * PENDING.size);
  }

  begin(): void {
    this.#toFirst(this.#nextPending, this.#nextPolled);
  }

  #toFirst(pending: Word, polled: Word): void {
    const { program } = this.memory;
    program.store(pending, this.#list);
    program.store(polled, this.polledList);
  }

  /** Goes on at a label if there is another one after it. */
  #toNext(pending: Word, polled: Word, isThere: Label): void {
    const { program } = this.memory;
    program.add(pending, PENDING.size);
    program.add(polled, 8);
    program.jumpIfLess(pending, this.#list + MOST_PENDING * PENDING.size, isThere);
  }

  #isFailure(code: number, exit: Label): void {
    this.memory.program.jumpIfEqual(this.memory.byte, code, exit);
  }

  /**
   * Takes an answer, if one has come.
   * @param asking what `ask` asks a server with
   */
  attend(exits: Exits, asking: Label): void {
    const { memory } = this;
    const { program, message, length, byte } = memory;
    const [look, hasCome, none] = [new Label(), new Label(), new Label()];
    this.#toFirst(this.#pending, this.#polled);
    program.place(look);
    program.copy(this.#word.address, this.#polled, 8);
    program.jumpIfLess(HAS_COME - 1, this.#word, hasCome);
    this.#toNext(this.#pending, this.#polled, look);
    program.jump(none);

    program.place(hasCome);
    const [received, isAnswer, failed] = [new Label(), new Label(), new Label()];
    program.copy(this.#current, this.#pending, PENDING.size);
    program.copy(memory.client + SOCKADDR.port, this.#current + SOCKADDR.port, 6);
    program.copy(this.#fd.address, this.#polled, 4);
    const size = program.call("read", [this.#fd, message, LARGEST_MESSAGE], MAY_FAIL);
    program.jumpIfLess(-1, size, received);
    program.jump(failed);
    program.place(received);
    program.store(length, size);
    // what is no answer to this question is not there
    program.jumpIfLess(length, HEADER.size, exits.ignore);
    program.store(this.#word, 0);
    program.copy(this.#word.address, message + HEADER.id, 2);
    program.store(this.#wanted, this.#key);
    program.and(this.#wanted, 0xffff);
    program.copy(byte.address, message + HEADER.flags, 1);
    program.jumpIfLess(byte, FLAGS.response, exits.ignore);
    const isOurs = new Label();
    program.jumpIfEqual(this.#word, this.#wanted, isOurs);
    program.jump(exits.ignore);
    program.place(isOurs);
    program.copy(byte.address, message + HEADER.code, 1);
    program.and(byte, 0xf);
    this.#isFailure(CODES.serverFailure, failed);
    this.#isFailure(CODES.refused, failed);
    program.place(isAnswer);
    this.#forget();
    program.jump(exits.deliver);

    program.place(failed);
    const canAsk = new Label();
    program.jumpIfLess(0, this.#length, canAsk);
    // what failed without a word, and cannot be asked again, is asked again by the client
    program.jumpIfLess(-1, size, isAnswer);
    this.#forget();
    program.jump(exits.ignore);
    program.place(canAsk);
    program.call("close", [this.#fd]);
    program.copy(message, this.#current + PENDING.question, LONGEST_QUESTION);
    program.store(length, this.#length);
    program.store(this.#isAgain, 0);
    program.add(this.#offset, SERVER_SIZE);
    program.jump(asking);
    program.place(none);
  }

  /** The question is not under way any more. */
  #forget(): void {
    const { program, zeros } = this.memory;
    program.call("close", [this.#fd], MAY_FAIL);
    program.copy(this.#polled, this.#closed, 8);
    program.copy(this.#pending, zeros, 8);
  }

  /**
   * Passes the message on.
   * @param asking is placed where a server is asked
   */
  ask(exits: Exits, asking: Label): void {
    const { memory } = this;
    const { program, message, length } = memory;
    this.#findPlace();
    program.store(this.#length, length);
    const isShort = new Label();
    program.jumpIfLess(length, LONGEST_QUESTION + 1, isShort);
    program.store(this.#length, 0);
    program.place(isShort);
    program.copy(this.#current + PENDING.question, message, LONGEST_QUESTION);

    const [next, closesFirst, none, givesUp] = [new Label(), new Label(), new Label(), new Label()];
    program.place(asking);
    this.servers.take(this.#offset, none);
    const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    const socket = program.call("socket", [this.servers.family, type, 0], MAY_FAIL);
    program.jumpIfLess(socket, 0, next);
    const connected = program.call("connect", [socket, this.servers.address, SOCKADDR_IN6_SIZE], MAY_FAIL);
    program.jumpIfLess(connected, 0, closesFirst);
    const sent = program.call("sendto", [socket, message, length, MSG_NOSIGNAL, 0], MAY_FAIL);
    program.jumpIfLess(sent, 0, closesFirst);
    program.store(this.#word, waitFor(0));
    program.add(this.#word, socket);
    program.copy(this.#polled, this.#word.address, 8);
    program.copy(this.#pending, this.#current, PENDING.size);
    program.jump(exits.ignore);

    program.place(closesFirst);
    program.call("close", [socket]);
    program.place(next);
    program.add(this.#offset, SERVER_SIZE);
    program.jump(asking);

    program.place(none);
    program.jumpIfEqual(this.#isAgain, 0, givesUp);
    program.jumpIfEqual(this.#offset, 0, givesUp);
    program.store(this.#isAgain, 0);
    program.store(this.#offset, 0);
    program.jump(asking);
    program.place(givesUp);
    program.copy(this.#polled, this.#closed, 8);
    program.copy(this.#pending, memory.zeros, 8);
    program.jump(exits.failed);
  }

  /** The place that the same question has already; or a free one; or the one whose turn it is. */
  #findPlace(): void {
    const { memory } = this;
    const { program, message, client } = memory;
    const [search, look, found, isNew, isKnown, hasPlace] = Array.from(
      { length: 6 },
      () => new Label(),
    ) as [Label, Label, Label, Label, Label, Label];
    program.copy(this.#key.address, client, 8);
    program.copy(this.#key.address, message + HEADER.id, 2);
    program.store(this.#wanted, this.#key);
    program.place(search);
    this.#toFirst(this.#pending, this.#polled);
    program.place(look);
    program.copy(this.#word.address, this.#pending, 8);
    program.jumpIfEqual(this.#word, this.#wanted, found);
    this.#toNext(this.#pending, this.#polled, look);
    const makesWay = new Label();
    program.jumpIfEqual(this.#wanted, 0, makesWay);
    program.store(this.#wanted, 0);
    program.jump(search);

    program.place(makesWay);
    program.store(this.#pending, this.#nextPending);
    program.store(this.#polled, this.#nextPolled);
    this.#toNext(this.#nextPending, this.#nextPolled, isNew);
    this.begin();
    program.jump(isNew);
    program.place(found);
    program.jumpIfLess(this.#wanted, 0, isKnown);
    program.jumpIfLess(0, this.#wanted, isKnown);
    program.place(isNew);
    program.store(this.#offset, 0);
    program.store(this.#isAgain, 0);
    program.jump(hasPlace);
    program.place(isKnown);
    program.copy(this.#current, this.#pending, PENDING.question);
    program.add(this.#offset, SERVER_SIZE);
    program.store(this.#isAgain, 1);
    program.place(hasPlace);
    // the socket of who was there
    program.store(this.#fd, 0);
    program.copy(this.#fd.address, this.#polled, 4);
    const isClosed = new Label();
    program.jumpIfEqual(this.#fd, NOTHING_OPEN, isClosed);
    program.call("close", [this.#fd]);
    program.place(isClosed);
  }
}
