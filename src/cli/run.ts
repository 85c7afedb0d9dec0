import type { RunOptions } from "../container/options.ts";
import { runContainer } from "../container/run.ts";
import type { Command, ParsedOptions } from "./command.ts";
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
    if (!options.detach && needsMonitor(invocation.options, options)) {
      const { runAttached } = await import("./container/run_attached.ts");
      return await runAttached(invocation, options);
    }
    const session = await openSession(invocation.global, "run containers");
    const image = await imageFor(session, options);
    if (!options.detach) {
      const removed = { ...options, remove: true };
      return await withCidFile(
        options.cidFile,
        (announce) => runContainer(session, removed, image, announce),
      );
    }
    const { createContainer, startContainer } = await import("../container/start.ts");
    const id = await withCidFile(options.cidFile, async (announce) => {
      const made = await createContainer(session, options, image);
      announce(made);
      return made;
    });
    await startContainer(session, id, image);
    print(`${id}\n`);
    return 0;
  },
};

/** Whether a container in the foreground needs a monitor: it may outlive this command, or has streams that are not this command's. */
function needsMonitor(given: ParsedOptions, { restart }: RunOptions): boolean {
  return restart.name !== "no" || (given.isGiven("rm") && !given.flag("rm")) || given.isGiven("attach") ||
    given.isGiven("detach-keys") || !given.flag("sig-proxy");
}
