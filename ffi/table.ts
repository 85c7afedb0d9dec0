import { Arena } from "./arena.ts";
import { SYSTEM_CALLS } from "./constants.ts";
import { SystemCallError } from "./errno.ts";
import { functionAddress, type LibcFunction, walk, walkBlocking } from "./libc.ts";
import {
  ENTRY_ARGUMENTS,
  ENTRY_ERRNO,
  ENTRY_INDIRECT,
  ENTRY_LEAST,
  ENTRY_RESULT,
  ENTRY_SIZE,
  ENTRY_TOLERATED,
  TABLE_ERRNO_LOCATION,
  TABLE_FAILED,
  TABLE_HEADER_SIZE,
} from "./machine_code.ts";

/** One entry of a table: what was called, and (after the walk) what came of it. */
export class Call {
  constructor(readonly table: CallTable, readonly index: number, public name: string) {}

  get address(): number {
    return this.table.entryAddress(this.index);
  }

  /** What the function returned; 0 if the walk did not get here. */
  get result(): number {
    return this.table.arena.word(this.address + ENTRY_RESULT);
  }

  /** errno of a call that failed, tolerated or not; else 0. */
  get errno(): number {
    return this.table.arena.word(this.address + ENTRY_ERRNO);
  }
}

/** A 64-bit word in memory, which is read when the call is made. */
export class Word {
  constructor(readonly address: number) {}
}

/**
 * What a call can be given: an integer or address; text, which becomes a C string; an earlier call of the same table, which
 * stands for its result; or a word.
 */
export type Argument = number | bigint | string | Uint8Array | Call | Word;

/** What the names of a table's calls stand for. */
export interface Functions {
  /** The number of a system call that is to be made through `syscall`; undefined for what is a function. */
  number(name: string): number | undefined;
  /** The address of a function. @throws {Error} when there is none of that name */
  address(name: string): number;
}

/** The functions of libc, and system calls that it has none for. */
const LIBC: Functions = {
  number: (name) => SYSTEM_CALLS[name],
  address: (name) => functionAddress(name as LibcFunction),
};

const masks = new WeakMap<readonly number[], readonly [low: number, high: number]>();

/** A set of errno values as a walker looks at it. The same lists are used again and again. */
export function maskOf(errnos: readonly number[]): readonly [low: number, high: number] {
  let mask = masks.get(errnos);
  if (mask === undefined) {
    let [low, high] = [0, 0];
    for (const errno of errnos) {
      if (errno > 63) throw new RangeError(`the walker cannot tell errno ${errno}`);
      if (errno < 32) low |= 1 << errno;
      else high |= 1 << (errno - 32);
    }
    mask = [low, high];
    masks.set(errnos, mask);
  }
  return mask;
}

export interface CallOptions {
  /** The smallest result that is no failure. Default 0. */
  readonly least?: number;
  /** errno values (1 to 63) that are no failure. 0 stands for a result that is too small but not negative. */
  readonly tolerate?: readonly number[];
}

/**
 * A list of libc calls for the walker, in the order in which they were added.
 *
 *     const table = new CallTable(arena, 2);
 *     const fd = table.call("openat", [AT_FDCWD, "/", O_PATH]);
 *     table.call("fchdir", [fd]);
 *     table.run();
 */
export class CallTable {
  readonly address: number;
  /** Kept when the table is emptied: tables of thousands of calls are filled again and again. */
  readonly #calls: Call[] = [];
  #length = 0;
  /** The entries from this one on are zero. */
  #written = 0;

  /**
   * @param arena not rewound: what it allocates must be zero
   * @param capacity how many calls the table can hold
   */
  constructor(readonly arena: Arena, readonly capacity: number, readonly functions: Functions = LIBC) {
    this.address = arena.allocate(TABLE_HEADER_SIZE + (capacity + 1) * ENTRY_SIZE);
    this.clear();
  }

  entryAddress(index: number): number {
    return this.address + TABLE_HEADER_SIZE + index * ENTRY_SIZE;
  }

