/** Names and answers as DNS messages have them: RFC 1035, 3 and 4.1; RFC 3596 for IPv6. */
import { isNameByte, LONGEST_NAME } from "../../plan/names/layout.ts";
import { parseAddress } from "../subnet.ts";
import { parseAddress6 } from "../subnet6.ts";

const LONGEST_LABEL = 63;
/** The name of the question, as all answers have it: it comes right after the header. */
const QUESTION_NAME = [0xc0, 12];
const CLASS_IN = 1;

const two = (number: number) => [(number >> 8) & 0xff, number & 0xff];

/** @returns undefined for a name that no message can have, or that the name server does not look for in zones */
export function encodeName(name: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes: number[] = [];
  for (const label of name.split(".")) {
    const codes = Array.from(label, (character) => character.charCodeAt(0));
    if (codes.length === 0 || codes.length > LONGEST_LABEL || !codes.every(isNameByte)) return undefined;
    bytes.push(codes.length, ...codes);
  }
  bytes.push(0);
  return bytes.length > LONGEST_NAME ? undefined : Uint8Array.from(bytes);
}

/** An answer to a question for its name. @param ttl how long it may be kept, in seconds */
export function encodeRecord(type: number, ttl: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(
    ...QUESTION_NAME,
    ...two(type),
    ...two(CLASS_IN),
    ...two(ttl >>> 16),
    ...two(ttl),
    ...two(data.length),
    ...data,
  );
}

/** Four bytes. @returns undefined for what is no IPv4 address */
export function encodeAddress4(address: string): Uint8Array<ArrayBuffer> | undefined {
  const number = parseAddress(address);
  return number === undefined ? undefined : bytesOf(BigInt(number), 4);
}

/** Sixteen bytes. @returns undefined for what is no IPv6 address */
export function encodeAddress6(address: string): Uint8Array<ArrayBuffer> | undefined {
  const number = parseAddress6(address);
  return number === undefined ? undefined : bytesOf(number, 16);
}

const bytesOf = (number: bigint, count: number) =>
  Uint8Array.from({ length: count }, (_, index) => Number(number >> BigInt(8 * (count - 1 - index)) & 0xffn));

/** The name by which an address is looked for (RFC 1035, 3.5; RFC 3596, 2.5). */
export function reverseName(address: Uint8Array): string {
  const parts = Array.from(address).reverse();
  if (address.length === 4) return `${parts.join(".")}.in-addr.arpa`;
  const digits = parts.flatMap((byte) => [byte & 0xf, byte >> 4]).map((digit) => digit.toString(16));
  return `${digits.join(".")}.ip6.arpa`;
}
