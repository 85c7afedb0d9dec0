import config from "../../deno.json" with { type: "json" };
import { UsageError } from "../errors.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";

export const command: Command = {
  usage: "",
  summary: "Print dhow's version.",
  options: [],
  run({ args }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot print the version", why: "version takes no arguments" });
    }
    print(`dhow version ${config.version}\n`);
    return Promise.resolve(0);
  },
};
