/** A template's tokens, read one after another, and Go's messages for what is wrong with them. */
import { TemplateError } from "./error.ts";
import type { Token } from "./lexer.ts";
import { quoteGo } from "./literals.ts";

/** How deep actions and parentheses may lie in each other: the parser calls itself for them. */
const MAX_DEPTH = 500;

export class Cursor {
  #next = 0;
  #depth = 0;
  #actionLine = 0;

  constructor(readonly tokens: readonly Token[]) {}

  /** Within an action that begins here, an error names its line too. */
  beginAction({ line }: Token): void {
    this.#actionLine = line;
  }

  /** @throws {TemplateError} always, with the line of the token that was looked at last, as Go counts */
  fail(why: string): never {
    throw new TemplateError(`template: :${this.peek().line}: ${why}`);
  }

  /** Refuses a token; its line is the error's. */
  unexpected(token: Token, context: string): never {
    this.#next = this.tokens.indexOf(token);
    if (token.type !== "error") this.fail(`unexpected ${quoteToken(token)} in ${context}`);
    if (this.#actionLine === 0 || this.#actionLine === token.line) this.fail(token.text);
    const where = token.text.endsWith(" action") ? "" : " in action";
    this.fail(`${token.text}${where} started at :${this.#actionLine}`);
  }

  peek(): Token {
    // the last token is the end, or an error: nothing is read beyond it
    return this.tokens[Math.min(this.#next, this.tokens.length - 1)]!;
  }

  take(): Token {
    const token = this.peek();
    this.#next++;
    return token;
  }

  /** The next token that is not a space. */
  peekNonSpace(): Token {
    while (this.peek().type === "space") this.#next++;
    return this.peek();
  }

  takeNonSpace(): Token {
    this.peekNonSpace();
    return this.take();
  }

  /** Takes one token that must be of a type. */
  expect(type: Token["type"], context: string): Token {
    const token = this.takeNonSpace();
    if (token.type !== type) this.unexpected(token, context);
    return token;
  }

  get position(): number {
    return this.#next;
  }

  /** Goes back to a position. */
  backTo(position: number): void {
    this.#next = position;
  }

  /** Work that may lead to itself. */
  deeper<T>(work: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.fail(`more than ${MAX_DEPTH} levels of actions and parentheses`);
    const result = work();
    this.#depth--;
    return result;
  }
}

/** A token as Go's errors show it. */
function quoteToken({ type, text }: Token): string {
  if (type === "end") return "EOF";
  if (type === "keyword") return `<${text}>`;
  const characters = [...text];
  return characters.length > 10 ? `${quoteGo(characters.slice(0, 10).join(""))}...` : quoteGo(text);
}
