import { Arena } from "../../../ffi/arena.ts";
import { ENOSPC, SystemCallError } from "../../../ffi/errno.ts";
import { type Argument, type Call, type CallOptions, CallTable } from "../../../ffi/table.ts";
import type { ByteString } from "../tar/byte_string.ts";

const CALLS = 8192;
const ARENA_SIZE = 4 << 20;

/** What a group of calls may need at most, strings included. */
const GROUP_CALLS = 16;
const GROUP_BYTES = 2 << 20;

/** A call that failed, and the name of the entry that it was made for, if it was for one. */
export class EntryError extends Error {
  override readonly name = "EntryError";
  constructor(
    readonly entry: ByteString | undefined,
    readonly errno: number,
    override readonly cause: SystemCallError,
  ) {
    super(cause.message);
  }
}

/** A table on its way to the kernel. */
class Batch {
  readonly arena = new Arena(ARENA_SIZE);
  readonly table = new CallTable(this.arena, CALLS);
  readonly #mark = this.arena.mark;
  /** Entry names, and the index of the first call that was made for each. */
  readonly #subjects: { readonly first: number; readonly name: ByteString | undefined }[] = [];

  hasRoom(): boolean {
    return this.table.length + GROUP_CALLS <= CALLS && this.arena.free >= GROUP_BYTES;
  }

  begin(name: ByteString | undefined): void {
    this.#subjects.push({ first: this.table.length, name });
  }

  clear(): void {
    this.table.clear();
    this.arena.rewind(this.#mark);
    this.#subjects.length = 0;
  }

  async run(): Promise<void> {
    try {
      await this.table.runBlocking();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const index = this.table.failure?.index ?? 0;
      const subject = this.#subjects.findLast(({ first }) => first <= index);
      // write(2): a regular file takes less than it is given when there is no space for the rest
      throw new EntryError(subject?.name, error.errno || ENOSPC, error);
    }
  }
}

/**
 * Many libc calls, made in order on another thread while this one prepares the next. The first that fails is the last that
 * is made.
 */
export class CallQueue {
  #filling: Batch | undefined;
  readonly #idle: Batch[] = [];
  readonly #all: Batch[] = [];
  /** Settles when all that was submitted is done. */
  #tail: Promise<void> = Promise.resolve();

  /**
   * Starts a group of at most 16 calls, with at most 2 MiB of strings, that may refer to each other.
   * @param name of the entry that they are made for; undefined for what concerns the layer as a whole
   */
  begin(name: ByteString | undefined): void {
    if (this.#filling?.hasRoom() === false) this.#submit();
    if (this.#filling === undefined) {
      this.#filling = this.#idle.pop();
      if (this.#filling === undefined) this.#all.push(this.#filling = new Batch());
    }
    this.#filling.begin(name);
  }

  call(name: string, parameters: readonly Argument[], options?: CallOptions): Call {
    return this.#filling!.table.call(name, parameters, options);
  }

  /** The address of a C string that lives until the calls of the group were made. It holds no NUL. */
  string(text: ByteString): number {
    const { arena } = this;
    const address = arena.allocate(text.length + 1, 1);
    const offset = address - arena.address;
    for (let index = 0; index < text.length; index++) arena.bytes[offset + index] = text.charCodeAt(index);
    arena.bytes[offset + text.length] = 0;
    return address;
  }

  /** Memory that lives until the calls of the group were made. */
  get arena(): Arena {
    return this.#filling!.arena;
  }

  #submit(): void {
    const batch = this.#filling;
    if (batch === undefined) return;
    this.#filling = undefined;
    this.#tail = this.#tail.then(async () => {
      await batch.run();
      batch.clear();
      this.#idle.push(batch);
    });
    // whoever waits for the tail hears of it
    this.#tail.catch(() => {});
  }

  /**
   * Sends what was added on its way.
   * @returns settled when it is done; rejects with EntryError for the call that failed
   */
  flush(): Promise<void> {
    this.#submit();
    return this.#tail;
  }

  /** Waits for what is under way, whatever came of it, and gives the memory back. */
  async release(): Promise<void> {
    await this.#tail.catch(() => {});
    for (const batch of this.#all) batch.arena.release();
  }
}
