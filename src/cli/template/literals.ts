/** Go's literals, as strconv reads and writes them. */
import { Float } from "./value.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]))|[^\\]/gu;

/** What a quoted string says; undefined when it is malformed. */
export function unquote(source: string): string | undefined {
  const inner = source.slice(1, -1);
  return source.startsWith("`") ? inner.replaceAll("\r", "") : unescape(inner, source[0]!);
}

/** `\x` and octal escapes are bytes in Go; here they are the characters of those numbers, which for ASCII is the same. */
function unescape(inner: string, quote: string): string | undefined {
  let text = "";
  for (const [whole, hex, short, long, octal, letter] of inner.matchAll(ESCAPE)) {
    const code = hex ?? short ?? long;
    if (code !== undefined || octal !== undefined) {
      const number = code === undefined ? parseInt(octal!, 8) : parseInt(code, 16);
      if (number > 0x10ffff || (number >= 0xd800 && number < 0xe000)) return undefined;
      text += String.fromCodePoint(number);
    } else if (letter !== undefined) {
      const isOtherQuote = (letter === "'" || letter === '"') && letter !== quote;
      if (ESCAPES[letter] === undefined || isOtherQuote) return undefined;
      text += ESCAPES[letter];
    } else text += whole;
  }
  return text;
}

/** The number of a character constant's character; undefined when it is malformed. */
export function parseCharacter(source: string): number | undefined {
  const characters = [...unescape(source.slice(1, -1), "'") ?? ""];
  return characters.length === 1 ? characters[0]!.codePointAt(0) : undefined;
}

/** A number constant: an int, or a float64 if it is written like one. */
export function parseNumber(source: string): number | Float | undefined {
  const text = source.replaceAll("_", "");
  const negative = text.startsWith("-");
  const digits = text.replace(/^[+-]/, "");
  // Go still takes 017 for octal
  const plain = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
  const value = Number(plain) * (negative ? -1 : 1);
  if (Number.isNaN(value) || digits === "") return undefined;
  if (!/^0[xXbBoO]/.test(plain) && /[.eE]/.test(plain)) return new Float(value);
  return Number.isSafeInteger(value) ? value : undefined;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};

/**
 * strconv.Quote.
 * @param asciiOnly strconv.QuoteToASCII: `%+q`
 */
export function quoteGo(text: string, asciiOnly = false, quote = '"'): string {
  const inner = Array.from(text, (character) => {
    if (character === quote) return `\\${quote}`;
    const short = SHORT_ESCAPES[character];
    if (short !== undefined) return short;
    const code = character.codePointAt(0)!;
    const isPlain = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character);
    if (isPlain && (code < 0x80 || !asciiOnly)) return character;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return quote + inner.join("") + quote;
}
