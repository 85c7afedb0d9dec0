/** Go's text/template, funcs.go: eq, ne, lt, le, gt, ge. */
import { FunctionError } from "./error.ts";
import { formatValue } from "./print.ts";
import { compareTexts, Float, GoMap, List, Nil, Text, typeName, type Value } from "./value.ts";

/** What `eq` compares by: numbers, strings and bools; nothing else has a kind. */
function basic(value: Value): string | number | boolean | undefined {
  if (value instanceof Float || value instanceof Text) return value.value;
  return typeof value === "object" || value === undefined ? undefined : value;
}

function kind(value: Value): string | undefined {
  const plain = basic(value);
  return value instanceof Float ? "float" : plain === undefined ? undefined : typeof plain;
}

const isNothing = (value: Value) => value === undefined || value === null || value instanceof Nil;

/** Whether the first is one of the others. */
export function equalsAny(first: Value, others: readonly Value[]): boolean {
  if (others.length === 0) throw new FunctionError("missing argument for comparison");
  return others.some((other) => equals(first, other));
}

function equals(first: Value, other: Value): boolean {
  const type = kind(first);
  if (isNothing(first) || isNothing(other)) return isNothing(first) === isNothing(other);
  if (type !== kind(other)) throw new FunctionError("incompatible types for comparison");
  if (type !== undefined) return basic(first) === basic(other);
  for (const value of [first, other]) {
    if (value instanceof List || value instanceof GoMap) {
      throw new FunctionError(`non-comparable type ${formatValue(value)}: ${typeName(value)}`);
    }
  }
  return first === other;
}

/** Whether the first is less than the second. */
export function isLess(first: Value, second: Value): boolean {
  const [left, right] = [basic(first), basic(second)];
  if (left === undefined || right === undefined) throw new FunctionError("invalid type for comparison");
  if (kind(first) !== kind(second)) throw new FunctionError("incompatible types for comparison");
  if (typeof left === "boolean" || typeof right === "boolean") {
    throw new FunctionError("invalid type for comparison");
  }
  return typeof left === "number" ? left < Number(right) : compareTexts(left, String(right)) < 0;
}
