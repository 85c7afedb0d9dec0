import { recordEvent } from "../../container/events.ts";
import { pauseContainer } from "../../container/pause.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";

export const command: Command = {
  usage: "CONTAINER [CONTAINER...]",
  summary: "Let all processes of containers stand still.",
  options: [],
  async run(invocation) {
    requireContainers(invocation, "pause");
    const session = await openSession(invocation.global, "pause containers");
    return await eachContainer(invocation, session, async (container) => {
      await pauseContainer(container);
      recordEvent(session.database, container.id, "pause");
    });
  },
};
