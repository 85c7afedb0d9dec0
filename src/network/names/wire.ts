/** Names and answers as DNS messages have them: RFC 1035, 3 and 4.1; RFC 3596 for IPv6. */
import { isNameByte, LONGEST_NAME } from "../../plan/names/layout.ts";

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
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) return undefined;
  const bytes = address.split(".").map(Number);
  return bytes.some((byte) => byte > 255) ? undefined : Uint8Array.from(bytes);
}

/** Sixteen bytes (RFC 4291, 2.2), without a zone. @returns undefined for what is no IPv6 address */
export function encodeAddress6(address: string): Uint8Array<ArrayBuffer> | undefined {
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  if (embedded !== null) {
    const four = encodeAddress4(embedded[2]!);
    if (four === undefined) return undefined;
    const [high, low] = [0, 2].map((at) => ((four[at]! << 8) | four[at + 1]!).toString(16));
    return encodeAddress6(`${embedded[1]}${high}:${low}`);
  }
  const halves = address.split("::");
  if (halves.length > 2) return undefined;
  const [before, after] = halves.map((half) => half === "" ? [] : half.split(":")) as [string[], string[]?];
  const missing = 8 - before.length - (after ?? []).length;
  if (after === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...Array<string>(missing).fill("0"), ...after ?? []];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return Uint8Array.from(groups.flatMap((group) => two(parseInt(group, 16))));
}

/** The name by which an address is looked for (RFC 1035, 3.5; RFC 3596, 2.5). */
export function reverseName(address: Uint8Array): string {
  const parts = Array.from(address).reverse();
  if (address.length === 4) return `${parts.join(".")}.in-addr.arpa`;
  const digits = parts.flatMap((byte) => [byte & 0xf, byte >> 4]).map((digit) => digit.toString(16));
  return `${digits.join(".")}.ip6.arpa`;
}
