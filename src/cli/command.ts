import { parseArgs } from "@std/cli";
import { OptionError } from "../errors.ts";

/** An option of a command. */
export interface Option {
  /** Without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** A long name that it had before, which no help shows. */
  readonly formerName?: string;
  /** What the value is called in the help; absent for a switch. */
  readonly value?: string;
  /** What it says without a value. Then only what follows it with `=`, or what isValue knows, is its value. Absent: it needs one. */
  readonly withoutValue?: string;
  readonly isValue?: (argument: string) => boolean;
  /** Whether it may be given several times. */
  readonly repeats?: boolean;
  /** A switch that is on unless it is given as `--name=false`. */
  readonly isOnByDefault?: boolean;
  /** Whether the help leaves it out. */
  readonly isHidden?: boolean;
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
  /** --storage */
  readonly storage: string | undefined;
  /** --debug */
  readonly debug: boolean;
}

/** The values of a command's options, by their long names. */
export class ParsedOptions {
  /** @param given the names of those that were given, and are not just what they are by default */
  constructor(readonly values: Readonly<Record<string, unknown>>, readonly given?: ReadonlySet<string>) {}

  isGiven(name: string): boolean {
    return this.given?.has(name) ?? false;
  }

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
 * Takes options and arguments apart, as docker does (github.com/spf13/pflag): `-it`, `-uroot`, `-e=A=B`, `--name=x`; what
 * follows an option that takes a value is its value, whatever it looks like. parseArgs has other habits, so it gets every
 * option spelt out as `--name=value`.
 * @param verb how the errors name the command
 * @param stopsAtFirst all from the first argument on is left as it is, `--` too
 * @throws {OptionError} for an option that there is not, or one without its value
 */
export function parse(
  verb: string,
  options: readonly Option[],
  args: readonly string[],
  stopsAtFirst = false,
): { options: ParsedOptions; args: string[] } {
  const wrong = (why: string) =>
    new OptionError({ what: `cannot understand the options of "${verb}"`, why, hint: `see: ${verb} --help` });
  const plain: string[] = [];
  const rest: string[] = [];
  const allGiven = new Set<string>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string;
    if (arg === "--" || (stopsAtFirst && !isOption(arg))) {
      rest.push(...args.slice(arg === "--" ? index + 1 : index));
      break;
    }
    if (!isOption(arg)) {
      rest.push(arg);
      continue;
    }
    for (const { option, written, value } of spellOut(arg, options, wrong)) {
      const given = value ?? valueAfter(option, args[index + 1]);
      if (value === undefined && given !== undefined && takesNext(option, args[index + 1])) index++;
      if (given === undefined) throw wrong(`${written} needs a value: ${option.value}`);
      allGiven.add(option.name);
      if (option.value !== undefined) {
        plain.push(`--${option.name}=${given}`);
        continue;
      }
      const isOn = readSwitch(given);
      if (isOn === undefined) {
        throw wrong(`${written} is on or off, but ${JSON.stringify(given)} was given`);
      }
      // parseArgs takes --no-trunc=true for something about "trunc"; without a value it does not
      plain.push(isOn ? `--${option.name}` : `--${option.name}=false`);
    }
  }
  const names = (wanted: (option: Option) => boolean) => options.filter(wanted).map(({ name }) => name);
  const values = parseArgs(plain, {
    boolean: names(({ value }) => value === undefined),
    string: names(({ value }) => value !== undefined),
    collect: names(({ repeats }) => repeats === true),
    default: Object.fromEntries(
      names(({ isOnByDefault }) => isOnByDefault === true).map((name) => [name, true]),
    ),
  });
  return { options: new ParsedOptions(values, allGiven), args: rest };
}

/** Whether the argument after an option is its value. */
function takesNext({ value, withoutValue, isValue }: Option, next: string | undefined): boolean {
  if (value === undefined || next === undefined) return false;
  return withoutValue === undefined || isValue?.(next) === true;
}

/** What an option means that has no value in its own argument; undefined when it lacks one. */
function valueAfter(option: Option, next: string | undefined): string | undefined {
  if (takesNext(option, next)) return next;
  return option.value === undefined ? "true" : option.withoutValue;
}

/** @returns undefined for what Go does not take for a bool (strconv.ParseBool) */
export function readSwitch(text: string): boolean | undefined {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  return undefined;
}

const isOption = (arg: string) => arg.startsWith("-") && arg !== "-";

/** The options in one argument: one with two dashes, or letters, of which the last may be followed by its value. */
function spellOut(
  arg: string,
  options: readonly Option[],
  wrong: (why: string) => OptionError,
): { option: Option; written: string; value: string | undefined }[] {
  const find = (matches: (option: Option) => boolean) => {
    const option = options.find(matches);
    if (option === undefined) throw wrong(`there is no option ${arg}`);
    return option;
  };
  if (arg.startsWith("--")) {
    const [written, value] = splitOnce(arg, "=");
    return [{
      option: find(({ name, formerName }) => [name, formerName].includes(written.slice(2))),
      written,
      value,
    }];
  }
  const found = [];
  for (let at = 1; at < arg.length; at++) {
    const letter = arg[at] as string;
    const option = find(({ short }) => short === letter);
    const after = arg.slice(at + 1);
    const takesAll = after.startsWith("=") || (option.value !== undefined && after !== "");
    found.push({ option, written: `-${letter}`, value: takesAll ? after.replace(/^=/, "") : undefined });
    if (takesAll) break;
  }
  return found;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** The text of `--help` for one command. */
export function helpText(verb: string, command: Command): string {
  const shown = withHelp(command.options).filter(({ isHidden }) => isHidden !== true);
  const rows = shown.map(({ name, short, value, help }) => {
    const flag = `${short === undefined ? "    " : `-${short}, `}--${name}${
      value === undefined ? "" : ` ${value}`
    }`;
    return `  ${flag.padEnd(27)}  ${help}`;
  });
  return `Usage: dhow ${verb} ${command.usage}\n\n${command.summary}\n\nOptions:\n${rows.join("\n")}\n`;
}

/** A command's options and --help, which leaves its letter to an option that has it in docker. */
export function withHelp(options: readonly Option[]): Option[] {
  const isTaken = options.some(({ short }) => short === "h");
  return [...options, isTaken ? { name: HELP.name, help: HELP.help } : HELP];
}

export const HELP: Option = { name: "help", short: "h", help: "print this and end" };
