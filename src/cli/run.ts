import { resolveImage } from "../container/image.ts";
import { runContainer } from "../container/run.ts";
import { formatImageName } from "../image/reference.ts";
import type { Command } from "./command.ts";
import { STANDARD_ERROR } from "./output.ts";
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
    const { pull, platform, quiet: isQuiet, insecure: isInsecure } = options;
    const session = await openSession(invocation.global, "run containers");
    const image = await resolveImage(session.store, options.image, {
      pull,
      platform,
      async download(name) {
        if (pull === "missing" && !isQuiet) {
          STANDARD_ERROR.print(`Unable to find image '${formatImageName(name)}' locally\n`);
        }
        const { fetchForRun } = await import("./image/fetch.ts");
        return await fetchForRun(session, name, { platform, isQuiet, isInsecure });
      },
      spoolFolder: session.paths.state,
      verify: options.verify,
      inUserNamespace: options.userNamespace,
    });
    return await runContainer(session, options, image);
  },
};
