/** Go's text/template, exec.go: a template used on a value, with Go's messages for what does not fit. */
import type { Functions } from "./builtins.ts";
import { Expressions } from "./expressions.ts";
import type { Branch, Node, Pipeline } from "./nodes.ts";
import type { ParsedTemplate } from "./parser.ts";
import { formatValue } from "./print.ts";
import { Scope } from "./scope.ts";
import { GoMap, isTrue, List, Struct, type Value } from "./value.ts";

/** Templates within templates and blocks within blocks; Go has 100,000. */
const MAX_DEPTH = 600;

/** Characters of one execution. Ranges within ranges could otherwise fill the memory. */
const MAX_OUTPUT = 64 << 20;

export interface ExecuteOptions {
  /** What a key that a map does not have is: `<no value>`, or an error. */
  readonly missingKey: "default" | "error";
}

/**
 * @param source what the template was parsed from, for errors
 * @throws {TemplateError}
 */
export function execute(
  template: ParsedTemplate,
  source: string,
  value: Value,
  options: ExecuteOptions & { readonly functions: Functions },
): string {
  const execution = new Execution(template, source, "", options);
  execution.list(template.body, value, new Scope(value));
  return execution.output.join("");
}

/** The name of the field that a pipeline consists of: `.Name`; undefined when there is more in it. */
function onlyField({ commands, variables }: Pipeline): string | undefined {
  const operand = commands[0]?.operands[0];
  const isOnly = commands.length === 1 && commands[0]!.operands.length === 1 && variables.length === 0;
  return isOnly && operand?.kind === "field" && operand.names.length === 1 ? operand.names[0] : undefined;
}

/** How a node ended: as usual, or by leaving the range around it. */
type Flow = "break" | "continue" | undefined;

class Execution {
  readonly output: string[] = [];
  #length = 0;
  #depth = 0;
  #expressions: Expressions;

  constructor(
    readonly template: ParsedTemplate,
    readonly source: string,
    name: string,
    readonly options: ExecuteOptions & { readonly functions: Functions },
  ) {
    this.#expressions = new Expressions(source, name, options);
  }

  list(nodes: readonly Node[], dot: Value, scope: Scope): Flow {
    if (++this.#depth > MAX_DEPTH) {
      this.#expressions.fail(nodes[0], `exceeded maximum template depth (${MAX_DEPTH})`);
    }
    for (const node of nodes) {
      const flow = this.#node(node, dot, scope);
      if (flow !== undefined) {
        this.#depth--;
        return flow;
      }
    }
    this.#depth--;
    return undefined;
  }

  #write(node: Node, text: string): void {
    this.#length += text.length;
    if (this.#length > MAX_OUTPUT) {
      this.#expressions.fail(node, `more than ${MAX_OUTPUT} characters of output`);
    }
    this.output.push(text);
  }

  #node(node: Node, dot: Value, scope: Scope): Flow {
    switch (node.kind) {
      case "text":
        this.#write(node, node.text);
        return undefined;
      case "action": {
        const value = this.#actionValue(node.pipeline, dot, scope);
        if (node.pipeline.variables.length === 0) {
          this.#write(node, value === undefined || value === null ? "<no value>" : formatValue(value));
        }
        return undefined;
      }
      case "if":
      case "with":
        return scope.block(() => this.#condition(node, dot, scope));
      case "range":
        return scope.block(() => this.#range(node, dot, scope));
      case "template":
        this.#call(node, dot, scope);
        return undefined;
      default:
        return node.kind;
    }
  }

  /** Lists print hundreds of rows of fields, and nothing else: they need none of what an expression can do. */
  #actionValue(pipeline: Pipeline, dot: Value, scope: Scope): Value {
    const name = onlyField(pipeline);
    const isField = name !== undefined && dot instanceof Struct && !Object.hasOwn(dot.methods, name) &&
      dot.has(name);
    return isField ? dot.get(name) : this.#expressions.pipeline(pipeline, dot, scope);
  }

  #condition({ kind, pipeline, body, otherwise = [] }: Branch, dot: Value, scope: Scope): Flow {
    const value = this.#expressions.pipeline(pipeline, dot, scope);
    if (!isTrue(value)) return this.list(otherwise, dot, scope);
    return this.list(body, kind === "with" ? value : dot, scope);
  }

  #range(node: Branch, dot: Value, scope: Scope): Flow {
    const { pipeline, body, otherwise = [] } = node;
    const { variables, assigns } = pipeline;
    const value = this.#expressions.pipeline({ ...pipeline, variables: [] }, dot, scope);
    const items = this.#itemsOf(node, value);
    const set = (name: string | undefined, item: Value) => {
      if (name === undefined) return;
      if (assigns) scope.assign(name, item);
      else scope.declare(name, item);
    };
    for (const [key, item] of items) {
      const flow = scope.block(() => {
        // one variable is the element; of two, the first is the index
        if (variables.length === 2) set(variables[0], key);
        set(variables.at(-1), item);
        return this.list(body, item, scope);
      });
      if (flow === "break") break;
    }
    return items.length === 0 ? this.list(otherwise, dot, scope) : undefined;
  }

  #itemsOf({ pipeline }: Branch, value: Value): (readonly [Value, Value])[] {
    if (value === undefined || value === null) return [];
    if (value instanceof List) return value.items.map((item, index) => [index, item]);
    if (value instanceof GoMap) return value.keys().map((key) => [key, value.entries.get(key)]);
    const last = pipeline.commands.at(-1)?.operands[0];
    this.#expressions.fail(last, `range can't iterate over ${formatValue(value)}`);
  }

  #call(node: Node & { kind: "template" }, dot: Value, scope: Scope): void {
    const body = this.template.defined.get(node.name);
    if (body === undefined) {
      this.#expressions.fail(node, `template ${JSON.stringify(node.name)} not defined`);
    }
    const value = node.pipeline === undefined
      ? undefined
      : this.#expressions.pipeline(node.pipeline, dot, scope);
    const caller = this.#expressions;
    this.#expressions = new Expressions(this.source, node.name, this.options);
    this.list(body, value, new Scope(value));
    this.#expressions = caller;
  }
}
