import { forgetCredentials } from "../image/registry/credentials.ts";
import type { Command } from "./command.ts";
import { serverArgument } from "./login.ts";
import { print } from "./output.ts";

export const command: Command = {
  usage: "[SERVER]",
  summary: "Log out from a registry. Without SERVER it is docker.io.",
  options: [],
  async run({ args }) {
    const domain = serverArgument("log out", args);
    const wasLoggedIn = await forgetCredentials(domain);
    print(wasLoggedIn ? `Removing login credentials for ${domain}\n` : `Not logged in to ${domain}\n`);
    return 0;
  },
};
