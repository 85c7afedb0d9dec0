/** Go's text/template, parse.go: a template's tokens as a tree, with Go's messages for what is wrong. */
import { Cursor } from "./cursor.ts";
import { type Token, tokensOf } from "./lexer.ts";
import type { Branch, Node } from "./nodes.ts";
import { PipelineParser } from "./pipelines.ts";

export interface ParsedTemplate {
  readonly body: readonly Node[];
  /** What `define` and `block` name. */
  readonly defined: ReadonlyMap<string, readonly Node[]>;
}

/**
 * @param functions names of the functions that the template may call
 * @throws {TemplateError} in Go's words
 */
export function parseTemplate(text: string, functions: ReadonlySet<string>): ParsedTemplate {
  return new Parser(new Cursor(tokensOf(text)), functions).parse();
}

/** What ends a list of nodes. */
interface Ending {
  readonly kind: "end" | "else";
}

const isEnding = (node: Node | Ending): node is Ending => node.kind === "end" || node.kind === "else";

class Parser {
  readonly #defined = new Map<string, readonly Node[]>();
  readonly #pipelines: PipelineParser;
  /** How many ranges there are around. */
  #ranges = 0;

  constructor(readonly cursor: Cursor, functions: ReadonlySet<string>) {
    this.#pipelines = new PipelineParser(cursor, functions);
  }

  parse(): ParsedTemplate {
    const body: Node[] = [];
    while (this.cursor.peek().type !== "end") {
      if (this.#takesDefine()) this.#definition();
      else {
        const node = this.#textOrAction();
        if (isEnding(node)) this.cursor.fail(`unexpected {{${node.kind}}}`);
        body.push(node);
      }
    }
    return { body, defined: this.#defined };
  }

  /** Definitions stand at the top only. */
  #takesDefine(): boolean {
    const start = this.cursor.position;
    if (this.cursor.take().type === "leftDelim") {
      const { type, text } = this.cursor.takeNonSpace();
      if (type === "keyword" && text === "define") return true;
    }
    this.cursor.backTo(start);
    return false;
  }

  #definition(): void {
    const context = "define clause";
    const { name } = this.#name(context);
    this.cursor.expect("rightDelim", context);
    this.#define(name, context);
  }

  #name(context: string): { name: string; at: number } {
    const { text, at } = this.cursor.expect("string", context);
    return { name: this.#pipelines.text(text), at };
  }

  /** Reads a definition's body, which sees no variables but `$`, and is in no range. */
  #define(name: string, context: string): void {
    const { variables } = this.#pipelines;
    const ranges = this.#ranges;
    this.#pipelines.variables = ["$"];
    this.#ranges = 0;
    const { nodes, ending } = this.#list();
    if (ending.kind !== "end") this.cursor.fail(`unexpected {{${ending.kind}}} in ${context}`);
    this.#pipelines.variables = variables;
    this.#ranges = ranges;
    this.#defined.set(name, nodes);
  }

  #list(): { nodes: Node[]; ending: Ending } {
    const nodes: Node[] = [];
    while (this.cursor.peekNonSpace().type !== "end") {
      const node = this.#textOrAction();
      if (isEnding(node)) return { nodes, ending: node };
      nodes.push(node);
    }
    this.cursor.fail("unexpected EOF");
  }

  #textOrAction(): Node | Ending {
    const token = this.cursor.takeNonSpace();
    if (token.type === "text") return { kind: "text", text: token.text, at: token.at };
    if (token.type !== "leftDelim") this.cursor.unexpected(token, "input");
    this.cursor.beginAction(token);
    return this.cursor.deeper(() => this.#action());
  }

  #action(): Node | Ending {
    const token = this.cursor.peekNonSpace();
    if (token.type !== "keyword") {
      return { kind: "action", at: token.at, pipeline: this.#pipelines.pipeline("command") };
    }
    this.cursor.take();
    const { text, at } = token;
    switch (text) {
      case "if":
      case "range":
      case "with":
        return this.#branch(text, at);
      case "end":
        this.cursor.expect("rightDelim", "end");
        return { kind: "end" };
      case "else":
        if (!this.#isIf()) this.cursor.expect("rightDelim", "else");
        return { kind: "else" };
      case "break":
      case "continue":
        return this.#leave(text, token);
      case "template":
        return this.#template();
      case "block":
        return this.#block();
      default:
        this.cursor.unexpected(token, "command");
    }
  }

  #isIf(): boolean {
    const { type, text } = this.cursor.peekNonSpace();
    return type === "keyword" && text === "if";
  }

  #leave(kind: "break" | "continue", { at }: Token): Node {
    const token = this.cursor.peekNonSpace();
    if (token.type !== "rightDelim") this.cursor.unexpected(token, `{{${kind}}}`);
    if (this.#ranges === 0) this.cursor.fail(`{{${kind}}} outside {{range}}`);
    this.cursor.take();
    return { kind, at };
  }

  #branch(kind: Branch["kind"], at: number): Branch {
    const { length } = this.#pipelines.variables;
    const pipeline = this.#pipelines.pipeline(kind);
    if (kind === "range") this.#ranges++;
    const { nodes: body, ending } = this.#list();
    if (kind === "range") this.#ranges--;
    const otherwise = ending.kind === "else" ? this.#otherwise(kind) : undefined;
    this.#pipelines.variables.length = length;
    return { kind, at, pipeline, body, otherwise };
  }

  #otherwise(kind: Branch["kind"]): readonly Node[] {
    const { at } = this.cursor.peek();
    if (kind === "if" && this.#isIf()) {
      this.cursor.take();
      // it shares its {{end}} with the first one
      return [this.cursor.deeper(() => this.#branch("if", at))];
    }
    const { nodes, ending } = this.#list();
    if (ending.kind !== "end") this.cursor.fail(`expected end; found {{${ending.kind}}}`);
    return nodes;
  }

  #template(): Node {
    const context = "template clause";
    const { name, at } = this.#name(context);
    if (this.cursor.peekNonSpace().type === "rightDelim") {
      this.cursor.take();
      return { kind: "template", at, name, pipeline: undefined };
    }
    return { kind: "template", at, name, pipeline: this.#pipelines.pipeline(context) };
  }

  /** A definition and its use at once. */
  #block(): Node {
    const context = "block clause";
    const { name, at } = this.#name(context);
    const pipeline = this.#pipelines.pipeline(context);
    this.#define(name, context);
    return { kind: "template", at, name, pipeline };
  }
}
