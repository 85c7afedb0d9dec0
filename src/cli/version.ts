import config from "../../deno.json" with { type: "json" };
import type { Command } from "./command.ts";
import { print } from "./output.ts";

export const command: Command = {
  usage: "",
  summary: "Print dhow's version.",
  options: [],
  run() {
    print(`dhow version ${config.version}\n`);
    return Promise.resolve(0);
  },
};
