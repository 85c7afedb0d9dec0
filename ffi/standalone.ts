/**
 * Programs without JavaScript and without libc: a table of system calls that a walker works through, as an executable of a few
 * kilobytes. What has to wait for long (for a container's end, say) becomes one, because a process of Deno's holds 48 MB, and
 * one of these less than 0.1.
 */
import { Arena } from "./arena.ts";
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
} from "./constants.ts";
import { EINVAL } from "./errno.ts";
import { CODE_ADDRESS, DATA_ADDRESS, ENTRY, standaloneCode, TABLE_ADDRESS } from "./standalone_code.ts";
import { type Argument, Call, type CallOptions, libcCall, maskOf, tryLibcCall, Word } from "./table.ts";

const ARM64 = 1;
const X86_64 = 0;

/** Numbers of system calls on x86-64 and on arm64. */
const NUMBERS: Readonly<Record<string, readonly [x86: number, arm: number]>> = {
  accept4: [288, 242],
  capset: [126, 91],
  chdir: [80, 49],
  clock_gettime: [228, 113],
  clone: [56, 220],
  close: [3, 57],
  close_range: [436, 436],
  connect: [42, 203],
  dup3: [292, 24],
  execve: [59, 221],
  exit_group: [231, 94],
  ftruncate: [77, 46],
  kill: [62, 129],
  fchown: [93, 55],
  getpid: [39, 172],
  ioctl: [16, 29],
  nanosleep: [35, 101],
  openat: [257, 56],
  openat2: [437, 437],
  pidfd_send_signal: [424, 424],
  ppoll: [271, 73],
  pread64: [17, 67],
  prctl: [157, 167],
  pwrite64: [18, 68],
  pwritev: [296, 70],
  read: [0, 63],
  readv: [19, 65],
  recvfrom: [45, 207],
  recvmsg: [47, 212],
  renameat: [264, 38],
  rt_sigprocmask: [14, 135],
  rt_sigtimedwait: [128, 137],
  unlinkat: [263, 35],
  seccomp: [317, 277],
  sendmsg: [46, 211],
  sendto: [44, 206],
  setgroups: [116, 159],
  setitimer: [38, 103],
  setns: [308, 268],
  unshare: [272, 97],
  setpgid: [109, 154],
  setresgid: [119, 149],
  setresuid: [117, 147],
  setsid: [112, 157],
  setsockopt: [54, 208],
  socket: [41, 198],
  statx: [332, 291],
  timerfd_create: [283, 85],
  timerfd_settime: [286, 86],
  umask: [95, 166],
  wait4: [61, 260],
  waitid: [247, 95],
  write: [1, 64],
};

/** Functions whose result is always 0. */
const WITHOUT_RESULT: ReadonlySet<string> = new Set([
  "label",
  "jump_if_less",
  "jump_if_equal",
  "store",
  "add",
  "and",
  "copy",
]);

/** An entry of a program. As an argument of a later one, or read from elsewhere, it is what its function returned. */
export class Result extends Word {
  constructor(readonly entry: number, readonly name: string) {
    super(entry + ENTRY.result);
  }

  /** errno, if the call failed and may. */
  get errno(): Word {
    return new Word(this.entry + ENTRY.errno);
  }
}

/** A place in a program that can be jumped to, also from before it. */
export class Label {
  /** The entry that it became. */
  call: Result | undefined;
  /** Where in memory its address is wanted. */
  readonly uses: number[] = [];
}

/** The largest pages of the CPUs that dhow runs on: parts of an executable begin with one. */
const pageOf = (arch: string) => arch === "aarch64" ? 64 << 10 : 4 << 10;

/** What an entry has room for; other values go to words beside the table, as many as this, each only once. */
const [LEAST_VALUE, LARGEST_VALUE] = [-(2 ** 31), 2 ** 31 - 1];
const MOST_CONSTANTS = 16;

/** So much of a file is written at once, if it is not all zeros. */
const BLOCK = 64 << 10;

export class StandaloneProgram {
  readonly #arena: Arena;
  readonly #code;
  readonly #capacity: number;
  #length = 0;
  readonly #constants = new Map<number | bigint, number>();
  readonly #constantsAddress: number;
  #last: Result | undefined;
  /** Bytes of the data that the executable holds; what comes after them is zero. */
  #stored = 0;

