import { disconnectContainer } from "../../container/connect.ts";
import { findContainer } from "../../container/records.ts";
import { UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] NETWORK CONTAINER",
  summary: "Take a container out of a network, at once if it runs.",
  options: [{ name: "force", short: "f", help: "also one that is not in it is no error" }],
  async run({ args, options, global }) {
    const [network, name, extra] = args;
    if (network === undefined || name === undefined || extra !== undefined) {
      throw new UsageError({
        what: "cannot disconnect",
        why: "NETWORK and CONTAINER are needed",
        hint: "see: dhow network disconnect --help",
      });
    }
    const session = await openSession(global, "disconnect containers");
    const { id } = findContainer(session.database, name);
    await disconnectContainer(session, id, network, options.flag("force"));
    return 0;
  },
};
