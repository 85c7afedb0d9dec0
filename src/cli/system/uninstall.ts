import { UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { uninstallUnit } from "./systemd.ts";

export const command: Command = {
  usage: "",
  summary: "Take back what system install has done. Containers, and what they are, stay.",
  options: [],
  async run({ args, global }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot remove the systemd unit", why: "uninstall takes no arguments" });
    }
    const path = await uninstallUnit(global.root);
    if (path !== undefined) print(`${path}\n`);
    return 0;
  },
};
