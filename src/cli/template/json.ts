/** JSON as Go's encoding/json writes it. */
import { compareTexts, Float, GoMap, List, Nil, Struct, Text, type Value } from "./value.ts";

/**
 * A value as one line of JSON, as Go's encoding/json writes it: keys of maps sorted, fields of structs in their order. DEL and
 * the C1 control characters, which Go leaves as they are, are escaped too: a terminal would obey them.
 * @param escapeHtml json.Marshal's habit; json.Encoder's is turned off by docker
 */
export function encodeJson(value: Value, escapeHtml = false): string {
  const encode = (item: Value) => encodeJson(item, escapeHtml);
  if (value === undefined || value === null || value instanceof Nil) return "null";
  if (typeof value === "string") return encodeText(value, escapeHtml);
  if (value instanceof Float) return String(value.value);
  if (value instanceof Text) return encodeJson(value.value, escapeHtml);
  if (value instanceof List) return value.isNil ? "null" : `[${value.items.map(encode).join(",")}]`;
  if (value instanceof GoMap) {
    if (value.isNil) return "null";
    const members = value.keys().map((key) => `${encode(key)}:${encode(value.entries.get(key))}`);
    return `{${members.join(",")}}`;
  }
  return value instanceof Struct ? encodeStruct(value, escapeHtml) : String(value);
}

function encodeStruct(struct: Struct, escapeHtml: boolean): string {
  const escapes = escapeHtml || struct.json === "map";
  const members = struct.fields()
    .map(({ name, json = name, omitEmpty }) => ({ key: json, omitEmpty, value: struct.get(name) }))
    .filter(({ omitEmpty, value }) => !omitEmpty || !isEmpty(value));
  if (struct.json === "map") members.sort((a, b) => compareTexts(a.key, b.key));
  return `{${
    members.map(({ key, value }) => `${encodeText(key, escapes)}:${encodeJson(value, escapes)}`).join(",")
  }}`;
}

/** What `omitempty` leaves out. */
function isEmpty(value: Value): boolean {
  if (value instanceof List) return value.items.length === 0;
  if (value instanceof GoMap) return value.entries.size === 0;
  if (value instanceof Text || value instanceof Float) return value.value === 0 || value.value === "";
  return value instanceof Nil || !value;
}

// deno-lint-ignore no-control-regex -- they are what is to be escaped
const UNSAFE = /["\\\x00-\x1f\x7f-\x9f\u2028\u2029]/g;
// deno-lint-ignore no-control-regex -- the same
const UNSAFE_IN_HTML = /["\\\x00-\x1f\x7f-\x9f\u2028\u2029<>&]/g;

function encodeText(text: string, escapeHtml: boolean): string {
  const unsafe = escapeHtml ? UNSAFE_IN_HTML : UNSAFE;
  return `"${text.toWellFormed().replace(unsafe, escapeCharacter)}"`;
}

const JSON_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

function escapeCharacter(character: string): string {
  return JSON_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** json.Indent with four spaces, of what encodeJson wrote. */
export function indentJson(json: string): string {
  let text = "";
  let depth = 0;
  const newline = () => `\n${"    ".repeat(depth)}`;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|\[\]|\{\}|[^"]/g)) {
    if (token === "{" || token === "[") {
      depth++;
      text += token + newline();
    } else if (token === "}" || token === "]") {
      depth--;
      text += newline() + token;
    } else text += token === "," ? `,${newline()}` : token === ":" ? ": " : token;
  }
  return text;
}
