import { UsageError } from "../../errors.ts";
import { removeNetwork } from "../../network/lifecycle.ts";
import { seekNetwork } from "../../network/records.ts";
import type { Command } from "../command.ts";
import { eachName } from "../each.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  summary: "Remove networks. One that containers are in is not removed.",
  options: [{ name: "force", short: "f", help: "those that are not there are no error" }],
  async run(invocation) {
    const { args, options, global } = invocation;
    if (args.length === 0) {
      throw new UsageError({
        what: "cannot remove networks",
        why: "no NETWORK was given",
        hint: "see: dhow network rm --help",
      });
    }
    const { database, paths } = await openSession(global, "remove networks");
    return await eachName(invocation, async (name) => {
      if (options.flag("force") && seekNetwork(database, name) === undefined) return undefined;
      await removeNetwork(database, paths, name);
      return name;
    });
  },
};
