/**
 * What templates work on: values that know as much of their Go types as can be seen in the output. A Go string, bool and
 * int are JavaScript's own (an int is a number); `null` is a nil interface, and `undefined` what Go calls an invalid
 * value: a missing map key, printed as `<no value>`.
 */
export type Value = undefined | null | string | boolean | number | Float | Text | Nil | List | GoMap | Struct;

/** A method of a Go object, called from a template: `{{.Label "name"}}`. */
export interface Method {
  /** How many arguments it takes, all strings. */
  readonly arity: number;
  call(...args: string[]): Value;
}

type Methods = Readonly<Record<string, Method>>;

/** A float64. It is told from an int, which a whole one looks like. */
export class Float {
  constructor(readonly value: number) {}
}

/** A value whose type has its own way to print itself (fmt.Stringer): a duration, a time. */
export class Text {
  /** @param value what JSON says in its place, and what %d prints */
  constructor(readonly type: string, readonly text: string, readonly value: string | number) {}
}

/** A nil pointer. */
export class Nil {
  constructor(readonly type: string) {}
}

/** A slice. */
export class List {
  constructor(
    readonly items: readonly Value[],
    readonly type = "[]string",
    readonly isNil = false,
  ) {}
}

/** A map with strings as keys. */
export class GoMap {
  constructor(
    readonly entries: ReadonlyMap<string, Value>,
    readonly type = "map[string]string",
    /** What `index` gives for a key that is not there. */
    readonly zero: Value = "",
    readonly isNil = false,
    readonly methods: Methods = {},
  ) {}

  /** Its keys as Go prints and encodes them: by their bytes, which code points sort alike. */
  keys(): string[] {
    return [...this.entries.keys()].sort(compareTexts);
  }
}

export interface Field {
  readonly name: string;
  /** A function is called when the field is first looked at. */
  readonly value: Value | (() => Value);
  /** The key in JSON, if it is not the name. */
  readonly json?: string;
  /** Left out of JSON when it is empty. */
  readonly omitEmpty?: boolean;
}

/** A struct, or a pointer to one. */
export class Struct {
  readonly #fields: ReadonlyMap<string, Field>;

  constructor(
    /** As errors name it: `*formatter.imageContext`. */
    readonly type: string,
    fields: readonly Field[],
    readonly methods: Methods = {},
    /** How it is encoded: as its fields, in order; or by Go's json.Marshal of a map, which sorts, and escapes for HTML. */
    readonly json: "fields" | "map" = "fields",
  ) {
    this.#fields = new Map(fields.map((field) => [field.name, field]));
  }

  fields(): Field[] {
    return [...this.#fields.values()];
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  get(name: string): Value {
    const value = this.#fields.get(name)?.value;
    return typeof value === "function" ? value() : value;
  }
}

/** A Go string's order: that of its bytes, which differs from JavaScript's for what lies beyond 16 bits. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const left = [...a];
  const right = [...b];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    if (left[index] !== right[index]) return left[index]!.codePointAt(0)! - right[index]!.codePointAt(0)!;
  }
  return left.length - right.length;
}

/** The name of a value's Go type, for errors. */
export function typeName(value: Value): string {
  if (value === undefined || value === null) return "interface {}";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return "int";
  if (typeof value === "string") return "string";
  return value instanceof Float ? "float64" : value.type;
}

/** Whether `if` takes a value for true: text/template, isTrue. */
export function isTrue(value: Value): boolean {
  if (value instanceof List) return value.items.length > 0;
  if (value instanceof GoMap) return value.entries.size > 0;
  if (value instanceof Float || value instanceof Text) return Boolean(value.value);
  if (value instanceof Nil) return false;
  return value instanceof Struct || Boolean(value);
}

/**
 * A parsed JSON document as Go reads one without knowing its type (map[string]interface{}), but for numbers, which stay
 * numbers.
 */
export function fromJson(document: unknown): Value {
  if (Array.isArray(document)) return new List(document.map(fromJson), "[]interface {}");
  if (typeof document === "object" && document !== null) {
    const entries = Object.entries(document).map(([key, value]) => [key, fromJson(value)] as const);
    return new GoMap(new Map(entries), "map[string]interface {}", null);
  }
  if (typeof document === "number") return Number.isInteger(document) ? document : new Float(document);
  return typeof document === "string" || typeof document === "boolean" ? document : null;
}
