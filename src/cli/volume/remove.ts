import { removeVolume } from "../../container/volumes.ts";
import { DhowError, UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { print, printError } from "../output.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  summary: "Remove volumes, and what is in them. One that a container has is not removed.",
  options: [{ name: "force", short: "f", help: "those that are not there are no error" }],
  async run({ args, options, global }) {
    if (args.length === 0) {
      throw new UsageError({
        what: "cannot remove volumes",
        why: "no VOLUME was given",
        hint: "see: dhow volume rm --help",
      });
    }
    const { database, paths } = await openSession(global, "remove volumes");
    let code = 0;
    for (const name of args) {
      try {
        removeVolume(database, paths, name, options.flag("force"));
        print(`${name}\n`);
      } catch (error) {
        if (!(error instanceof DhowError)) throw error;
        printError(error, global.debug);
        code = 1;
      }
    }
    return code;
  },
};
