import { CommandError, DhowError, EXIT_OWN_FAILURE, OptionError, UsageError } from "../errors.ts";
import { configureLog } from "../log.ts";
import { type GlobalOptions, HELP, helpText, type Option, parse, withHelp } from "./command.ts";
import { COMMANDS, type Entry, findCommand, type Group } from "./commands.ts";
import { print, printError } from "./output.ts";

const GLOBAL_OPTIONS: readonly Option[] = [
  { name: "root", value: "DIR", help: "keep images, containers and state below DIR" },
  { name: "storage", value: "KIND", help: "keep images as: erofs, loop, unpacked, fuse-overlayfs" },
  { name: "debug", short: "D", help: "say more, and show where errors come from" },
  { name: "version", short: "v", help: "print dhow's version and end" },
  HELP,
];

/** Verbs whose own failures have docker's exit code 125, to tell them from those of the container's program. */
const RUNS_A_PROGRAM: readonly string[] = ["run", "explain"];

/**
 * dhow's command line.
 * @returns the exit code of the process
 */
export async function main(argv: readonly string[]): Promise<number> {
  let debug = argv[0] === "--debug" || argv[0] === "-D";
  /** `run` in `dhow container run` as well. */
  let verb: string | undefined;
  try {
    const before = parse("dhow", GLOBAL_OPTIONS, argv, true);
    const global: GlobalOptions = {
      root: before.options.text("root"),
      storage: before.options.text("storage"),
      debug: before.options.flag("debug"),
    };
    debug = global.debug;
    configureLog(debug);
    const words = before.options.flag("version") ? ["version"] : helpLast(before.args);
    const [first, second] = words;
    verb = first === "container" ? second : first;
    if (before.options.flag("help") || first === undefined || first === "help") {
      print(overview());
      return first === undefined && !before.options.flag("help") ? 1 : 0;
    }
    const found = findCommand(words);
    if (found === undefined) throw unknownCommand(first, "dhow");
    if ("group" in found) return groupHelp(found.name, found.group, found.rest);
    return await runCommand(found.name, found.entry, found.rest, global);
  } catch (error) {
    printError(error, debug);
    if (!(error instanceof DhowError)) return EXIT_OWN_FAILURE;
    const isForRun = verb !== undefined && RUNS_A_PROGRAM.includes(verb);
    const hasOwnCode = error instanceof OptionError || error instanceof CommandError;
    return isForRun || hasOwnCode ? error.exitCode : 1;
  }
}

/** `help images` as `images --help`. */
function helpLast(words: readonly string[]): readonly string[] {
  const [first, ...others] = words;
  return first === "help" && others.length > 0 ? [...others, "--help"] : words;
}

function unknownCommand(words: string, program: string): UsageError {
  return new UsageError({
    what: `cannot find the command "${words}"`,
    why: `${program} has none`,
    hint: `see: ${program} --help`,
  });
}

async function runCommand(
  name: string,
  entry: Entry,
  words: readonly string[],
  global: GlobalOptions,
): Promise<number> {
  const { command } = await entry.load();
  const { options, args } = parse(`dhow ${name}`, withHelp(command.options), words, command.stopsAtFirst);
  if (!options.flag("help")) {
    if (Deno.uid() !== 0 && entry.isApart !== true) await (await import("./rootless.ts")).enter(global);
    return await command.run({ args, options, global });
  }
  print(helpText(name, command));
  return 0;
}

/** A group by itself is asked for its help. */
function groupHelp(name: string, { summary, verbs }: Group, words: readonly string[]): number {
  const { args } = parse(`dhow ${name}`, [HELP], words, true);
  if (args[0] !== undefined && args[0] !== "help") throw unknownCommand(args[0], `dhow ${name}`);
  print([
    `Usage: dhow ${name} COMMAND`,
    "",
    `${summary}.`,
    "",
    "Commands:",
    ...commandLines(verbs),
    "",
    `More on a command: dhow ${name} COMMAND --help`,
    "",
  ].join("\n"));
  return 0;
}

function commandLines(commands: Readonly<Record<string, Entry | Group>>): string[] {
  const listed = Object.entries(commands).filter(([, entry]) => !("isHidden" in entry));
  return listed.map(([verb, { summary }]) => `  ${verb.padEnd(10)} ${summary}`);
}

function overview(): string {
  const options = GLOBAL_OPTIONS.map(({ name, value, help }) =>
    `  --${(value === undefined ? name : `${name} ${value}`).padEnd(12)} ${help}`
  );
  return [
    "Usage: dhow [OPTIONS] COMMAND",
    "",
    "Runs container images on a machine where nothing is installed.",
    "",
    "Commands:",
    ...commandLines(COMMANDS),
    "",
    "Options:",
    ...options,
    "",
    "More on a command: dhow COMMAND --help",
    "",
  ].join("\n");
}
