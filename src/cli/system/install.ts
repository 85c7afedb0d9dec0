import { UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { ownCommandLine } from "../session.ts";
import { installUnit } from "./systemd.ts";
import { unitText } from "./unit.ts";

export const command: Command = {
  usage: "[OPTIONS]",
  summary:
    "Have systemd start containers with a restart policy when the machine starts, and now, and stop all when it stops; for an ordinary user at login.",
  options: [{ name: "print", help: "only print the unit" }],
  async run({ args, options, global }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot install the systemd unit", why: "install takes no arguments" });
    }
    const text = unitText(ownCommandLine(global), Deno.uid() !== 0);
    if (options.flag("print")) print(text);
    else print(`${await installUnit(global.root, text)}\n`);
    return 0;
  },
};
