/** Go's text/template, lex.go: a template's text as tokens. */

import { quoteGo } from "./literals.ts";

export type TokenType =
  | "text"
  | "leftDelim"
  | "rightDelim"
  | "space"
  | "field"
  | "variable"
  | "identifier"
  | "keyword"
  | "dot"
  | "nil"
  | "bool"
  | "number"
  | "char"
  | "string"
  | "punctuation"
  | "error"
  | "end";

export interface Token {
  readonly type: TokenType;
  readonly text: string;
  /** Where it begins, in UTF-16 units. */
  readonly at: number;
  readonly line: number;
}

export const KEYWORDS: readonly string[] = [
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "range",
  "template",
  "with",
];

const SPACES = " \t\r\n";
const LETTER = /[\p{L}\p{Nd}_]/u;
const NUMBER =
  /[+-]?(?:0[xX][0-9a-fA-F_]*|0[bB][01_]*|0[oO][0-7_]*|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)/y;

/** The tokens of a template. The last is `end` or `error`. */
export function tokensOf(text: string): Token[] {
  return new Lexer(text).run();
}

class Lexer {
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #depth = 0;

  constructor(readonly text: string) {}

  run(): Token[] {
    while (this.#at < this.text.length && !this.#failed()) this.#lexText();
    if (!this.#failed()) this.#push("end", "");
    return this.#tokens;
  }

  #failed(): boolean {
    return this.#tokens.at(-1)?.type === "error";
  }

  #push(type: TokenType, text: string, at = this.#at): void {
    this.#tokens.push({ type, text, at, line: this.#line });
  }

  /** Moves on, and counts the lines. */
  #advance(to: number): void {
    for (let at = this.#at; at < to; at++) if (this.text[at] === "\n") this.#line++;
    this.#at = to;
  }

  /** What stands before the next action, which it may ask to be trimmed. */
  #lexText(): void {
    const { text } = this;
    const found = text.indexOf("{{", this.#at);
    const end = found < 0 ? text.length : found;
    const trims = text[end + 2] === "-" && isSpace(text[end + 3]);
    const plain = text.slice(this.#at, end);
    const kept = trims ? trimEnd(plain) : plain;
    if (kept !== "") this.#push("text", kept);
    this.#advance(end);
    if (found < 0) return;
    const start = end + (trims ? 4 : 2);
    if (text.startsWith("/*", start)) return this.#skipComment(start);
    this.#push("leftDelim", "{{");
    this.#advance(start);
    this.#lexAction();
  }

  #skipComment(start: number): void {
    const end = this.text.indexOf("*/", start);
    if (end < 0) return this.#push("error", "unclosed comment");
    this.#advance(end + 2);
    const trims = this.#trimsRight(this.#at);
    if (!trims && !this.text.startsWith("}}", this.#at)) {
      return this.#push("error", "comment ends before closing delimiter");
    }
    this.#leave(trims);
  }

  #trimsRight(at: number): boolean {
    return isSpace(this.text[at]) && this.text.startsWith("-}}", at + 1);
  }

