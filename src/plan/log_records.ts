/** The records of a container's log, as the monitor writes them (monitor.ts). */
import { LOG_HEADER } from "./monitor_layout.ts";

/** What the container wrote at once. */
export interface LogRecord {
  /** In milliseconds since 1970; and the nanoseconds of the second. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** One of STREAMS. */
  readonly stream: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A record as it lies in the file. */
export interface RecordHeader {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly stream: number;
  readonly length: number;
}

/** Larger ones the monitor does not write. */
const MAX_LENGTH = 1 << 20;

/** @returns undefined when it is no header: what a write left behind for which there was no space */
export function parseHeader(bytes: Uint8Array<ArrayBuffer>): RecordHeader | undefined {
  if (bytes.length < LOG_HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, LOG_HEADER);
  const word = (index: number) => Number(view.getBigInt64(8 * index, true));
  const [seconds, nanoseconds, stream, length] = [word(0), word(1), word(2), word(3)];
  if (stream < 1 || stream > 2 || length < 1 || length > MAX_LENGTH) return undefined;
  return { seconds, nanoseconds, stream, length };
}

/** Reads the next record at a position; undefined when it is not there, or not complete. */
export function readRecord(file: Deno.FsFile, position: number): LogRecord | undefined {
  const header = parseHeader(readBytes(file, position, LOG_HEADER));
  if (header === undefined) return undefined;
  const bytes = readBytes(file, position + LOG_HEADER, header.length);
  if (bytes.length < header.length) return undefined;
  const { seconds, nanoseconds, stream } = header;
  return { seconds, nanoseconds, stream, bytes };
}

/** Where the last complete record of a log ends; 0 when there is no such file. */
export function logEnd(path: string): number {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
  using _ = file;
  const { size } = file.statSync();
  let position = 0;
  while (true) {
    const header = parseHeader(readBytes(file, position, LOG_HEADER));
    if (header === undefined || position + LOG_HEADER + header.length > size) return position;
    position += LOG_HEADER + header.length;
  }
}

function readBytes(file: Deno.FsFile, position: number, length: number): Uint8Array<ArrayBuffer> {
  file.seekSync(position, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
