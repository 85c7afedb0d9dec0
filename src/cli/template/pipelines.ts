/** The part of parse.go that reads what stands inside an action. */
import type { Cursor } from "./cursor.ts";
import type { Token } from "./lexer.ts";
import { parseCharacter, parseNumber, quoteGo, unquote } from "./literals.ts";
import { type Command, type Operand, type Pipeline, sourceOf } from "./nodes.ts";

const OPERANDS: readonly Token["type"][] = [
  "identifier",
  "field",
  "variable",
  "dot",
  "nil",
  "bool",
  "number",
  "char",
  "string",
];

const isSign = ({ type, text }: Token, sign: string) => type === "punctuation" && text === sign;
const startsOperand = (token: Token) => OPERANDS.includes(token.type) || isSign(token, "(");

export class PipelineParser {
  /** Names of the variables that can be seen; the caller takes off what a block has put on. */
  variables: string[] = ["$"];

  constructor(readonly cursor: Cursor, readonly functions: ReadonlySet<string>) {}

  /** What ends with `}}`, or inside parentheses with `)`. */
  pipeline(context: string, end: "}}" | ")" = "}}"): Pipeline {
    const { at } = this.cursor.peekNonSpace();
    const { variables, assigns } = this.#declarations(context);
    const commands: Command[] = [];
    for (;;) {
      const token = this.cursor.peekNonSpace();
      if (end === ")" ? isSign(token, ")") : token.type === "rightDelim") {
        this.cursor.take();
        this.#check(commands, context);
        return { kind: "pipeline", at, variables, assigns, commands };
      }
      if (!startsOperand(token)) this.cursor.unexpected(token, context);
      commands.push(this.#command());
    }
  }

  #check(commands: readonly Command[], context: string): void {
    if (commands.length === 0) this.cursor.fail(`missing value for ${context}`);
    commands.forEach(({ operands }, index) => {
      const isValue = ["literal", "dot", "nil"].includes(operands[0]!.kind);
      if (index > 0 && isValue) this.cursor.fail(`non executable command in pipeline stage ${index + 1}`);
    });
  }

  /** `$a := `, `$a = `, or `$index, $element := ` of a range. */
  #declarations(context: string): { variables: string[]; assigns: boolean } {
    const { cursor } = this;
    const variables: string[] = [];
    while (cursor.peekNonSpace().type === "variable") {
      const start = cursor.position;
      const { text: name } = cursor.take();
      const sign = cursor.peekNonSpace();
      const isLast = isSign(sign, ":=") || isSign(sign, "=");
      if (!isLast && !isSign(sign, ",")) {
        cursor.backTo(start);
        break;
      }
      cursor.take();
      variables.push(name);
      this.variables.push(name);
      if (isLast) return { variables, assigns: sign.text === "=" };
      if (context !== "range" || variables.length > 1) cursor.fail(`too many declarations in ${context}`);
      if (cursor.peekNonSpace().type !== "variable") cursor.fail("range can only initialize variables");
    }
    return { variables, assigns: false };
  }

  #command(): Command {
    const { cursor } = this;
    const { at } = cursor.peekNonSpace();
    const operands: Operand[] = [];
    for (;;) {
      cursor.peekNonSpace();
      const operand = this.#operand();
      if (operand !== undefined) operands.push(operand);
      const token = cursor.peek();
      if (token.type === "space") continue;
      if (isSign(token, "|")) cursor.take();
      else if (token.type !== "rightDelim" && !isSign(token, ")")) cursor.unexpected(token, "operand");
      break;
    }
    if (operands.length === 0) cursor.fail("empty command");
    return { kind: "command", at, operands };
  }

  /** A term, and the fields that follow it: `(index .A 0).B.C`. */
  #operand(): Operand | undefined {
    const of = this.#term();
    const first = this.cursor.peek();
    if (of === undefined || first.type !== "field") return of;
    const names: string[] = [];
    while (this.cursor.peek().type === "field") names.push(this.cursor.take().text.slice(1));
    if (of.kind === "field" || of.kind === "variable") {
      return { kind: of.kind, at: first.at, names: [...of.names, ...names] };
    }
    if (["literal", "nil", "dot"].includes(of.kind)) {
      this.cursor.fail(`unexpected . after term ${quoteGo(sourceOf(of))}`);
    }
    return { kind: "chain", at: first.at, of, names };
  }

  #term(): Operand | undefined {
    const token = this.cursor.peek();
    if (!startsOperand(token)) return undefined;
    this.cursor.take();
    const { type, at, text } = token;
    switch (type) {
      case "identifier":
        if (!this.functions.has(text)) this.cursor.fail(`function ${quoteGo(text)} not defined`);
        return { kind: "identifier", at, name: text };
      case "field":
        return { kind: "field", at, names: [text.slice(1)] };
      case "variable":
        if (!this.variables.includes(text)) this.cursor.fail(`undefined variable ${quoteGo(text)}`);
        return { kind: "variable", at, names: [text] };
      case "dot":
      case "nil":
        return { kind: type, at };
      case "punctuation":
        return this.cursor.deeper(() => this.pipeline("parenthesized pipeline", ")"));
      default:
        return this.#literal(token);
    }
  }

  #literal({ type, text, at }: Token): Operand {
    switch (type) {
      case "bool":
        return { kind: "literal", at, value: text === "true", source: text };
      case "string":
        return { kind: "literal", at, value: this.text(text), source: text };
      case "char": {
        const value = parseCharacter(text) ?? this.cursor.fail(`malformed character constant: ${text}`);
        return { kind: "literal", at, value, source: text };
      }
      default: {
        const problem = /^[+-]?[0-9]+$/.test(text) ? "integer overflow" : "illegal number syntax";
        const value = parseNumber(text) ?? this.cursor.fail(`${problem}: ${quoteGo(text)}`);
        return { kind: "literal", at, value, source: text };
      }
    }
  }

  /** What a quoted string says. */
  text(source: string): string {
    return unquote(source) ?? this.cursor.fail("invalid syntax");
  }
}
