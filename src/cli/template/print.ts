/** How Go prints values: fmt's %v, for which print.go and format.go are the source. */
import { Float, GoMap, List, Nil, Struct, Text, type Value } from "./value.ts";

/** `%v`. */
export function formatValue(value: Value): string {
  if (typeof value === "string") return value;
  return mapScalars(value, scalarText);
}

/**
 * Prints a value, the scalars in it by a function of the caller's: `[a b]`, `map[k:v]`, `{a b}`.
 * @param withNames `%+v`: structs have the names of their fields
 */
export function mapScalars(value: Value, scalar: (value: Value) => string, withNames = false): string {
  const inner = (item: Value) => mapScalars(item, scalar, withNames);
  if (value instanceof List) return `[${value.items.map(inner).join(" ")}]`;
  if (value instanceof GoMap) {
    return `map[${value.keys().map((key) => `${scalar(key)}:${inner(value.entries.get(key))}`).join(" ")}]`;
  }
  if (value instanceof Struct) {
    const fields = value.fields().map(({ name }) =>
      `${withNames ? `${name}:` : ""}${inner(value.get(name))}`
    );
    return `{${fields.join(" ")}}`;
  }
  return scalar(value);
}

/** `%v` of what holds no other values. */
export function scalarText(value: Value): string {
  if (value === undefined || value === null || value instanceof Nil) return "<nil>";
  if (value instanceof Text) return value.text;
  return value instanceof Float ? formatFloat(value.value) : String(value);
}

/** `%v` of a float64: the shortest text that reads back as it, with an exponent below 1e-4 and from a million on. */
export function formatFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const magnitude = Math.abs(value);
  const isSmall = magnitude !== 0 && magnitude < 1e-4;
  return isSmall || magnitude >= 1e6 ? padExponent(value.toExponential()) : String(value);
}

/** Go's exponents have two digits at least. */
export function padExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** fmt.Sprint: a space between two operands when neither is a string. */
export function sprint(values: readonly Value[]): string {
  return values.map((value, index) => {
    const isApart = index > 0 && typeof value !== "string" && typeof values[index - 1] !== "string";
    return (isApart ? " " : "") + formatValue(value);
  }).join("");
}

/** fmt.Sprintln: a space between any two. */
export function sprintln(values: readonly Value[]): string {
  return `${values.map(formatValue).join(" ")}\n`;
}
