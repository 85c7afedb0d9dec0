/** The part of the name server that reads a question, and answers it from the zones (layout.ts). */
import { O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from "../../../ffi/constants.ts";
import { ENAMETOOLONG, ENOENT } from "../../../ffi/errno.ts";
import { ENTRY_ERRNO } from "../../../ffi/machine_code.ts";
import { Label } from "../../../ffi/standalone.ts";
import { type Call, Word } from "../../../ffi/table.ts";
import {
  FIRST_ZONE,
  isNameByte,
  LONGEST_ANSWER,
  LONGEST_NAME,
  NAME_SERVER_FDS as FDS,
  NO_TYPE,
  RECORD_TYPES,
} from "./layout.ts";
import { ANY, CODES, type Exits, FLAGS, HEADER, type Memory, RECURSION_AVAILABLE } from "./memory.ts";

/** An answer with an IPv4 address, in bytes; and masks for the first of several, until there is one of that number. */
const ADDRESS_RECORD = 16;
const TURNS = [15, 7, 3, 1, 0];

/** Two bytes of a message as a word has them. */
const inWord = (value: number) => (value >> 8) | ((value & 0xff) << 8);

const CLASS_IN = 1;
const LONGEST_LABEL = 63;

/** An OPT record of ours, for whoever sends one: that 1232 bytes by UDP are fine (RFC 6891). */
const OPT = Uint8Array.of(0, 0, 41, 1232 >> 8, 1232 & 0xff, 0, 0, 0, 0, 0, 0);
/** How it begins, as a word has it; and a header's last six bytes when there is one record, an additional one. */
const OPT_BEGINNING = 41 << 16;
const ONE_ADDITIONAL = 2 ** 40;

export class Question {
  /** For each byte of a name the one in the file's name, or 0 if there is no such file. */
  readonly #nameBytes: number;
  readonly #dot: number;
  readonly #path: number;
  readonly #zone: number;
  readonly #firstZone: number;
  /** Suffixes for types, each in eight bytes. */
  readonly #suffixes: ReadonlyMap<number, number>;
  readonly #cursor: Word;
  readonly #end: Word;
  readonly #stop: Word;
  readonly #place: Word;
  readonly #type: Word;
  readonly #class: Word;
  readonly #suffix: Word;
  readonly #file: Word;
  readonly #counts: Word;
  readonly #additional: Word;
  readonly #size: Word;
  readonly #offset: Word;
  readonly #pieces: number;
  readonly #opt: number;

  constructor(readonly memory: Memory) {
    const { program } = memory;
    const nameByte = (byte: number) =>
      isNameByte(byte) ? String.fromCharCode(byte).toLowerCase().charCodeAt(0) : 0;
    this.#nameBytes = program.data(Uint8Array.from({ length: 256 }, (_, byte) => nameByte(byte)));
    const texts = program.data(new TextEncoder().encode(`.\0${FIRST_ZONE}\0`));
    this.#dot = texts;
    this.#firstZone = texts + 2;
    const suffix = (type: number) => program.data(new TextEncoder().encode(`${type}`.padEnd(8, "\0")));
    const types = [NO_TYPE, ...Object.values(RECORD_TYPES)];
    this.#suffixes = new Map(types.map((type) => [type, suffix(type)]));
    this.#zone = program.words(0);
    this.#path = program.data(new Uint8Array(LONGEST_NAME + 16));
    const word = () => program.word(0);
    this.#cursor = word();
    this.#end = word();
    this.#stop = word();
    this.#place = word();
    this.#type = word();
    this.#class = word();
    this.#suffix = word();
    this.#file = word();
    this.#counts = word();
    this.#size = word();
    this.#offset = word();
    this.#additional = word();
    this.#pieces = program.words(0, 2, 0, LONGEST_ANSWER);
    this.#opt = program.data(OPT);
  }

  /**
   * Answers the message, or leads to where it goes as it is.
   * @param forward where that is
   */
  answer(exits: Exits, forward: Label): void {
    const { memory } = this;
    const { program, message, length, byte } = memory;
    const [isMalformed, isQuery, isRefused] = [new Label(), new Label(), new Label()];
    program.jumpIfLess(length, HEADER.size, exits.ignore);
    program.copy(byte.address, message + HEADER.flags, 1);
    program.jumpIfLess(FLAGS.response - 1, byte, exits.ignore);
    program.store(memory.code, RECURSION_AVAILABLE + CODES.notImplemented);
    program.and(byte, FLAGS.operation);
    program.jumpIfEqual(byte, 0, isQuery);
    program.jump(isRefused);
    program.place(isMalformed);
    program.store(memory.code, RECURSION_AVAILABLE + CODES.malformed);
    // of what is not understood nothing goes back but its header
    program.place(isRefused);
    program.store(length, HEADER.size);
    program.copy(message + HEADER.questions, memory.zeros, 8);
    program.jump(exits.respond);

    program.place(isQuery);
    const isOne = new Label();
    program.store(this.#counts, 0);
    program.copy(this.#counts.address, message + HEADER.questions, 2);
    program.jumpIfEqual(this.#counts, inWord(1), isOne);
    program.jump(isMalformed);
    program.place(isOne);
    this.#readName(isMalformed, forward);
    this.#readType(isMalformed, forward);
    const found = new Label();
    this.#find(found, exits, forward);
    program.place(found);
    this.#takeAnswers(exits);
  }

  /** Goes to the end of the name; leaves the path of its file without the suffix. */
  #readName(isMalformed: Label, isForeign: Label): void {
    const { program, message, length, byte } = this.memory;
    const [label, character, ended] = [new Label(), new Label(), new Label()];
    const cursor = this.#cursor;
    const begin = message + HEADER.size;
    program.store(this.#end, message);
    program.add(this.#end, length);
    program.store(cursor, begin);
    program.store(this.#place, this.#path);
    program.place(label);
    const isThere = new Label();
    program.jumpIfLess(cursor, this.#end, isThere);
    program.jump(isMalformed);
    program.place(isThere);
    program.copy(byte.address, cursor, 1);
    program.add(cursor, 1);
    program.jumpIfEqual(byte, 0, ended);
    // what has a higher bit leads to another place, which a question has no need of
    program.jumpIfLess(LONGEST_LABEL, byte, isMalformed);
    program.store(this.#stop, cursor);
    program.add(this.#stop, byte);
    program.jumpIfLess(this.#end, this.#stop, isMalformed);
    // with the byte that ends it
    program.jumpIfLess(begin + LONGEST_NAME - 1, this.#stop, isMalformed);
    program.place(character);
    program.copy(byte.address, cursor, 1);
    program.add(byte, this.#nameBytes);
    program.copy(this.#place, byte, 1);
    program.store(byte, 0);
    program.copy(byte.address, this.#place, 1);
    program.jumpIfEqual(byte, 0, isForeign);
    program.add(this.#place, 1);
    program.add(cursor, 1);
    program.jumpIfLess(cursor, this.#stop, character);
    program.copy(this.#place, this.#dot, 1);
    program.add(this.#place, 1);
    program.jump(label);
    program.place(ended);
  }

  /** Goes to the end of the question; leaves the suffix. */
  #readType(isMalformed: Label, isForeign: Label): void {
    const { program } = this.memory;
    const [isInternet, hasSuffix] = [new Label(), new Label()];
    program.store(this.#stop, this.#cursor);
    program.add(this.#stop, 4);
    program.jumpIfLess(this.#end, this.#stop, isMalformed);
    program.copy(this.#type.address, this.#cursor, 2);
    program.add(this.#cursor, 2);
    program.copy(this.#class.address, this.#cursor, 2);
    program.add(this.#cursor, 2);
    program.jumpIfEqual(this.#class, inWord(CLASS_IN), isInternet);
    program.jump(isForeign);
    program.place(isInternet);
    for (const type of Object.values(RECORD_TYPES)) {
      program.store(this.#suffix, this.#suffixes.get(type)!);
      program.jumpIfEqual(this.#type, inWord(type), hasSuffix);
    }
    program.store(this.#suffix, this.#suffixes.get(NO_TYPE)!);
    program.place(hasSuffix);
  }

  /** Looks for the name's file in each zone; leaves a descriptor of it. */
  #find(found: Label, { failed }: Exits, forward: Label): void {
    const { program } = this.memory;
    const [zone, next] = [new Label(), new Label()];
    const fails = (call: Call, ...errnos: readonly [errno: number, label: Label][]) => {
      for (const [errno, label] of errnos) {
        program.jumpIfEqual(new Word(call.address + ENTRY_ERRNO), errno, label);
      }
      program.jump(failed);
    };
    program.copy(this.#zone, this.#firstZone, 2);
    program.place(zone);
    const hasZone = new Label();
    const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    const folder = program.call("openat", [FDS.folder, this.#zone, flags], ANY);
    program.jumpIfLess(-1, folder, hasZone);
    fails(folder, [ENOENT, forward]);
    program.place(hasZone);
    const open = (suffix: Word | number) => {
      program.copy(this.#place, suffix, 8);
      const file = program.call("openat", [folder, this.#path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC], ANY);
      program.store(this.#file, file);
      return file;
    };
    const isThere = new Label();
    const ofType = open(this.#suffix);
    program.jumpIfLess(-1, ofType, isThere);
    const ofNone = open(this.#suffixes.get(NO_TYPE)!);
    program.place(isThere);
    program.call("close", [folder]);
    program.jumpIfLess(-1, this.#file, found);
    fails(ofNone, [ENOENT, next], [ENAMETOOLONG, next]);
    program.place(next);
    program.add(this.#zone, 1);
    program.jump(zone);
  }

  /** Puts the file's answers behind the question. */
  #takeAnswers({ respond, failed }: Exits): void {
    const { memory } = this;
    const { program, message, length } = memory;
    program.copy(this.#counts.address, message + HEADER.answers, 6);
    program.copy(this.#additional.address, this.#cursor, 3);
    program.store(this.#pieces, message + HEADER.answers);
    program.store(this.#pieces + 16, this.#cursor);
    const size = program.call("readv", [this.#file, this.#pieces, 2], ANY);
    program.jumpIfLess(size, 2, failed);
    program.store(this.#size, size);
    program.add(this.#size, -2);
    this.#turn();
    program.call("close", [this.#file]);
    program.copy(message + HEADER.authorities, memory.zeros, 4);
    program.store(memory.code, RECURSION_AVAILABLE);
    program.add(this.#cursor, this.#size);
    program.store(length, this.#cursor);
    program.add(length, -message);
    const [isAdditional, isOpt] = [new Label(), new Label()];
    program.jumpIfEqual(this.#counts, ONE_ADDITIONAL, isAdditional);
    program.jump(respond);
    program.place(isAdditional);
    program.jumpIfEqual(this.#additional, OPT_BEGINNING, isOpt);
    program.jump(respond);
    program.place(isOpt);
    program.copy(this.#cursor, this.#opt, OPT.length);
    program.add(length, OPT.length);
    program.copy(message + HEADER.size - 1, memory.one, 1);
    program.jump(respond);
  }

  /**
   * Several addresses are in another order each time, as clients take the first: the query's id, which is random, says which is the first.
   * It is read from the file again from there on, and then what comes before it.
   */
  #turn(): void {
    const { program, message } = this.memory;
    const [fits, done] = [new Label(), new Label()];
    const offset = this.#offset;
    program.jumpIfLess(this.#size, ADDRESS_RECORD + 1, done);
    program.jumpIfLess(this.#type, inWord(RECORD_TYPES.A), done);
    program.jumpIfLess(inWord(RECORD_TYPES.A), this.#type, done);
    program.store(offset, 0);
    program.copy(offset.address, message + HEADER.id + 1, 1);
    for (const mask of TURNS) {
      program.and(offset, mask * ADDRESS_RECORD);
      program.jumpIfLess(offset, this.#size, fits);
    }
    program.place(fits);
    program.jumpIfEqual(offset, 0, done);
    program.store(this.#place, offset);
    program.add(this.#place, 2);
    const rest = program.call("pread64", [this.#file, this.#cursor, LONGEST_ANSWER, this.#place], ANY);
    program.store(this.#place, this.#cursor);
    program.add(this.#place, rest);
    program.call("pread64", [this.#file, this.#place, offset, 2], ANY);
    program.place(done);
  }
}
