/** What a container has written, from the records of its log (src/plan/log_records.ts). */
import { LOG_HEADER } from "../plan/monitor.ts";
import { logEnd, type LogRecord, readRecord } from "../plan/log_records.ts";

/** The names of a log's files, the newest first. */
function logNames(path: string, files: number): string[] {
  return Array.from({ length: files }, (_, index) => index === 0 ? path : `${path}.${index}`);
}

/** The inode of a file; undefined when there is none. */
function inodeOf(path: string): number | null | undefined {
  try {
    return Deno.statSync(path).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Reads a log that may be written, and make way for a new one, meanwhile. */
export class LogReader implements Disposable {
  readonly #names: readonly string[];
  #file: Deno.FsFile | undefined;
  #position = 0;
  /** Where it stops for the present: in a file, which is open so that its inode is nobody else's, the size that it had. */
  #end: { readonly file: Deno.FsFile; readonly ino: number | null; readonly size: number } | undefined;
  /** Until then, what was read stays open, and can be read once more. */
  #read: Deno.FsFile[] = [];
  #again: Deno.FsFile[] = [];

  constructor(readonly path: string, files: number) {
    this.#names = logNames(path, files);
  }

  /** One that begins with what comes from now on. */
  static fromEnd(path: string, files: number): LogReader {
    const reader = new LogReader(path, files);
    reader.#file = open(path); // somebody may have removed it
    reader.#position = logEnd(path);
    return reader;
  }

  /** What comes from now on is not read, however fast it comes, until `goOn`. */
  stopAtPresent(): void {
    const file = open(this.path);
    if (file === undefined) return;
    const { ino, size } = file.statSync();
    this.#end = { file, ino, size };
  }

  /** Begins anew with the first record that it gave. To be called between `stopAtPresent` and `goOn`. */
  rewind(): void {
    this.#again = this.#read.slice(1);
    this.#file = this.#read[0];
    this.#position = 0;
  }

  /** Reads also what has come since. */
  goOn(): void {
    this.#end?.file.close();
    this.#end = undefined;
    for (const file of this.#read) if (file !== this.#file) file.close();
    this.#read = [];
  }

  /** The next record; undefined when there is none yet. */
  next(): LogRecord | undefined {
    while (true) {
      this.#file ??= this.#use(this.#openOldest());
      if (this.#file === undefined) return undefined;
      const record = this.#isAtEnd(this.#file) ? undefined : readRecord(this.#file, this.#position);
      if (record !== undefined) {
        this.#position += LOG_HEADER + record.bytes.length;
        return record;
      }
      if (!this.#turn(this.#file)) return undefined;
    }
  }

  #isAtEnd(file: Deno.FsFile): boolean {
    return this.#end !== undefined && this.#position >= this.#end.size &&
      file.statSync().ino === this.#end.ino;
  }

  #openOldest(): Deno.FsFile | undefined {
    for (const name of this.#names.toReversed()) {
      const file = open(name);
      if (file !== undefined) return file;
    }
    return undefined;
  }

  #use(file: Deno.FsFile | undefined): Deno.FsFile | undefined {
    if (file !== undefined && this.#end !== undefined) this.#read.push(file);
    return file;
  }

  /**
   * Turns to the file that came after one.
   * @returns whether there may be more to read
   */
  #turn(file: Deno.FsFile): boolean {
    const again = this.#again.shift();
    if (again !== undefined) {
      this.#file = again;
      this.#position = 0;
      return true;
    }
    const { ino } = file.statSync();
    const index = this.#names.findIndex((name) => inodeOf(name) === ino);
    if (index === 0 || this.#isPast(ino)) return false;
    // something may have been written to it after the last look, before it made way
    if (readRecord(file, this.#position) !== undefined) return true;
    const next = index === -1 ? this.#openOldest() : open(this.#names[index - 1]!);
    if (next === undefined) return false;
    // if others have made way meanwhile, the names have moved on
    if (index !== -1 && inodeOf(this.#names[index]!) !== ino) {
      next.close();
      return true;
    }
    if (this.#end === undefined) file.close();
    this.#file = this.#use(next);
    this.#position = 0;
    return true;
  }

  /** Whether all that follows a file came after the moment at which to stop. */
  #isPast(ino: number | null): boolean {
    const end = this.#end;
    return end !== undefined && (ino === end.ino || !this.#names.some((name) => inodeOf(name) === end.ino));
  }

  [Symbol.dispose](): void {
    this.goOn();
    this.#file?.close();
  }
}

function open(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A line, or the part of one that was written at once. */
export interface LogLine {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly stream: number;
  /** With its end, if it has one. */
  readonly bytes: Uint8Array;
}

const NEWLINE = 0x0a;

/** Longer ones come in parts. */
const LONGEST_LINE = 1 << 20;

/** Puts the lines of each stream together, which may come in pieces. */
export class LineAssembler {
  readonly #open = new Map<
    number,
    { readonly first: LogRecord; readonly parts: Uint8Array[]; size: number }
  >();

  /** @returns the lines that are complete with this record */
  add(record: LogRecord): LogLine[] {
    const lines: LogLine[] = [];
    for (let start = 0; start < record.bytes.length;) {
      const newline = record.bytes.indexOf(NEWLINE, start);
      const end = newline === -1 ? record.bytes.length : newline + 1;
      const part = record.bytes.subarray(start, end);
      const open = this.#open.get(record.stream);
      if (open !== undefined) {
        open.parts.push(part);
        open.size += part.length;
        if (newline !== -1 || open.size > LONGEST_LINE) lines.push(this.#close(record.stream)!);
      } else if (newline !== -1) {
        lines.push({ ...record, bytes: part });
      } else {
        this.#open.set(record.stream, { first: record, parts: [part], size: part.length });
      }
      start = end;
    }
    return lines;
  }

  /** @returns what has no end yet */
  rest(): LogLine[] {
    return [...this.#open.keys()].sort().map((stream) => this.#close(stream)!);
  }

  get hasRest(): boolean {
    return this.#open.size > 0;
  }

  #close(stream: number): LogLine | undefined {
    const open = this.#open.get(stream);
    if (open === undefined) return undefined;
    this.#open.delete(stream);
    const bytes = new Uint8Array(open.size);
    let at = 0;
    for (const part of open.parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return { ...open.first, bytes };
  }
}
