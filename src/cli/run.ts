import { runContainer } from "../container/run.ts";
import { UsageError } from "../errors.ts";
import type { Command } from "./command.ts";
import { withCidFile } from "./container/cid_file.ts";
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
    if (options.restart.name !== "no" && !options.detach) {
      throw new UsageError({ what: "cannot run a container", why: "--restart needs --detach" });
    }
    const session = await openSession(invocation.global, "run containers");
    const image = await imageFor(session, options);
    return await withCidFile(options.cidFile, async (announce) => {
      if (!options.detach) return await runContainer(session, options, image, announce);
      const { createContainer, startContainer } = await import("../container/start.ts");
      const id = await createContainer(session, options, image);
      announce(id);
      await startContainer(session, id, image);
      print(`${id}\n`);
      return 0;
    });
  },
};
