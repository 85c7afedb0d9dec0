/** What the inspecting commands print, as docker's cli/command/inspect does. */
import { DhowError } from "../../errors.ts";
import { TemplateError } from "../template/error.ts";
import { encodeJson, indentJson } from "../template/json.ts";
import { Template } from "../template/template.ts";
import { fromJson, type Value } from "../template/value.ts";

/** Docker's exit code for a template that cannot be parsed. */
export const EXIT_BAD_TEMPLATE = 64;

export interface Inspected {
  /** For standard output. */
  readonly text: string;
  /** What went wrong, in the order of the names; the others are in the text all the same. */
  readonly errors: readonly DhowError[];
}

/**
 * Prints what some names stand for.
 * @param format a template, `json` for one line of JSON, empty for readable JSON
 * @param find looks a name up; throws a DhowError when there is nothing of that name
 * @throws {TemplateError} when the template is malformed
 */
export function inspect(names: readonly string[], format: string, find: (name: string) => Value): Inspected {
  const isJson = format === "" || format === "json";
  const print = isJson ? encodeJson : withTemplate(new Template(format));
  const texts: string[] = [];
  const errors: DhowError[] = [];
  for (const name of names) {
    try {
      texts.push(print(find(name)));
    } catch (error) {
      if (!(error instanceof DhowError)) throw error;
      errors.push(error);
    }
  }
  if (!isJson) return { text: `${texts.join("\n")}\n`, errors };
  const list = `[${texts.join(",")}]`;
  return { text: `${format === "json" ? list : indentJson(list)}\n`, errors };
}

/** A template that does not fit the object's fields may still fit the names that they have in JSON: `{{.Id}}`. */
function withTemplate(template: Template): (value: Value) => string {
  return (value) => {
    try {
      return template.execute(value);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      return template.execute(fromJson(JSON.parse(encodeJson(value))), { missingKey: "error" });
    }
  };
}
