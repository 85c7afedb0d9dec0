/** The bytes are no tar archive, or one that dhow refuses. Its message is a reason without a subject. */
export class TarError extends Error {
  override readonly name = "TarError";
}

/** Where a NUL-terminated text ends that fills at most `length` bytes from `start`. */
export function fieldEnd(bytes: Uint8Array, start: number, length: number): number {
  const end = bytes.indexOf(0, start);
  return end === -1 || end > start + length ? start + length : end;
}

/**
 * An octal number in a header field: spaces before it, a space or NUL after it; an empty field is 0.
 * @throws {TarError} when there is something else in the field
 */
export function readOctal(bytes: Uint8Array, start: number, length: number): number {
  let index = start;
  const end = start + length;
  while (index < end && (bytes[index] === 0x20 || bytes[index] === 0)) index++;
  let value = 0;
  for (; index < end; index++) {
    const digit = bytes[index]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; index < end; index++) {
    if (bytes[index] === 0) break;
    if (bytes[index] !== 0x20) throw new TarError("there is a number in its header that is not octal");
  }
  return value;
}

/**
 * A number in a header field: octal, or in GNU's base 256 when the first bit is set (two's complement, big endian).
 * @throws {TarError} when it is neither, or too large to be true
 */
export function readNumber(bytes: Uint8Array, start: number, length: number): number {
  const first = bytes[start]!;
  if (first < 0x80) return readOctal(bytes, start, length);
  let value = (first & 0x40) === 0 ? first & 0x3f : (first & 0x3f) - 0x40;
  for (let index = start + 1; index < start + length; index++) value = value * 256 + bytes[index]!;
  if (!Number.isSafeInteger(value)) {
    throw new TarError("there is a number in its header that is absurdly large");
  }
  return value;
}
