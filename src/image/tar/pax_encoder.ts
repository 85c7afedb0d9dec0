import { type ByteString, toBytes } from "./byte_string.ts";

/** A keyword, and its value. */
export type PaxRecord = readonly [key: ByteString, value: ByteString | Uint8Array];

/**
 * The records of a pax header, sorted by keyword (IEEE Std 1003.1, "pax Extended Header": `LENGTH KEY=VALUE\n`, where the length
 * counts itself). Values are bytes, as they are: GNU tar, Go and python read back those that are not UTF-8.
 * @throws {RangeError} for a keyword that holds what ends one
 */
export function encodePax(records: readonly PaxRecord[]): Uint8Array<ArrayBuffer> {
  const sorted = records.toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
  const encoded = sorted.map(([key, value]) => encodeRecord(key, value));
  const all = new Uint8Array(encoded.reduce((size, record) => size + record.length, 0));
  let offset = 0;
  for (const record of encoded) {
    all.set(record, offset);
    offset += record.length;
  }
  return all;
}

function encodeRecord(key: ByteString, value: ByteString | Uint8Array): Uint8Array {
  if (key.includes("=")) throw new RangeError(`a pax keyword cannot hold "=": ${key}`);
  // the space, the equals sign and the newline
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  const record = new Uint8Array(length);
  const start = toBytes(`${length} ${key}=`);
  record.set(start);
  record.set(typeof value === "string" ? toBytes(value) : value, start.length);
  record[length - 1] = 0x0a;
  return record;
}

/**
 * A time, as a decimal number of seconds.
 * @param seconds since 1970, may be negative
 * @param nanoseconds after that, 0 to 999,999,999
 */
export function paxTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  // the fraction of a negative number counts away from zero
  const [sign, whole, fraction] = seconds < 0
    ? ["-", -seconds - 1, 1e9 - nanoseconds]
    : ["", seconds, nanoseconds];
  return `${sign}${whole}.${String(fraction).padStart(9, "0").replace(/0+$/, "")}`;
}
