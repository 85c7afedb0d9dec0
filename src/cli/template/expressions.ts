/** The part of exec.go that turns operands, commands and pipelines into values. */
import type { Functions, Parameter, TemplateFunction } from "./builtins.ts";
import { FunctionError, TemplateError } from "./error.ts";
import { quoteGo } from "./literals.ts";
import { type Command, type Node, type Operand, type Pipeline, sourceOf } from "./nodes.ts";
import type { Scope } from "./scope.ts";
import { Float, GoMap, isTrue, Nil, Struct, typeName, type Value } from "./value.ts";

/** What the stage before in a pipeline gave: the last argument of this one. */
type Final = { readonly value: Value } | undefined;

/** Where an expression is evaluated. */
interface Place {
  readonly dot: Value;
  readonly scope: Scope;
}

function soleField({ operands: [first, second] }: Command): string | undefined {
  return second === undefined && first?.kind === "field" && first.names.length === 1
    ? first.names[0]
    : undefined;
}

export class Expressions {
  constructor(
    readonly source: string,
    /** Of the template that is executed; the outermost has none. */
    readonly name: string,
    readonly options: { readonly missingKey: "default" | "error"; readonly functions: Functions },
  ) {}

  /** @throws {TemplateError} always, saying where and on what */
  fail(node: Operand | Command | Node | undefined, why: string): never {
    if (node === undefined) throw new TemplateError(`template: : ${why}`);
    const before = this.source.slice(0, node.at);
    const line = before.split("\n").length;
    const column = new TextEncoder().encode(before.slice(before.lastIndexOf("\n") + 1)).length;
    throw new TemplateError(
      `template: :${line}:${column}: executing ${quoteGo(this.name)} at <${sourceOf(node)}>: ${why}`,
    );
  }

  /** The value of a pipeline, which its variables are set to. */
  pipeline({ commands, variables, assigns }: Pipeline, dot: Value, scope: Scope): Value {
    // most are a field by itself, and lists have thousands of them
    const field = commands.length === 1 && variables.length === 0 ? soleField(commands[0]!) : undefined;
    if (field !== undefined && dot instanceof Struct && dot.has(field)) return dot.get(field) ?? undefined;
    let final: Final;
    for (const command of commands) {
      // a nil interface is no value from here on
      final = { value: this.#command(command, { dot, scope }, final) ?? undefined };
    }
    for (const name of variables) {
      if (!assigns) scope.declare(name, final?.value);
      else if (!scope.assign(name, final?.value)) {
        this.fail(commands.at(-1)!.operands[0], `undefined variable: ${name}`);
      }
    }
    return final?.value;
  }

  #command(command: Command, place: Place, final: Final): Value {
    const [first, ...rest] = command.operands as [Operand, ...Operand[]];
    switch (first.kind) {
      case "identifier":
        return this.#function(first, command, rest, place, final);
      case "field":
        return this.#fields(first, place.dot, first.names, rest, place, final);
      case "variable":
        return this.#variable(first, rest, place, final);
      case "chain":
        return this.#chain(first, rest, place, final);
      default:
        if (rest.length > 0 || final !== undefined) {
          this.fail(first, `can't give argument to non-function ${sourceOf(first)}`);
        }
        if (first.kind === "nil") this.fail(first, "nil is not a command");
        return this.#operand(first, place);
    }
  }

