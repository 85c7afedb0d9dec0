/** What a container has written, from the records of its log (src/plan/log_records.ts). */
import { LOG_HEADER } from "../plan/monitor_layout.ts";
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
  /** What is read, what came after it, as far as it has been opened, and, until the present is reached, what was read. */
  readonly #files: Deno.FsFile[] = [];
  /** Which of them is read, and where. */
  #current = 0;
  #position = 0;
  /** How many files have been opened so far. */
  opened = 0;
  /** Where it stops for the present: in the newest file, at the size that it had. */
  #end: { readonly file: Deno.FsFile; readonly size: number } | undefined;

  constructor(readonly path: string, files: number) {
    this.#names = logNames(path, files);
  }

  /** One that begins with what comes from now on. */
  static fromEnd(path: string, files: number): LogReader {
    const reader = new LogReader(path, files);
    reader.#add(open(path)); // somebody may have removed it
    reader.#position = logEnd(path);
    return reader;
  }

  /** What comes from now on is not read, however fast it comes, until `goOn`. */
  stopAtPresent(): void {
    this.openNewer();
    const file = this.#files.at(-1);
    if (file !== undefined) this.#end = { file, size: file.statSync().size };
  }

  /** Begins anew with the first record that it gave. To be called between `stopAtPresent` and `goOn`. */
  rewind(): void {
    this.#current = 0;
    this.#position = 0;
  }

  /** Reads also what has come since. */
  goOn(): void {
    this.#end = undefined;
    this.#closeRead();
  }

  /** The next record; undefined when there is none yet. */
  next(): LogRecord | undefined {
    while (true) {
      if (this.#files.length === 0) this.#add(this.#openOldest());
      const file = this.#files[this.#current];
      if (file === undefined) return undefined;
      if (file === this.#end?.file && this.#position >= this.#end.size) return undefined;
      const record = readRecord(file, this.#position);
      if (record !== undefined) {
        this.#position += LOG_HEADER + record.bytes.length;
        return record;
      }
      if (this.#end === undefined) this.openNewer();
      if (this.#current === this.#files.length - 1) return undefined;
      // something may have been written to it after the last look, before it made way
      if (readRecord(file, this.#position) !== undefined) continue;
      this.#current++;
      this.#position = 0;
      if (this.#end === undefined) this.#closeRead();
    }
  }

  #closeRead(): void {
    for (const file of this.#files.splice(0, this.#current)) file.close();
    this.#current = 0;
  }

  /** Opens all that is newer than what is open, so that it can be read also when its name is gone. */
  openNewer(): void {
    while (true) {
      const newest = this.#files.at(-1);
      const next = newest === undefined ? this.#openOldest() : this.#openAfter(newest);
      if (next === undefined) return;
      this.#add(next);
    }
  }

  #add(file: Deno.FsFile | undefined): void {
    if (file === undefined) return;
    this.#files.push(file);
    this.opened++;
  }

  #openAfter(file: Deno.FsFile): Deno.FsFile | undefined {
    const { ino } = file.statSync();
    while (true) {
      const index = this.#names.findIndex((name) => inodeOf(name) === ino);
      if (index === 0) return undefined;
      const next = index === -1 ? this.#openOldest() : open(this.#names[index - 1]!);
      // if others have made way meanwhile, the names have moved on
      if (next === undefined || index === -1 || inodeOf(this.#names[index]!) === ino) return next;
      next.close();
    }
  }

  #openOldest(): Deno.FsFile | undefined {
    for (const name of this.#names.toReversed()) {
      const file = open(name);
      if (file !== undefined) return file;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file.close();
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
