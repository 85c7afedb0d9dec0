/** Go's fmt.Sprintf, with fmt's own way to say what is wrong with a format: `%!d(string=x)`. */
import { quoteGo } from "./literals.ts";
import { formatFloat, formatValue, mapScalars, padExponent, scalarText } from "./print.ts";
import { Float, GoMap, List, Nil, Struct, Text, typeName, type Value } from "./value.ts";

/** fmt refuses widths and precisions beyond it (tooLarge). */
const MAX_WIDTH = 1_000_000;

interface Directive {
  readonly verb: string;
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

const DIRECTIVE =
  /%([-+# 0]*)(?:\[(\d+)\])?(\*|\d+)?(?:(\.)(?:\[(\d+)\])?(\*|\d+)?)?(?:\[(\d+)\])?([\s\S])?/gu;

/** fmt.Sprintf. */
export function sprintf(format: string, values: readonly Value[]): string {
  const arguments_ = new Arguments(values);
  const text = format.replace(DIRECTIVE, (_whole, ...groups: (string | undefined)[]) => {
    const [flags = "", indexOfWidth, width, dot, indexOfPrecision, precision, index, verb] = groups;
    arguments_.jump(width === "*" ? indexOfWidth : undefined);
    const measuredWidth = arguments_.measure(width, false);
    arguments_.jump(indexOfPrecision);
    const measured = dot === undefined ? undefined : arguments_.measure(precision ?? "0", true);
    arguments_.jump(index ?? (width === "*" ? undefined : indexOfWidth));
    const problem = measuredWidth === "bad" ? "%!(BADWIDTH)" : measured === "bad" ? "%!(BADPREC)" : "";
    if (verb === undefined) return "%!(NOVERB)";
    if (verb === "%") return `${problem}%`;
    const isLeft = typeof measuredWidth === "number" && measuredWidth < 0;
    const directive = {
      verb,
      flags: isLeft ? `${flags}-` : flags,
      width: typeof measuredWidth === "number" ? Math.abs(measuredWidth) : undefined,
      precision: typeof measured === "number" ? measured : undefined,
    };
    return problem + arguments_.print(directive);
  });
  return text + arguments_.extra();
}

/** The operands, taken one after another, or by `%[n]`. */
class Arguments {
  #next = 0;
  #jumped = false;
  #badIndex = false;

  constructor(readonly values: readonly Value[]) {}

  jump(index: string | undefined): void {
    if (index === undefined) return;
    this.#jumped = true;
    const number = Number(index) - 1;
    this.#badIndex = number < 0 || number >= this.values.length;
    if (!this.#badIndex) this.#next = number;
  }

  /** A width or a precision, written out or taken from the operands. */
  measure(text: string | undefined, isPrecision: boolean): number | undefined | "bad" {
    if (text === undefined) return undefined;
    const value = text === "*" ? this.values[this.#next++] : Number(text);
    const isFit = typeof value === "number" && Math.abs(value) <= MAX_WIDTH;
    if (!isFit) return "bad";
    return isPrecision && value < 0 ? "bad" : value;
  }

  print(directive: Directive): string {
    if (this.#badIndex) {
      this.#badIndex = false;
      return `%!${directive.verb}(BADINDEX)`;
    }
    if (this.#next >= this.values.length) return `%!${directive.verb}(MISSING)`;
    return format(this.values[this.#next++], directive);
  }

  /** What is said of operands that the format does not use. */
  extra(): string {
    if (this.#jumped || this.#next >= this.values.length) return "";
    const rest = this.values.slice(this.#next).map((value) => isNothing(value) ? "<nil>" : described(value));
    return `%!(EXTRA ${rest.join(", ")})`;
  }
}

const isNothing = (value: Value) => value === undefined || value === null;
const described = (value: Value) => `${typeName(value)}=${formatValue(value)}`;

function format(value: Value, directive: Directive): string {
  const { verb, flags } = directive;
  if (verb === "T") return pad(isNothing(value) ? "<nil>" : typeName(value), directive);
  if (verb === "v" && flags.includes("#")) return pad(goSyntax(value), directive);
  const isCompound = value instanceof List || value instanceof GoMap || value instanceof Struct;
  if (isCompound && verb === "p") return bad(value, verb);
  return mapScalars(value, (scalar) => formatScalar(scalar, directive), verb === "v" && flags.includes("+"));
}

function bad(value: Value, verb: string): string {
  return isNothing(value) ? `%!${verb}(<nil>)` : `%!${verb}(${described(value)})`;
}

function formatScalar(value: Value, directive: Directive): string {
  const { verb } = directive;
  if (isNothing(value) || value instanceof Nil) {
    return verb === "v" ? pad("<nil>", directive) : bad(value, verb);
  }
  if (typeof value === "boolean") {
    return verb === "t" || verb === "v" ? pad(String(value), directive) : bad(value, verb);
  }
  if (typeof value === "string") return formatText(value, directive) ?? bad(value, verb);
  if (value instanceof Text) {
    const text = formatText(value.text, directive);
    return text ?? (typeof value.value === "number" ? formatInteger(value.value, directive) : undefined) ??
      bad(value, verb);
  }
  if (typeof value === "number") return formatInteger(value, directive) ?? bad(value, verb);
  return value instanceof Float ? formatReal(value.value, directive) ?? bad(value, verb) : bad(value, verb);
}

/** Spaces, or zeros, up to the width. */
function pad(text: string, { flags, width = 0 }: Directive, sign = ""): string {
  const length = [...text].length + sign.length;
  const fill = Math.max(0, width - length);
  if (flags.includes("-")) return sign + text + " ".repeat(fill);
  return flags.includes("0") ? sign + "0".repeat(fill) + text : " ".repeat(fill) + sign + text;
}

function formatText(value: string, directive: Directive): string | undefined {
  const { verb, flags, precision } = directive;
  const text = precision === undefined ? value : [...value].slice(0, precision).join("");
  switch (verb) {
    case "v":
    case "s":
      return pad(text, directive);
    case "q": {
      const isRaw = flags.includes("#") && !/[`\x7f]|[^\P{Cc}\t]/u.test(text);
      return pad(isRaw ? `\`${text}\`` : quoteGo(text, flags.includes("+")), directive);
    }
    case "x":
    case "X":
      return pad(hexText(value, directive), directive);
    default:
      return undefined;
  }
}

function hexText(value: string, { verb, flags, precision }: Directive): string {
  const bytes = new TextEncoder().encode(value).slice(0, precision);
  const prefix = flags.includes("#") && bytes.length > 0 ? "0x" : "";
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const hex = flags.includes(" ") ? prefix + digits.join(` ${prefix}`) : prefix + digits.join("");
  return verb === "X" ? hex.toUpperCase() : hex;
}

const BASES: Readonly<Record<string, readonly [base: number, prefix: string]>> = {
  b: [2, "0b"],
  o: [8, "0"],
  O: [8, "0o"],
  x: [16, "0x"],
  X: [16, "0X"],
};

function signOf(isNegative: boolean, flags: string): string {
  if (isNegative) return "-";
  return flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
}

function formatInteger(value: number, directive: Directive): string | undefined {
  const { verb, flags, precision } = directive;
  if (verb === "c" || verb === "q" || verb === "U") return formatRune(value, directive);
  const [base, prefix] = verb === "d" || verb === "v" ? [10, ""] as const : BASES[verb] ?? [0, ""] as const;
  if (base === 0) return undefined;
  const digits = Math.abs(value).toString(base).padStart(precision ?? 0, "0");
  const shown = verb === "X" ? digits.toUpperCase() : digits;
  const sign = signOf(value < 0, flags) + (flags.includes("#") || verb === "O" ? prefix : "");
  // a precision says how many digits there are: then nothing is filled up with zeros
  return pad(
    shown,
    precision === undefined ? directive : { ...directive, flags: flags.replaceAll("0", "") },
    sign,
  );
}

function formatRune(value: number, directive: Directive): string {
  const isRune = value >= 0 && value <= 0x10ffff && !(value >= 0xd800 && value < 0xe000);
  const character = String.fromCodePoint(isRune ? value : 0xfffd);
  if (directive.verb === "c") return pad(character, directive);
  if (directive.verb === "q") return pad(quoteGo(character, directive.flags.includes("+"), "'"), directive);
  return pad(`U+${Math.abs(value).toString(16).toUpperCase().padStart(4, "0")}`, directive);
}

function formatReal(value: number, directive: Directive): string | undefined {
  const { verb, flags, precision } = directive;
  const text = realText(Math.abs(value), verb, precision);
  if (text === undefined) return undefined;
  const isNegative = value < 0 || Object.is(value, -0);
  const shown = verb === "E" || verb === "G" ? text.toUpperCase() : text;
  return pad(shown.replace(/^\+/, ""), directive, signOf(isNegative, flags));
}

/** toFixed and its like take up to 100 digits: enough, for a float64 has 17. */
function realText(value: number, verb: string, precision: number | undefined): string | undefined {
  const digits = Math.min(precision ?? 6, 100);
  if (!Number.isFinite(value)) return "eEfFgGv".includes(verb) ? formatFloat(value) : undefined;
  switch (verb) {
    case "v":
      return precision === undefined ? formatFloat(value) : shortest(value, precision);
    case "g":
    case "G":
      return precision === undefined ? formatFloat(value) : shortest(value, precision);
    case "f":
    case "F":
      return value >= 1e21
        ? BigInt(value).toString() + (digits > 0 ? `.${"0".repeat(digits)}` : "")
        : value.toFixed(digits);
    case "e":
    case "E":
      return padExponent(value.toExponential(digits));
    default:
      return undefined;
  }
}

/** `%.3g`: so many digits at most, without zeros at the end. */
function shortest(value: number, precision: number): string {
  const digits = Math.min(Math.max(precision, 1), 100);
  const [mantissa = "", exponent] = value.toPrecision(digits).split("e");
  const isExponential = exponent !== undefined || (value !== 0 && value < 1e-4);
  if (isExponential) return padExponent(String(Number(value.toPrecision(digits)).toExponential()));
  return mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
}

/** `%#v`. */
function goSyntax(value: Value): string {
  if (isNothing(value)) return "<nil>";
  if (typeof value === "string") return quoteGo(value);
  if (value instanceof Nil) return `(${value.type})(nil)`;
  if (value instanceof List) {
    return value.isNil ? `${value.type}(nil)` : `${value.type}{${value.items.map(goSyntax).join(", ")}}`;
  }
  if (value instanceof GoMap) {
    const members = value.keys().map((key) => `${quoteGo(key)}:${goSyntax(value.entries.get(key))}`);
    return value.isNil ? `${value.type}(nil)` : `${value.type}{${members.join(", ")}}`;
  }
  if (value instanceof Struct) {
    const type = value.type.replace(/^\*/, "&");
    return `${type}{${value.fields().map(({ name }) => `${name}:${goSyntax(value.get(name))}`).join(", ")}}`;
  }
  return scalarText(value instanceof Text ? value.value : value);
}