  /** An operand that stands for itself. */
  #operand(node: Operand, place: Place): Value {
    switch (node.kind) {
      case "dot":
        return place.dot;
      case "nil":
        return null;
      case "literal":
        return node.value;
      case "pipeline":
        return this.pipeline(node, place.dot, place.scope);
      default:
        return this.#command({ kind: "command", at: node.at, operands: [node] }, place, undefined);
    }
  }

  #variable(
    node: Operand & { kind: "variable" },
    rest: readonly Operand[],
    place: Place,
    final: Final,
  ): Value {
    const [name, ...names] = node.names as [string, ...string[]];
    const value = place.scope.get(name);
    if (names.length > 0) return this.#fields(node, value, names, rest, place, final);
    if (rest.length > 0 || final !== undefined) {
      this.fail(node, `can't give argument to non-function ${sourceOf(node)}`);
    }
    return value;
  }

  #chain(node: Operand & { kind: "chain" }, rest: readonly Operand[], place: Place, final: Final): Value {
    if (node.of.kind === "nil") this.fail(node, `indirection through explicit nil in ${sourceOf(node)}`);
    return this.#fields(node, this.#operand(node.of, place), node.names, rest, place, final);
  }

  /** `.A.B.C`: the last of them may be a method that takes arguments. */
  #fields(
    node: Operand,
    receiver: Value,
    names: readonly string[],
    rest: readonly Operand[],
    place: Place,
    final: Final,
  ): Value {
    const last = names.length - 1;
    const of = names.slice(0, last).reduce(
      (value, name) => this.#field(node, value, name, [], place, undefined),
      receiver,
    );
    return this.#field(node, of, names[last]!, rest, place, final);
  }

  #field(
    node: Operand,
    receiver: Value,
    name: string,
    rest: readonly Operand[],
    place: Place,
    final: Final,
  ): Value {
    if (receiver === undefined) {
      if (this.options.missingKey === "error") this.fail(node, `nil data; no entry for key ${quoteGo(name)}`);
      return undefined;
    }
    if (receiver === null || receiver instanceof Nil) {
      this.fail(node, `nil pointer evaluating ${typeName(receiver)}.${name}`);
    }
    const hasMembers = receiver instanceof Struct || receiver instanceof GoMap;
    if (hasMembers && Object.hasOwn(receiver.methods, name)) {
      const { arity, call } = receiver.methods[name]!;
      const method: TemplateFunction = {
        parameters: Array(arity).fill("string"),
        call: (values) => call(...values as string[]),
      };
      return method.call(this.#arguments(node, name, method, rest, place, final));
    }
    const hasArguments = rest.length > 0 || final !== undefined;
    if (receiver instanceof Struct && receiver.has(name)) {
      if (hasArguments) this.fail(node, `${name} has arguments but cannot be invoked as function`);
      return receiver.get(name);
    }
    if (!(receiver instanceof GoMap)) {
      this.fail(node, `can't evaluate field ${name} in type ${typeName(receiver)}`);
    }
    if (hasArguments) this.fail(node, `${name} is not a method but has arguments`);
    if (!receiver.entries.has(name) && this.options.missingKey === "error") {
      this.fail(node, `map has no entry for key ${quoteGo(name)}`);
    }
    return receiver.entries.get(name);
  }

  #function(
    node: Operand & { kind: "identifier" },
    command: Command,
    rest: readonly Operand[],
    place: Place,
    final: Final,
  ): Value {
    const { name } = node;
    const function_ = this.options.functions[name]!;
    if (name === "and" || name === "or") return this.#shortCircuit(node, function_, rest, place, final);
    const values = this.#arguments(node, name, function_, rest, place, final);
    try {
      return function_.call(values);
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error;
      this.fail(command, `error calling ${name}: ${error.message}`);
    }
  }

  /** `and` and `or` evaluate no more of their arguments than they need. */
  #shortCircuit(
    node: Operand & { kind: "identifier" },
    function_: TemplateFunction,
    rest: readonly Operand[],
    place: Place,
    final: Final,
  ): Value {
    this.#checkCount(node, node.name, function_, rest.length + (final === undefined ? 0 : 1));
    let value: Value;
    for (const operand of rest) {
      value = this.#argument(operand, "any", place);
      if (isTrue(value) === (node.name === "or")) return value;
    }
    return final === undefined ? value : final.value;
  }

  #checkCount(
    node: Operand,
    name: string,
    { parameters: { length }, rest }: TemplateFunction,
    count: number,
  ): void {
    if (rest !== undefined ? count >= length : count === length) return;
    const wanted = rest === undefined ? `${length}` : `at least ${length}`;
    this.fail(node, `wrong number of args for ${name}: want ${wanted} got ${count}`);
  }

  #arguments(
    node: Operand,
    name: string,
    function_: TemplateFunction,
    rest: readonly Operand[],
    place: Place,
    final: Final,
  ): Value[] {
    this.#checkCount(node, name, function_, rest.length + (final === undefined ? 0 : 1));
    const type = (index: number) => function_.parameters[index] ?? function_.rest ?? "any";
    const values = rest.map((operand, index) => this.#argument(operand, type(index), place));
    if (final !== undefined) values.push(this.#validate(node, final.value, type(rest.length)));
    return values;
  }

  #argument(node: Operand, type: Parameter, place: Place): Value {
    if (node.kind === "nil" && type !== "any") this.fail(node, `cannot assign nil to ${type}`);
    if (node.kind === "literal") {
      const expected = type === "int" ? "integer" : type;
      if (type !== "any" && typeName(node.value) !== type && !isWhole(node.value, type)) {
        this.fail(node, `expected ${expected}; found ${node.source}`);
      }
      return isWhole(node.value, type) ? (node.value as Float).value : node.value;
    }
    return this.#validate(node, this.#operand(node, place), type);
  }

  #validate(node: Operand, value: Value, type: Parameter): Value {
    if (type === "any" || typeName(value) === type) return value;
    if (value === undefined || value === null) this.fail(node, `invalid value; expected ${type}`);
    this.fail(node, `wrong type for value; expected ${type}; got ${typeName(value)}`);
  }
}

/** A constant such as 1e3 is an integer too, where one is wanted. */
function isWhole(value: Value, type: Parameter): boolean {
  return type === "int" && value instanceof Float && Number.isInteger(value.value);
}
