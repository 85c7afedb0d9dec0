import { runContainer } from "../container/run.ts";
import type { Command } from "./command.ts";
import { imageFor } from "./container/image_for.ts";
import { print } from "./output.ts";
import { readRunOptions, RUN_OPTIONS } from "./run_options.ts";
import { openSession } from "./session.ts";

export const command: Command = {
  usage: "[OPTIONS] IMAGE [COMMAND [ARG...]]",
  summary:
    "Run a command in a new container. IMAGE is a name, which is pulled if it is not in the store, or the path of an archive or a folder.",
  options: RUN_OPTIONS,
  stopsAtFirst: true,
  async run(invocation) {
    const options = readRunOptions(invocation);
    const session = await openSession(invocation.global, "run containers");
    const image = await imageFor(session, options);
    if (!options.detach) return await runContainer(session, options, image);
    const { createContainer, startContainer } = await import("../container/start.ts");
    const id = await createContainer(session, options, image);
    await startContainer(session, id, image);
    print(`${id}\n`);
    return 0;
  },
};