  /**
   * @param capacity how many calls it can have
   * @param size of its memory in bytes: texts, words and buffers
   */
  constructor(capacity: number, size: number, readonly arch: string = Deno.build.arch) {
    this.#code = standaloneCode(arch);
    this.#capacity = capacity;
    const [table, constants] = [(capacity + 1) * ENTRY.size, MOST_CONSTANTS * 8];
    const total = TABLE_ADDRESS - DATA_ADDRESS + table + constants + size;
    this.#arena = new Arena(total, {
      address: DATA_ADDRESS,
      buffer: new ArrayBuffer(Math.ceil(total / 8) * 8),
    });
    this.#arena.allocate(TABLE_ADDRESS - DATA_ADDRESS + table);
    this.#constantsAddress = this.#arena.allocate(constants);
  }

  /**
   * Adds a call of a system call, or of a function that such a program has (standalone_code.ts). One that fails, and may not, ends the
   * program with code 1.
   * @param parameters as a CallTable's
   * @throws {RangeError} when the program is full, or takes no such number
   */
  call(name: string, parameters: readonly Argument[], options: CallOptions = {}): Result {
    if (this.#length >= this.#capacity) {
      throw new RangeError(`a program of ${this.#capacity} calls is full`);
    }
    const number = NUMBERS[name]?.[this.arch === "aarch64" ? ARM64 : X86_64];
    const values = number === undefined ? parameters : [number, ...parameters];
    if (values.length > 6) throw new RangeError(`${name}: an entry has room for six arguments`);
    const entry = TABLE_ADDRESS + this.#length * ENTRY.size;
    this.#arena.setInt(entry, this.#address(number === undefined ? name : "syscall"));
    let indirect = 0;
    values.forEach((value, index) => {
      const { isIndirect, word } = this.#place(value);
      if (isIndirect) indirect |= 1 << index;
      this.#arena.setInt(entry + ENTRY.arguments + 4 * index, word);
    });
    const { least = 0, tolerate } = options;
    if (least < -(2 ** 15) || least >= 2 ** 15) throw new RangeError(`${name}: no entry can tell ${least}`);
    // both in one word of 32 bits
    this.#arena.setInt(entry + ENTRY.indirect, indirect + (least & 0xffff) * 2 ** 16);
    if (tolerate !== undefined) {
      maskOf(tolerate).forEach((half, index) =>
        this.#arena.setInt(entry + ENTRY.tolerated + 4 * index, half)
      );
    }
    this.#length++;
    return this.#last = new Result(entry, name);
  }

  #address(name: string): number {
    const address = this.#code.functions.get(name);
    if (address === undefined) throw new Error(`a standalone program has no function ${name}`);
    return address;
  }

  /** What an entry has for a value: itself, or where it is. */
  #place(value: Argument): { readonly isIndirect: boolean; readonly word: number } {
    if (value instanceof Word) return { isIndirect: true, word: value.address };
    if (value instanceof Call) throw new TypeError(`${value.name}: a call of another table`);
    if (typeof value !== "number" && typeof value !== "bigint") {
      return { isIndirect: false, word: this.#arena.string(value) };
    }
    if (value >= LEAST_VALUE && value <= LARGEST_VALUE) return { isIndirect: false, word: Number(value) };
    return { isIndirect: true, word: this.#constant(value) };
  }

  #constant(value: number | bigint): number {
    const known = this.#constants.get(value);
    if (known !== undefined) return known;
    if (this.#constants.size >= MOST_CONSTANTS) {
      throw new RangeError(`more than ${MOST_CONSTANTS} large numbers in a program`);
    }
    const address = this.#constantsAddress + 8 * this.#constants.size;
    this.#arena.setWord(address, value);
    this.#constants.set(value, address);
    return address;
  }

  /**
   * Makes this the place that jumps to a label lead to. What is jumped to gets the jump's result, and what comes after it is next: a call
   * whose result nobody needs will do.
   */
  place(label: Label): void {
    label.call = this.#last !== undefined && WITHOUT_RESULT.has(this.#last.name)
      ? this.#last
      : this.call("label", []);
    for (const address of label.uses) this.#arena.setInt(address, label.call.entry);
  }

  /** Goes on at a label if a signed value is less than a limit. */
  jumpIfLess(value: Argument, limit: Argument, label: Label): void {
    this.#use(this.call("jump_if_less", [value, limit, 0]), label);
  }

  jumpIfEqual(value: Argument, other: Argument, label: Label): void {
    this.#use(this.call("jump_if_equal", [value, other, 0]), label);
  }

  jump(label: Label): void {
    this.jumpIfEqual(0, 0, label);
  }

  #use(jump: Result, label: Label): void {
    const third = jump.entry + ENTRY.arguments + 2 * 4;
    if (label.call === undefined) label.uses.push(third);
    else this.#arena.setInt(third, label.call.entry);
  }

  /** Sets a word, or the word of 64 bits at an address. */
  store(target: Word | number, value: Argument): void {
    this.call("store", [typeof target === "number" ? target : target.address, value]);
  }

  add(target: Word | number, value: Argument): void {
    this.call("add", [typeof target === "number" ? target : target.address, value]);
  }

  /** Keeps those bits of a word that a mask has. */
  and(target: Word | number, mask: Argument): void {
    this.call("and", [typeof target === "number" ? target : target.address, mask]);
  }

  /**
   * Copies bytes from one address to another, the lowest first. With words as addresses it is the way to bytes whose place is known
   * only then. Into a word, the lowest of its bytes come first: one byte is a number from 0 to 255 if the others are 0.
   * @param size in bytes; may be 0
   */
  copy(to: Argument, from: Argument, size: Argument): void {
    this.call("copy", [to, from, size]);
  }

  /** A word of 64 bits. */
  word(value: number): Word {
    return new Word(this.words(value));
  }

  /** Words of 64 bits one after another. @returns their address */
  words(...values: readonly (number | bigint)[]): number {
    return this.#arena.words(values);
  }

  /** Bytes, from an address that 8 divides. @returns it */
  data(bytes: Uint8Array): number {
    return this.#arena.data(bytes);
  }

  text(text: string): number {
    return this.#arena.string(text);
  }

  texts(texts: readonly string[]): number {
    return this.#arena.strings(texts);
  }

  /** Memory that is zero at first. After it, nothing but such memory can be asked for. @returns its address */
  buffer(size: number): number {
    const address = this.#arena.allocate(size, 4096);
    if (this.#stored === 0) this.#stored = address - DATA_ADDRESS;
    return address;
  }

  /** The executable (elf(5)): code that cannot be written, and data that cannot be executed. */
  build(): Uint8Array<ArrayBuffer> {
    const { bytes } = this.#code;
    const page = pageOf(this.arch);
    const stored = this.#stored || this.#arena.mark;
    const file = new Uint8Array(2 * page + stored);
    const view = new DataView(file.buffer);
    const machine = this.arch === "aarch64" ? 183 : 62;
    // e_ident, e_type EXEC, e_machine, e_version, e_entry, e_phoff
    file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(16, 2, true);
    view.setUint16(18, machine, true);
    view.setUint32(20, 1, true);
    view.setBigUint64(24, BigInt(CODE_ADDRESS), true);
    view.setBigUint64(32, 64n, true);
    view.setUint16(52, 64, true); // e_ehsize
    view.setUint16(54, 56, true); // e_phentsize
    view.setUint16(56, 3, true); // e_phnum
    const [R, W, X, LOAD, STACK] = [4, 2, 1, 1, 0x6474e551];
    const segment = (
      index: number,
      type: number,
      flags: number,
      at: number,
      where: number,
      size: number,
      memory: number,
    ) => {
      const header = 64 + 56 * index;
      view.setUint32(header, type, true);
      view.setUint32(header + 4, flags, true);
      [at, where, where, size, memory, page].forEach((value, field) =>
        view.setBigUint64(header + 8 + 8 * field, BigInt(value), true)
      );
    };
    segment(0, LOAD, R | X, page, CODE_ADDRESS, bytes.length, bytes.length);
    segment(1, LOAD, R | W, 2 * page, DATA_ADDRESS, stored, this.#arena.mark);
    segment(2, STACK, R | W, 0, 0, 0, 0);
    file.set(bytes, page);
    file.set(this.#arena.bytes.subarray(0, stored), 2 * page);
    return file;
  }
}

/**
 * Puts an executable into a file in memory (memfd_create(2)), which nobody can change any more (F_ADD_SEALS in fcntl(2)): a process in
 * a container may come by it, while another executes it on the host. Not all kernels refuse to write to what is executed (6.11 does not).
 * @returns a descriptor, closed by execve; execveat(2) or /proc/self/fd/N executes it
 * @throws {SystemCallError} when the kernel refuses
 */
export function executableInMemory(name: string, bytes: Uint8Array): number {
  // before Linux 6.3 there is no MFD_EXEC, and every such file can be executed
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const made = tryLibcCall([EINVAL], "memfd_create", name, flags | MFD_EXEC);
  const fd = made >= 0 ? made : libcCall("memfd_create", name, flags);
  const { length } = bytes;
  const arena = new Arena(length);
  try {
    arena.bytes.set(bytes);
    for (let at = 0; at < length;) {
      // pages of zeros stay holes
      const end = Math.min(at + BLOCK, length);
      const size = bytes.subarray(at, end).some((byte) => byte !== 0) ? end - at : 0;
      if (size > 0) libcCall("pwrite", fd, arena.address + at, size, at);
      at = end;
    }
    libcCall("ftruncate", fd, length);
    libcCall("fcntl", fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return fd;
  } finally {
    arena.release();
  }
}
