import { createContainer } from "../../container/start.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { CREATE_OPTIONS, readRunOptions } from "../run_options.ts";
import { openSession } from "../session.ts";
import { withCidFile } from "./cid_file.ts";
import { imageFor } from "./image_for.ts";

export const command: Command = {
  usage: "[OPTIONS] IMAGE [COMMAND [ARG...]]",
  summary: "Make a container, to be started later. The options are those of run.",
  options: CREATE_OPTIONS,
  stopsAtFirst: true,
  async run(invocation) {
    const options = readRunOptions(invocation);
    const session = await openSession(invocation.global, "make containers");
    const image = await imageFor(session, options);
    return await withCidFile(options.cidFile, async (announce) => {
      const id = await createContainer(session, options, image);
      announce(id);
      print(`${id}\n`);
      return 0;
    });
  },
};
