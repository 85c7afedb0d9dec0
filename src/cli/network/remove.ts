import { DhowError, UsageError } from "../../errors.ts";
import { removeNetwork } from "../../network/lifecycle.ts";
import { seekNetwork } from "../../network/records.ts";
import type { Command } from "../command.ts";
import { print, printError } from "../output.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  summary: "Remove networks. One that containers are in is not removed.",
  options: [{ name: "force", short: "f", help: "those that are not there are no error" }],
  async run({ args, options, global }) {
    if (args.length === 0) {
      throw new UsageError({
        what: "cannot remove networks",
        why: "no NETWORK was given",
        hint: "see: dhow network rm --help",
      });
    }
    const { database, paths } = await openSession(global, "remove networks");
    let code = 0;
    for (const name of args) {
      try {
        if (options.flag("force") && seekNetwork(database, name) === undefined) continue;
        await removeNetwork(database, paths, name);
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
