import { removeContainer } from "../../container/remove.ts";
import { noSuchContainer, seekContainer } from "../../container/records.ts";
import type { Command } from "../command.ts";
import { printError } from "../output.ts";
import { openSession } from "../session.ts";
import { eachContainer, MANY, requireContainers } from "./each.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Remove containers, and what they have written.",
  options: [{
    name: "force",
    short: "f",
    help: "also those that run, by killing them; those that are not there are no error",
  }, { name: "volumes", short: "v", help: "also the volumes that were made for them, and have no name" }],
  async run(invocation) {
    const isForced = invocation.options.flag("force");
    if (invocation.args.length === 0 && isForced) return 0; // as docker: rm -f $(ps -aq)
    requireContainers(invocation, "rm");
    const session = await openSession(invocation.global, "remove containers");
    const { args, global } = invocation;
    const isThere = (name: string) => seekContainer(session.database, name) !== undefined;
    const missing = isForced ? args.filter((name) => !isThere(name)) : [];
    for (const name of missing) printError(noSuchContainer(name), global.debug);
    return await eachContainer(
      { ...invocation, args: args.filter((name) => !missing.includes(name)) },
      session,
      (container) => removeContainer(session, container, isForced, invocation.options.flag("volumes")),
      MANY,
    );
  },
};