  /** Goes behind the closing delimiter. */
  #leave(trims: boolean): void {
    this.#advance(this.#at + (trims ? 4 : 2));
    if (!trims) return;
    let at = this.#at;
    while (isSpace(this.text[at])) at++;
    this.#advance(at);
  }

  #lexAction(): void {
    this.#depth = 0;
    while (!this.#failed()) {
      const trims = this.#trimsRight(this.#at);
      if (trims || this.text.startsWith("}}", this.#at)) {
        if (this.#depth > 0) return this.#push("error", "unclosed left paren");
        this.#push("rightDelim", "}}");
        return this.#leave(trims);
      }
      this.#lexToken();
    }
  }

  /** One token inside an action. */
  #lexToken(): void {
    const char = this.text[this.#at];
    const next = this.text[this.#at + 1];
    if (char === undefined) return this.#push("error", "unclosed action");
    if (isSpace(char)) return this.#lexSpace();
    if (char === '"') return this.#lexQuoted('"', "string", "unterminated quoted string");
    if (char === "'") return this.#lexQuoted("'", "char", "unterminated character constant");
    if (char === "`") return this.#lexRaw();
    if (char === ":") return next === "=" ? this.#take("punctuation", 2) : this.#fail("expected :=");
    if (char === "$" || (char === "." && !isDigit(next))) return this.#lexName(char);
    if (/[-+.0-9]/.test(char)) return this.#lexNumber();
    if (LETTER.test(this.#character())) return this.#lexWord();
    if (char === "(") this.#depth++;
    else if (char === ")") this.#depth--;
    if (char < " " || char > "~") return this.#fail(`unrecognized character in action: ${this.#unicode()}`);
    this.#take("punctuation", 1);
  }

  #take(type: TokenType, length: number): void {
    this.#push(type, this.text.slice(this.#at, this.#at + length));
    this.#advance(this.#at + length);
  }

  #fail(why: string): void {
    this.#push("error", why);
  }

  #character(): string {
    return String.fromCodePoint(this.text.codePointAt(this.#at) ?? 0);
  }

  /** As %#U prints a character. */
  #unicode(): string {
    const code = this.text.codePointAt(this.#at) ?? 0;
    const hex = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
    return /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(this.#character()) ? `${hex} '${this.#character()}'` : hex;
  }

  #lexSpace(): void {
    let end = this.#at;
    while (isSpace(this.text[end]) && !this.#trimsRight(end)) end++;
    this.#take("space", end - this.#at);
  }

  #lexQuoted(quote: string, type: TokenType, unterminated: string): void {
    let end = this.#at + 1;
    while (this.text[end] !== quote) {
      if (this.text[end] === "\\") end++;
      if (this.text[end] === undefined || this.text[end] === "\n") return this.#fail(unterminated);
      end++;
    }
    this.#take(type, end + 1 - this.#at);
  }

  #lexRaw(): void {
    const end = this.text.indexOf("`", this.#at + 1);
    if (end < 0) return this.#fail("unterminated raw quoted string");
    this.#take("string", end + 1 - this.#at);
  }

  /** The end of the letters and digits from `at` on. */
  #endOfWord(at: number): number {
    let end = at;
    for (;;) {
      const code = this.text.codePointAt(end);
      if (code === undefined || !LETTER.test(String.fromCodePoint(code))) return end;
      end += code > 0xffff ? 2 : 1;
    }
  }

  #lexName(char: string): void {
    const length = this.#endOfWord(this.#at + 1) - this.#at;
    if (length === 1 && char === ".") {
      return this.#isTerminated(1) ? this.#take("dot", 1) : this.#badCharacter(1);
    }
    if (!this.#isTerminated(length)) return this.#badCharacter(length);
    this.#take(char === "." ? "field" : "variable", length);
  }

  #lexWord(): void {
    const length = this.#endOfWord(this.#at) - this.#at;
    if (!this.#isTerminated(length)) return this.#badCharacter(length);
    const word = this.text.slice(this.#at, this.#at + length);
    if (KEYWORDS.includes(word)) this.#take("keyword", length);
    else if (word === "nil") this.#take("nil", length);
    else this.#take(word === "true" || word === "false" ? "bool" : "identifier", length);
  }

  /** Whether a word may end there. */
  #isTerminated(length: number): boolean {
    const next = this.text[this.#at + length];
    return next === undefined || isSpace(next) || ".,|:)(".includes(next) ||
      this.text.startsWith("}}", this.#at + length);
  }

  #badCharacter(length: number): void {
    this.#advance(this.#at + length);
    this.#fail(`bad character ${this.#unicode()}`);
  }

  #lexNumber(): void {
    NUMBER.lastIndex = this.#at;
    const length = NUMBER.exec(this.text)?.[0].length ?? 1;
    const end = this.#endOfWord(this.#at + length);
    if (end > this.#at + length || !/[0-9]/.test(this.text.slice(this.#at, end))) {
      return this.#fail(
        `bad number syntax: ${quoteGo(this.text.slice(this.#at, Math.max(end, this.#at + 1)))}`,
      );
    }
    this.#take("number", length);
  }
}

function isSpace(char: string | undefined): boolean {
  return char !== undefined && SPACES.includes(char);
}

function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= "0" && char <= "9";
}

function trimEnd(text: string): string {
  let end = text.length;
  while (isSpace(text[end - 1])) end--;
  return text.slice(0, end);
}
