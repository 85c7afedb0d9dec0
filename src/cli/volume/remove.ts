import { removeVolume } from "../../container/volumes.ts";
import { UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { eachName } from "../each.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  summary: "Remove volumes, and what is in them. One that a container has is not removed.",
  options: [{ name: "force", short: "f", help: "those that are not there are no error" }],
  async run(invocation) {
    const { args, options, global } = invocation;
    if (args.length === 0) {
      throw new UsageError({
        what: "cannot remove volumes",
        why: "no VOLUME was given",
        hint: "see: dhow volume rm --help",
      });
    }
    const { database, paths } = await openSession(global, "remove volumes");
    return await eachName(invocation, (name) => {
      removeVolume(database, paths, name, options.flag("force"));
      return Promise.resolve(name);
    });
  },
};
