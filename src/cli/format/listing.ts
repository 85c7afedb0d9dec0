/** What the listing commands print: rows through a template, as docker's cli/command/formatter does. */
import { TemplateError } from "../template/error.ts";
import { HEADER_FUNCTIONS } from "../template/docker_functions.ts";
import { Template } from "../template/template.ts";
import { GoMap, type Method, Struct, type Value } from "../template/value.ts";
import { printable } from "../output.ts";
import { alignTabs } from "./tabwriter.ts";

/** A thing that is listed: its fields by the names that templates have for them. They are computed when they are used. */
export interface Row {
  readonly fields: Readonly<Record<string, () => string>>;
  /** `{{.Label "name"}}` and its like. */
  readonly methods?: Readonly<Record<string, Method>>;
}

/** What the rows have in common. */
export interface Listing {
  /** How docker's errors call their type: `*formatter.imageContext`. */
  readonly type: string;
  /** The words above the columns, by the names of the fields. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Whether a format is for a table, whose columns line up. */
export function isTable(format: string): boolean {
  return format.startsWith("table");
}

/**
 * Rows as `--format` wants them.
 * @param format `table TEMPLATE`, `json`, or a template; `\t` and `\n` in it stand for what they stand for in Go
 * @returns lines, each with its end
 * @throws {TemplateError} when the template is malformed, or does not fit the rows
 */
export function formatRows({ type, headers }: Listing, rows: readonly Row[], format: string): string {
  const template = new Template(templateOf(format));
  const inTable = isTable(format);
  const body = rows.map((row) => `${template.execute(structOf(type, row, inTable))}\n`).join("");
  return inTable ? alignTabs(`${headerLine(template, headers)}\n${body}`) : body;
}

function templateOf(format: string): string {
  if (format === "json") return "{{json .}}";
  const source = isTable(format) ? format.slice("table".length) : format;
  return source.replace(/^ +| +$/g, "").replaceAll("\\t", "\t").replaceAll("\\n", "\n");
}

/** A row's fields: a list has hundreds of rows, of which a template uses some fields. */
class RowStruct extends Struct {
  constructor(type: string, readonly row: Row["fields"], methods: Row["methods"], readonly inTable: boolean) {
    super(type, [], methods, "map");
  }

  override fields() {
    return Object.keys(this.row).map((name) => ({ name, value: () => this.get(name) }));
  }

  override has(name: string): boolean {
    return Object.hasOwn(this.row, name);
  }

  override get(name: string): Value {
    const value = this.has(name) ? this.row[name]!() : undefined;
    return value !== undefined && this.inTable ? printable(value) : value;
  }
}

/** In a table, no value can add cells or lines, or reach the terminal as a command: it is one line of printable characters. */
function structOf(type: string, { fields, methods }: Row, inTable: boolean): Struct {
  return new RowStruct(type, fields, methods, inTable);
}

function headerLine(template: Template, headers: Readonly<Record<string, string>>): string {
  const label = { arity: 1, call: (name: string) => name.split(".").at(-1)!.replace(/[-_]/g, " ") };
  const names = new GoMap(new Map(Object.entries(headers)), undefined, undefined, false, { Label: label });
  try {
    return template.execute(names, { functions: HEADER_FUNCTIONS });
  } catch (error) {
    // a template may fit the rows but not their headers: then docker prints what it has
    if (error instanceof TemplateError) return "";
    throw error;
  }
}
