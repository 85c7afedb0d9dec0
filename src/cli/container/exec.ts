import { executeInside } from "../../container/exec.ts";
import { findContainer } from "../../container/records.ts";
import { CommandError, EXIT_NOT_EXECUTABLE, OptionError, UsageError } from "../../errors.ts";
import { DETACH_KEYS } from "../attach_options.ts";
import type { Command } from "../command.ts";
import { readVariable } from "../variable.ts";
import { openSession } from "../session.ts";
import { readEnvFile } from "../env_file.ts";
import { readDetachKeys } from "./detach_keys.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  summary: "Run one more command in a running container.",
  options: [
    { name: "interactive", short: "i", help: "connect standard input" },
    { name: "tty", short: "t", help: "give the command a terminal" },
    { name: "detach", short: "d", help: "do not wait for its end" },
    { name: "user", short: "u", value: "USER[:GROUP]", help: "run as this user, by name or number" },
    { name: "workdir", short: "w", value: "DIR", help: "working directory" },
    {
      name: "env",
      short: "e",
      value: "NAME=VALUE",
      repeats: true,
      help: "set a variable; without =VALUE pass the caller's on",
    },
    { name: "env-file", value: "FILE", repeats: true, help: "set the variables that a file lists" },
    { name: "privileged", help: "with all capabilities" },
    DETACH_KEYS,
  ],
  stopsAtFirst: true,
  async run({ args, options, global }) {
    const [name, ...words] = args;
    const what = "cannot execute a command";
    const wrong = (why: string) => new UsageError({ what, why, hint: "see: dhow exec --help" });
    const malformed = (why: string) => new OptionError({ what, why });
    if (name === undefined || words.length === 0) throw wrong("a CONTAINER and a COMMAND are needed");
    const workingDir = options.text("workdir") || undefined;
    if (workingDir !== undefined && !workingDir.startsWith("/")) {
      const why = `the working directory ${JSON.stringify(workingDir)} is not an absolute path`;
      throw new CommandError({ what, why }, EXIT_NOT_EXECUTABLE);
    }
    const lines = options.list("env-file").flatMap((path) => readEnvFile(path));
    const { database } = await openSession(global, "execute commands in containers");
    return await executeInside(database, findContainer(database, name), {
      command: words,
      interactive: options.flag("interactive"),
      terminal: options.flag("tty"),
      detach: options.flag("detach"),
      env: [...lines, ...options.list("env")].flatMap((entry) => readVariable(entry, malformed)),
      workingDir,
      user: options.text("user") || undefined,
      privileged: options.flag("privileged"),
      detachKeys: readDetachKeys(options),
    });
  },
};
