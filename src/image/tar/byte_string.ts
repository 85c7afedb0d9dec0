/**
 * Names of files are bytes, not text: Linux forbids only NUL and the slash in them. Here they are strings with one
 * character (U+0000 to U+00FF) for each byte, because strings can be keys of a Map, and V8 keeps such strings as bytes.
 */
export type ByteString = string;

/** The bytes from `start` to `end` as a ByteString. */
export function byteString(bytes: Uint8Array, start: number, end: number): ByteString {
  let text = "";
  for (let from = start; from < end; from += 4096) {
    text += String.fromCharCode.apply(
      null,
      bytes.subarray(from, Math.min(from + 4096, end)) as unknown as number[],
    );
  }
  return text;
}

/** The bytes that a ByteString stands for. */
export function toBytes(text: ByteString): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

const UTF8 = new TextDecoder();
const ENCODER = new TextEncoder();

/** Text (a path from a config, say) as a ByteString of its UTF-8. */
export function encodeText(text: string): ByteString {
  const bytes = ENCODER.encode(text);
  return byteString(bytes, 0, bytes.length);
}

/** Readable text for a message: quoted, cut when it is long, with what a terminal would obey escaped. */
export function quoteName(name: ByteString): string {
  const text = UTF8.decode(toBytes(name.length > 300 ? `${name.slice(0, 150)}...${name.slice(-150)}` : name));
  return JSON.stringify(text).replace(
    /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
