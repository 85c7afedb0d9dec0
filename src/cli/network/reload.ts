import { UsageError } from "../../errors.ts";
import { restoreNetworks } from "../../network/lifecycle.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "",
  summary:
    "Put back what somebody has taken away of the networks that are in use: bridges, rules of the firewall, settings of the kernel.",
  options: [],
  async run({ args, global }) {
    if (args.length > 0) {
      throw new UsageError({
        what: "cannot reload networks",
        why: "reload takes no arguments",
        hint: "all that are in use are put in order",
      });
    }
    const { database, paths } = await openSession(global, "reload networks");
    const names = await restoreNetworks(database, paths, { all: true });
    if (names.length > 0) print(names.map((name) => `${name}\n`).join(""));
    return 0;
  },
};
