/** What a container has written, from the records of its log (src/plan/log_records.ts). */
import { LOG_HEADER } from "../plan/monitor.ts";
import { logEnd, type LogRecord, readRecord } from "../plan/log_records.ts";

/** The files of a log, the oldest first. */
export function logFiles(path: string, files: number): string[] {
  const names = Array.from({ length: files }, (_, index) => index === 0 ? path : `${path}.${index}`);
  return names.filter(exists).reverse();
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Reads a log that may be written, and make way for a new one, meanwhile. */
export class LogReader implements Disposable {
  #file: Deno.FsFile | undefined;
  #position = 0;
  #waiting: string[];

  constructor(readonly path: string, files: number) {
    this.#waiting = logFiles(path, files);
  }

  /** One that begins with what comes from now on. */
  static fromEnd(path: string): LogReader {
    const reader = new LogReader(path, 0);
    reader.#file = Deno.openSync(path);
    reader.#position = logEnd(path);
    return reader;
  }

  /** The next record; undefined when there is none yet. */
  next(): LogRecord | undefined {
    while (true) {
      if (this.#file === undefined && !this.#openNext()) return undefined;
      const record = readRecord(this.#file!, this.#position);
      if (record !== undefined) {
        this.#position += LOG_HEADER + record.bytes.length;
        return record;
      }
      if (this.#waiting.length === 0 && !this.#wasReplaced()) return undefined;
      this.#file!.close();
      this.#file = undefined;
    }
  }

  #openNext(): boolean {
    const path = this.#waiting.shift() ?? this.path;
    try {
      this.#file = Deno.openSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
    this.#position = 0;
    return true;
  }

  /** Whether the file that was read to its end has made way for another. */
  #wasReplaced(): boolean {
    try {
      const now = Deno.statSync(this.path);
      const mine = this.#file!.statSync();
      if (now.ino === mine.ino) {
        // of a log of one file, the new one takes its place
        if (now.size < this.#position) this.#position = 0;
        return false;
      }
      // it may have been written to, between the last look and its end
      return readRecord(this.#file!, this.#position) === undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
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
