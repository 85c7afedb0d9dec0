import { resolveImage } from "../container/image.ts";
import { runContainer } from "../container/run.ts";
import type { Command } from "./command.ts";
import { readRunOptions, RUN_OPTIONS } from "./run_options.ts";
import { openSession } from "./session.ts";

export const command: Command = {
  usage: "[OPTIONS] IMAGE [COMMAND [ARG...]]",
  summary:
    "Run a command in a new container. IMAGE is a name in the store, or the path of an archive or a folder.",
  options: RUN_OPTIONS,
  stopsAtFirst: true,
  async run(invocation) {
    const options = readRunOptions(invocation);
    const session = await openSession(invocation.global, "run containers");
    const image = await resolveImage(session.store, options.image, {
      spoolFolder: session.paths.state,
      verify: options.verify,
      inUserNamespace: options.userNamespace,
    });
    return await runContainer(session, options, image);
  },
};
