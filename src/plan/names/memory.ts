/** What the parts of the name server (server.ts) share: its memory. */
import { ANY_ERRNO } from "../../../ffi/errno.ts";
import type { Label, StandaloneProgram } from "../../../ffi/standalone.ts";
import type { Word } from "../../../ffi/table.ts";

/** For calls that may fail, and it matters why. */
export const ANY = { tolerate: ANY_ERRNO };

/** For those of sockets: the walker tells no errno above 63, as ECONNREFUSED is. All that is known is that they failed, by -1. */
export const MAY_FAIL = { least: -1 };

/** A message may have as many bytes as UDP and TCP can carry. There is room before it for headers, and after it for what is added. */
export const LARGEST_MESSAGE = 65535;
const ROOM_BEFORE = 64;
const ROOM_AFTER = 4096;

/** Of the header of a message (RFC 1035, 4.1.1): its size, and where its parts are. Numbers have their higher byte first. */
export const HEADER = { id: 0, flags: 2, code: 3, questions: 4, answers: 6, authorities: 8, size: 12 };

/** The first byte of flags, with what is asked for in between; a query has neither QR nor any of those bits. */
export const FLAGS = { response: 0x80, operation: 0x78, recursionDesired: 0x01 };

/** The second byte: that there is recursion, and why there is no answer. */
export const RECURSION_AVAILABLE = 0x80;
export const CODES = { malformed: 1, serverFailure: 2, notImplemented: 4, refused: 5 };

export const NOTHING_OPEN = 0xffffffff;

/** struct sockaddr_in, and where its port and its address are (ip(7)) */
export const SOCKADDR = { size: 16, port: 2, address: 4 };

export class Memory {
  /** How long the message is. */
  readonly length: Word;
  /** Who has asked: a struct sockaddr_in. */
  readonly client: number;
  /** Bytes that are 0, for copying, and one that is 1. */
  readonly zeros: number;
  readonly one: number;
  /** A byte of the message that is looked at. */
  readonly byte: Word;
  /** What goes back as the second byte of flags. */
  readonly code: Word;
  #message = 0;

  constructor(readonly program: StandaloneProgram) {
    this.length = program.word(0);
    this.client = program.words(0, 0);
    this.zeros = program.words(0);
    this.one = program.words(1);
    this.byte = program.word(0);
    this.code = program.word(0);
  }

  /** Bytes that `allocate` takes. */
  static readonly size = ROOM_BEFORE + LARGEST_MESSAGE + ROOM_AFTER + 4096;

  /** After all that the program has from the start. */
  allocate(): void {
    this.#message = this.program.buffer(ROOM_BEFORE + LARGEST_MESSAGE + ROOM_AFTER) + ROOM_BEFORE;
  }

  /** Where the message is that is worked on. */
  get message(): number {
    if (this.#message === 0) throw new Error("the message has no place yet");
    return this.#message;
  }
}

/** Where a message goes next. */
export interface Exits {
  /** Back, as an answer with the code that is set. */
  readonly respond: Label;
  /** Back, as a failure. */
  readonly failed: Label;
  /** Back, as it is. */
  readonly deliver: Label;
  /** Nowhere: what comes next is waited for. */
  readonly ignore: Label;
}
