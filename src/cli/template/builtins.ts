/** Go's text/template, funcs.go: the functions of every template. */
import { equalsAny, isLess } from "./compare.ts";
import { FunctionError } from "./error.ts";
import { formatValue, sprint, sprintln } from "./print.ts";
import { sprintf } from "./printf.ts";
import { GoMap, isTrue, List, Nil, typeName, type Value } from "./value.ts";

/** Of what type an argument must be: a Go type, or anything. */
export type Parameter = "any" | "string" | "int";

export interface TemplateFunction {
  readonly parameters: readonly Parameter[];
  /** It takes any number of these beyond. */
  readonly rest?: Parameter;
  call(values: readonly Value[]): Value;
}

export type Functions = Readonly<Record<string, TemplateFunction>>;

/** A function of one string, or two. */
export function ofTexts(count: number, work: (...texts: string[]) => Value): TemplateFunction {
  return { parameters: Array(count).fill("string"), call: (values) => work(...values as string[]) };
}

const ofAny = (count: number, work: (...values: Value[]) => Value, hasRest = false): TemplateFunction => ({
  parameters: Array(count).fill("any"),
  ...(hasRest ? { rest: "any" as const } : {}),
  call: (values) => work(...values),
});

const ofRest = (work: (values: readonly Value[]) => Value) => ofAny(0, (...values) => work(values), true);

export const BUILTINS: Functions = {
  and: ofAny(1, (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1), true),
  or: ofAny(1, (...values) => values.find(isTrue) ?? values.at(-1), true),
  not: ofAny(1, (value) => !isTrue(value)),
  eq: ofAny(1, (first, ...others) => equalsAny(first, others), true),
  ne: ofAny(2, (first, second) => !equalsAny(first, [second])),
  lt: ofAny(2, isLess),
  le: ofAny(2, (first, second) => isLess(first, second) || equalsAny(first, [second])),
  gt: ofAny(2, (first, second) => !isLess(first, second) && !equalsAny(first, [second])),
  ge: ofAny(2, (first, second) => !isLess(first, second)),
  len: ofAny(1, length),
  index: ofAny(1, (of, ...keys) => keys.reduce(item, of), true),
  slice: ofAny(1, slice, true),
  print: ofRest(sprint),
  println: ofRest(sprintln),
  printf: {
    parameters: ["string"],
    rest: "any",
    call: ([format, ...values]) => sprintf(String(format), values),
  },
  call: ofAny(1, (value) => {
    // no value of docker's is a function
    throw new FunctionError(`non-function of type ${typeName(value)}`);
  }, true),
  html: ofRest((values) => escapeHtml(textOf(values))),
  js: ofRest((values) => escapeJs(textOf(values))),
  urlquery: ofRest((values) => escapeQuery(textOf(values))),
};

const encoder = new TextEncoder();
/** Go slices strings by bytes. What is cut in the middle of a character is no character. */
const sliceText = (text: string, from: number, to: number) =>
  new TextDecoder().decode(encoder.encode(text).subarray(from, to));

function length(value: Value): number {
  if (typeof value === "string") return encoder.encode(value).length;
  if (value instanceof List) return value.items.length;
  if (value instanceof GoMap) return value.entries.size;
  if (value === undefined || value === null) throw new FunctionError("len of nil pointer");
  if (value instanceof Nil) throw new FunctionError("len of nil pointer");
  throw new FunctionError(`len of type ${typeName(value)}`);
}

function item(of: Value, key: Value): Value {
  if (of === undefined || of === null) throw new FunctionError("index of untyped nil");
  if (of instanceof Nil) throw new FunctionError("index of nil pointer");
  if (of instanceof GoMap) {
    if (typeof key !== "string") throw new FunctionError(`value has type ${typeName(key)}; should be string`);
    return of.entries.has(key) ? of.entries.get(key) : of.zero;
  }
  if (!(of instanceof List) && typeof of !== "string") {
    throw new FunctionError(`can't index item of type ${typeName(of)}`);
  }
  const at = position(key, length(of), false);
  return of instanceof List ? of.items[at] : encoder.encode(of)[at];
}

/** @param hasEnd whether a position right behind the last item will do */
function position(key: Value, length: number, hasEnd: boolean): number {
  if (key === undefined || key === null) throw new FunctionError("cannot index slice/array with nil");
  if (typeof key !== "number") {
    throw new FunctionError(`cannot index slice/array with type ${typeName(key)}`);
  }
  if (key < 0 || key > length || (key === length && !hasEnd)) {
    throw new FunctionError(`index out of range: ${key}`);
  }
  return key;
}

function slice(of: Value, ...bounds: Value[]): Value {
  if (of === undefined || of === null) throw new FunctionError("slice of untyped nil");
  if (bounds.length > 3) throw new FunctionError(`too many slice indexes: ${bounds.length}`);
  if (typeof of !== "string" && !(of instanceof List)) {
    throw new FunctionError(`can't slice item of type ${typeName(of)}`);
  }
  if (typeof of === "string" && bounds.length === 3) throw new FunctionError("cannot 3-index slice a string");
  const size = length(of);
  const [from = 0, to = size, capacity = to] = bounds.map((bound) => position(bound, size, true));
  if (from > to) throw new FunctionError(`invalid slice index: ${from} > ${to}`);
  if (to > capacity) throw new FunctionError(`invalid slice index: ${to} > ${capacity}`);
  return typeof of === "string" ? sliceText(of, from, to) : new List(of.items.slice(from, to), of.type);
}

/** The first bytes of a text. */
export function truncate(text: string, length: number): string {
  if (length < 0) throw new FunctionError(`runtime error: slice bounds out of range [:${length}]`);
  return sliceText(text, 0, length);
}

/** What the escaping functions are given, as one text; a single missing value is `<no value>`. */
function textOf(values: readonly Value[]): string {
  const shown = values.map((value) => value === undefined || value === null ? "<no value>" : value);
  return (shown.length === 1 ? formatValue(shown[0]) : sprint(shown)).toWellFormed();
}

const HTML: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "'": "&#39;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "\0": "\ufffd",
};

function escapeHtml(text: string): string {
  // deno-lint-ignore no-control-regex -- NUL is one of them
  return text.replace(/[&'<>"\x00]/g, (character) => HTML[character]!);
}

function escapeJs(text: string): string {
  return text.replace(/[\\'"]|[<>&=]|\p{C}/gu, (character) => {
    if ("\\'\"".includes(character)) return `\\${character}`;
    const hex = character.codePointAt(0)!.toString(16).toUpperCase();
    return `\\u${hex.padStart(4, "0")}`;
  });
}

function escapeQuery(text: string): string {
  const escape = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, escape).replaceAll("%20", "+");
}
