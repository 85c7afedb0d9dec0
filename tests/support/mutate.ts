import type { Random } from "./random.ts";

const HEADER = 512;
/** Fields of a tar header that decide about something (POSIX ustar), and GNU's map of holes: offset and length. */
const FIELDS = [
  [0, 100],
  [100, 8],
  [108, 8],
  [116, 8],
  [124, 12],
  [124, 12],
  [136, 12],
  [156, 1],
  [156, 1],
  [157, 100],
  [257, 8],
  [329, 8],
  [337, 8],
  [345, 155],
  [386, 24],
  [483, 12],
] as const;

/** Bytes that mean something in one of the formats. */
const TELLING = Array.from('\0\xff\x80\x7f \n/.0179xgLKS52{}[]",:=-', (character) => character.charCodeAt(0));

/** What was done to an archive: bytes, and words for a message. */
export interface Mutation {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly what: string;
}

/** Cuts an archive somewhere, or changes some of its bytes: in headers and documents more often than in data. */
export function mutate(original: Uint8Array, random: Random): Mutation {
  if (random.chance(0.25)) {
    const size = anyPosition(original, random);
    return { bytes: original.slice(0, size), what: `cut after ${size} bytes` };
  }
  const bytes = original.slice();
  const done: string[] = [];
  for (let left = random.pick([1, 1, 1, 2, 5]); left > 0; left--) {
    const header = random.chance(0.5) ? anyHeader(bytes, random) : undefined;
    if (header === undefined) {
      done.push(change(bytes, anyPosition(bytes, random), random));
      continue;
    }
    const [offset, length] = random.pick(FIELDS);
    const first = header + offset + (random.chance(0.5) ? 0 : random.below(length));
    for (let at = first; at < header + offset + length && random.chance(at === first ? 1 : 0.3); at++) {
      done.push(change(bytes, at, random));
    }
    if (random.chance(0.9)) sign(bytes, header);
  }
  return { bytes, what: `changed ${done.join(", ")}` };
}

function change(bytes: Uint8Array, at: number, random: Random): string {
  const value = random.pick([
    bytes[at]! ^ 1 << random.below(8),
    random.below(256),
    random.pick(TELLING),
    random.pick(TELLING),
  ]);
  bytes[at] = value;
  return `byte ${at} to ${value}`;
}

function anyPosition(bytes: Uint8Array, random: Random): number {
  switch (random.below(4)) {
    case 0: // the header of whatever format it is
      return random.below(Math.min(64, bytes.length));
    case 1: { // a document
      const from = bytes.indexOf(0x7b, random.below(bytes.length));
      return from === -1 ? random.below(bytes.length) : Math.min(from + random.below(2000), bytes.length - 1);
    }
    case 2: // near the end: what ends a compressed stream, or an archive
      return bytes.length - 1 - random.below(Math.min(3000, bytes.length));
    default:
      return random.below(bytes.length);
  }
}

/** Where a tar header starts, in the archive itself or in a layer of it. */
function anyHeader(bytes: Uint8Array, random: Random): number | undefined {
  const from = Math.floor(random.below(bytes.length) / HEADER) * HEADER;
  for (let at = from; at + HEADER <= bytes.length; at += HEADER) {
    if (bytes[at + 257] === 0x75 && bytes[at + 258] === 0x73 && bytes[at + 261] === 0x72) return at;
  }
  return undefined;
}

/** Makes the checksum of a header right. */
function sign(bytes: Uint8Array, header: number): void {
  bytes.fill(0x20, header + 148, header + 156);
  const sum = bytes.subarray(header, header + HEADER).reduce((total, byte) => total + byte, 0);
  bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), header + 148);
}
