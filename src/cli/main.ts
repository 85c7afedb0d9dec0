import { DhowError, EXIT_OWN_FAILURE, UsageError } from "../errors.ts";
import { configureLog } from "../log.ts";
import { type Command, type GlobalOptions, HELP, helpText, type Option, parse, withHelp } from "./command.ts";
import { print, printError } from "./output.ts";

/** What `dhow --help` lists: known without loading the commands themselves. */
const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<{ command: Command }> }>> = {
  run: { summary: "Run a command in a new container", load: () => import("./run.ts") },
  explain: {
    summary: "Print what run would do, as a shell script that does it",
    load: () => import("./explain.ts"),
  },
  load: { summary: "Load images from an archive of docker save", load: () => import("./load.ts") },
  save: {
    summary: "Write images to an archive that docker, podman and dhow load",
    load: () => import("./save.ts"),
  },
  import: { summary: "Make an image of a tar of a file system", load: () => import("./import.ts") },
  export: {
    summary: "Write the file system of a running container as a tar",
    load: () => import("./export.ts"),
  },
  commit: {
    summary: "Make an image of a running container's changes",
    load: () => import("./commit.ts"),
  },
  images: { summary: "List images", load: () => import("./images.ts") },
  recover: {
    summary: "Undo what killed commands left behind (every command does this first)",
    load: () => import("./recover.ts"),
  },
  version: { summary: "Print dhow's version", load: () => import("./version.ts") },
};

const GLOBAL_OPTIONS: readonly Option[] = [
  { name: "root", value: "DIR", help: "keep images, containers and state below DIR" },
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
  let verb: string | undefined;
  try {
    const before = parse("dhow", GLOBAL_OPTIONS, argv, true);
    const global: GlobalOptions = { root: before.options.text("root"), debug: before.options.flag("debug") };
    debug = global.debug;
    configureLog(debug);
    verb = before.options.flag("version") ? "version" : before.args[0];
    if (before.options.flag("help") || verb === undefined || verb === "help") {
      print(overview());
      return verb === undefined && !before.options.flag("help") ? 1 : 0;
    }
    const entry = Object.hasOwn(COMMANDS, verb) ? COMMANDS[verb] : undefined;
    if (entry === undefined) {
      throw new UsageError({
        what: `cannot find the command "${verb}"`,
        why: "dhow has none",
        hint: "see: dhow --help",
      });
    }
    const { command } = await entry.load();
    const rest = before.args.slice(1);
    const { options, args } = parse(`dhow ${verb}`, withHelp(command.options), rest, command.stopsAtFirst);
    if (options.flag("help")) {
      print(helpText(verb, command));
      return 0;
    }
    return await command.run({ args, options, global });
  } catch (error) {
    printError(error, debug);
    if (!(error instanceof DhowError)) return EXIT_OWN_FAILURE;
    const isUsage = error instanceof UsageError;
    return isUsage || (verb !== undefined && RUNS_A_PROGRAM.includes(verb)) ? error.exitCode : 1;
  }
}

function overview(): string {
  const commands = Object.entries(COMMANDS).map(([verb, { summary }]) => `  ${verb.padEnd(10)} ${summary}`);
  const options = GLOBAL_OPTIONS.map(({ name, value, help }) =>
    `  --${(value === undefined ? name : `${name} ${value}`).padEnd(12)} ${help}`
  );
  return [
    "Usage: dhow [OPTIONS] COMMAND",
    "",
    "Runs container images on a machine where nothing is installed.",
    "",
    "Commands:",
    ...commands,
    "",
    "Options:",
    ...options,
    "",
    "More on a command: dhow COMMAND --help",
    "",
  ].join("\n");
}
