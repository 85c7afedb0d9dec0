import { idleNetworks } from "../container/keeper.ts";
import { UsageError } from "../errors.ts";
import { removeUnusedNetwork } from "../network/lifecycle.ts";
import type { Command } from "./command.ts";
import { openSession } from "./session.ts";

export const command: Command = {
  usage: "",
  summary:
    "Undo what killed commands left behind, and delete networks that have been idle for a while. It runs by itself.",
  options: [],
  async run({ args, global }) {
    if (args.length > 0) throw new UsageError({ what: "cannot clean up", why: "recover takes no arguments" });
    const { database, paths, recoverCommand } = await openSession(global, "clean up");
    for (const name of idleNetworks(database, recoverCommand)) {
      await removeUnusedNetwork(database, paths, name);
    }
    return 0;
  },
};
