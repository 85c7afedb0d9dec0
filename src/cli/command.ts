import { parseArgs } from "@std/cli";
import { UsageError } from "../errors.ts";

/** An option of a command. */
export interface Option {
  /** Without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What the value is called in the help; absent for a switch. */
  readonly value?: string;
  /** Whether it may be given several times. */
  readonly repeats?: boolean;
  readonly help: string;
}

/** A command, in its own file, which is loaded only when it runs. */
export interface Command {
  readonly usage: string;
  readonly summary: string;
  readonly options: readonly Option[];
  /** What follows the first argument belongs to somebody else: the container's program. */
  readonly stopsAtFirst?: boolean;
  /** @returns the exit code */
  run(invocation: Invocation): Promise<number>;
}

/** What a command was called with. */
export interface Invocation {
  readonly args: readonly string[];
  readonly options: ParsedOptions;
  readonly global: GlobalOptions;
}

export interface GlobalOptions {
  /** --root */
  readonly root: string | undefined;
  /** --debug */
  readonly debug: boolean;
}

/** The values of a command's options, by their long names. */
export class ParsedOptions {
  constructor(readonly values: Readonly<Record<string, unknown>>) {}

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  /** The value that was given last. */
  text(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === "string" ? value : undefined;
  }

  list(name: string): string[] {
    const value = this.values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }
}

/**
 * Takes options and arguments apart.
 * @param verb how the errors name the command
 * @throws {UsageError} for an option that there is not, or one without its value
 */
export function parse(
  verb: string,
  options: readonly Option[],
  args: readonly string[],
  stopsAtFirst = false,
): { options: ParsedOptions; args: string[] } {
  const usageError = (why: string) =>
    new UsageError({ what: `cannot understand the options of "${verb}"`, why, hint: `see: ${verb} --help` });
  checkValues(options, args, stopsAtFirst, usageError);
  const names = (wanted: (option: Option) => boolean) => options.filter(wanted).map(({ name }) => name);
  const alias: Record<string, string> = {};
  for (const { name, short } of options) if (short !== undefined) alias[name] = short;
  const parsed = parseArgs(args, {
    boolean: names(({ value }) => value === undefined),
    // "_": arguments stay as they were written, 007 does not become 7
    string: [...names(({ value }) => value !== undefined), "_"],
    collect: names(({ repeats }) => repeats === true),
    alias,
    stopEarly: stopsAtFirst,
    unknown: (arg) => {
      if (arg.startsWith("-") && arg !== "-") throw usageError(`there is no option ${arg}`);
      return true;
    },
  });
  return { options: new ParsedOptions(parsed), args: parsed._.map(String) };
}

/**
 * parseArgs takes `--memory` without a value for an empty one, and any value of a switch for true: neither is what the
 * user meant.
 */
function checkValues(
  options: readonly Option[],
  args: readonly string[],
  stopsAtFirst: boolean,
  usageError: (why: string) => UsageError,
): void {
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string;
    if (arg === "--") return;
    if (!arg.startsWith("-") || arg === "-") {
      if (stopsAtFirst) return;
      continue;
    }
    const [written = "", value] = splitOnce(arg, "=");
    // of letters written together, only the last can take a value
    const letter = written.startsWith("--")
      ? undefined
      : written.slice(1).split("").find((char) =>
        options.some(({ short, value }) => short === char && value !== undefined)
      ) ?? written.at(-1);
    const option = options.find(({ name, short }) =>
      letter === undefined ? `--${name}` === written : short === letter
    );
    if (option === undefined) continue; // parseArgs reports it
    if (option.value === undefined) {
      if (value !== undefined && value !== "true" && value !== "false") {
        throw usageError(`${written} takes no value, but ${JSON.stringify(value)} was given`);
      }
    } else if (value === undefined && (letter === undefined || written.endsWith(letter))) {
      if (args[index + 1] === undefined) throw usageError(`${written} needs a value: ${option.value}`);
      index++;
    }
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** The text of `--help` for one command. */
export function helpText(verb: string, command: Command): string {
  const rows = [...command.options, HELP].map(({ name, short, value, help }) => {
    const flag = `${short === undefined ? "    " : `-${short}, `}--${name}${
      value === undefined ? "" : ` ${value}`
    }`;
    return `  ${flag.padEnd(28)} ${help}`;
  });
  return `Usage: dhow ${verb} ${command.usage}\n\n${command.summary}\n\nOptions:\n${rows.join("\n")}\n`;
}

export const HELP: Option = { name: "help", short: "h", help: "print this and end" };
