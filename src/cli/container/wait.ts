import { awaitEnd } from "../../container/stop.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";

/** Of a container that is removed when it ends, nobody keeps it. */
const NOT_KEPT = 255;

export const command: Command = {
  usage: "CONTAINER [CONTAINER...]",
  summary: "Wait until containers have ended, and print their exit codes.",
  options: [],
  async run(invocation) {
    requireContainers(invocation, "wait");
    const session = await openSession(invocation.global, "wait for containers");
    return await eachContainer(invocation, session, async (container) => {
      const ended = container.status === "exited" ? container : await awaitEnd(session, container);
      return String(ended === undefined ? NOT_KEPT : ended.exitCode ?? 0);
    });
  },
};