  /** Empties the table, to be filled and run anew. The calls that it had become those that it will have. */
  clear(): void {
    this.arena.clear(this.address, TABLE_HEADER_SIZE + (this.#written + 1) * ENTRY_SIZE);
    this.#written = 0;
    this.#length = 0;
    this.arena.setWord(this.address + TABLE_ERRNO_LOCATION, this.functions.address("__errno_location"));
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Adds a call.
   * @param name a function of libc, or a system call that is made through syscall(2)
   * @throws {RangeError} when the table is full
   */
  call(name: string, parameters: readonly Argument[], options: CallOptions = {}): Call {
    const index = this.#length;
    if (index >= this.capacity) throw new RangeError(`a call table of ${this.capacity} entries is full`);
    const number = this.functions.number(name);
    const first = number === undefined ? 0 : 1;
    if (first + parameters.length > 6) {
      throw new RangeError(`${name}: a table entry has room for six arguments`);
    }
    const { arena } = this;
    const entry = this.entryAddress(index);
    // what is 0 need not be written
    if (index < this.#written) arena.clear(entry, ENTRY_SIZE);
    else this.#written = index + 1;
    if (number !== undefined) arena.setWord(entry + ENTRY_ARGUMENTS, number);
    let indirect = 0;
    let at = entry + ENTRY_ARGUMENTS + first * 8;
    for (let position = 0; position < parameters.length; position++, at += 8) {
      const value = parameters[position]!;
      if (typeof value === "number" || typeof value === "bigint") {
        if (value !== 0) arena.setWord(at, value);
      } else if (value instanceof Call) {
        indirect |= 1 << (first + position);
        arena.setWord(at, value.address + ENTRY_RESULT);
      } else if (value instanceof Word) {
        indirect |= 1 << (first + position);
        arena.setWord(at, value.address);
      } else {
        arena.setWord(at, arena.string(value));
      }
    }
    if (indirect !== 0) arena.setWord(entry + ENTRY_INDIRECT, indirect);
    if (options.least !== undefined) arena.setWord(entry + ENTRY_LEAST, options.least);
    if (options.tolerate !== undefined) {
      const [low, high] = maskOf(options.tolerate);
      arena.setInt(entry + ENTRY_TOLERATED, low);
      arena.setInt(entry + ENTRY_TOLERATED + 4, high);
    }
    arena.setWord(entry, this.functions.address(number === undefined ? name : "syscall"));
    this.#length++;
    const known = this.#calls[index];
    if (known === undefined) return this.#calls[index] = new Call(this, index, name);
    known.name = name;
    return known;
  }

  /** The call that the walk stopped at, if it stopped. */
  get failure(): Call | undefined {
    const address = this.arena.word(this.address + TABLE_FAILED);
    if (address === 0) return undefined;
    return this.#calls[(address - this.entryAddress(0)) / ENTRY_SIZE];
  }

  /** Makes the calls, on this thread. @throws {SystemCallError} for the first that fails */
  run(): void {
    if (walk(this.address) !== 0) throw this.#error();
  }

  /** Makes the calls on another thread, for calls that wait. @throws {SystemCallError} for the first that fails */
  async runBlocking(): Promise<void> {
    if (await walkBlocking(this.address) !== 0) throw this.#error();
  }

  #error(): SystemCallError {
    const call = this.failure;
    return call === undefined
      ? new SystemCallError("call table", 0)
      : new SystemCallError(call.name, call.errno);
  }
}

let scratch: { arena: Arena; table: CallTable; mark: number } | undefined;

/**
 * One libc call, here and now.
 * @returns its result
 * @throws {SystemCallError} when the result is negative
 */
export function libcCall(name: string, ...parameters: Argument[]): number {
  return callHere(name, parameters, NONE);
}

/**
 * The same for a call that may fail.
 * @param tolerated errno values that are no error
 * @returns its result, or minus errno
 * @throws {SystemCallError} for every other errno
 */
export function tryLibcCall(tolerated: readonly number[], name: string, ...parameters: Argument[]): number {
  return callHere(name, parameters, { tolerate: tolerated });
}

const NONE: CallOptions = {};

function callHere(name: string, parameters: readonly Argument[], options: CallOptions): number {
  if (scratch === undefined) {
    const arena = new Arena(1 << 18);
    scratch = { arena, table: new CallTable(arena, 1), mark: 0 };
    scratch.mark = arena.mark;
  }
  scratch.arena.rewind(scratch.mark);
  scratch.table.clear();
  const call = scratch.table.call(name, parameters, options);
  scratch.table.run();
  return call.result < 0 ? -call.errno : call.result;
}
