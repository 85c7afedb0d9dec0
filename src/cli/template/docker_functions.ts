/** What docker adds to Go's functions (github.com/docker/cli, templates/templates.go). */
import { type Functions, ofTexts, truncate } from "./builtins.ts";
import { FunctionError } from "./error.ts";
import { encodeJson } from "./json.ts";
import { formatValue } from "./print.ts";
import { compareTexts, GoMap, List, typeName, type Value } from "./value.ts";

/** Characters that `pad` may add: a mistyped number must not take the machine's memory. */
const MAX_PADDING = 1 << 20;

/** strings.Title: a letter at the start, after a space, or after an ASCII character that is no letter, digit or underscore. */
const WORD_START = /(?<![^\s\x21-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7e])\p{L}/gu;

export const DOCKER_FUNCTIONS: Functions = {
  json: { parameters: ["any"], call: ([value]) => encodeJson(value) },
  split: ofTexts(2, (text, separator) => new List(splitText(text!, separator!))),
  join: { parameters: ["any", "string"], call: ([values, separator]) => join(values, String(separator)) },
  title: ofTexts(1, (text) => text!.replace(WORD_START, (start) => start.toUpperCase())),
  lower: ofTexts(1, (text) => text!.toLowerCase()),
  upper: ofTexts(1, (text) => text!.toUpperCase()),
  pad: {
    parameters: ["string", "int", "int"],
    call: ([text, before, after]) => text === "" ? "" : `${spaces(before)}${text}${spaces(after)}`,
  },
  truncate: {
    parameters: ["string", "int"],
    call: ([text, length]) => truncate(String(text), Number(length)),
  },
};

/** The same for the header of a table, whose words they leave alone; `pad` stays, so that the columns line up. */
export const HEADER_FUNCTIONS: Functions = {
  ...DOCKER_FUNCTIONS,
  json: ofTexts(1, (text) => text),
  split: ofTexts(2, (text) => text),
  join: ofTexts(2, (text) => text),
  title: ofTexts(1, (text) => text),
  lower: ofTexts(1, (text) => text),
  upper: ofTexts(1, (text) => text),
  truncate: { parameters: ["string", "int"], call: ([text]) => text },
};

/** strings.Split: between characters when the separator is empty. */
function splitText(text: string, separator: string): string[] {
  return separator === "" ? [...text] : text.split(separator);
}

function join(values: Value, separator: string): string {
  if (values === null || values === undefined) return "";
  if (values instanceof List) return values.items.map(formatValue).join(separator);
  if (values instanceof GoMap) {
    return [...values.entries.values()].map(formatValue).sort(compareTexts).join(separator);
  }
  throw new FunctionError(`expected slice, got ${typeName(values)}`);
}

function spaces(count: Value): string {
  const number = Number(count);
  if (number < 0) throw new FunctionError("strings: negative Repeat count");
  if (number > MAX_PADDING) throw new FunctionError(`more than ${MAX_PADDING} spaces`);
  return " ".repeat(number);
}
