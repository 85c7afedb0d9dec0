import { recordEvent } from "../../container/events.ts";
import { unpauseContainer } from "../../container/pause.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";

export const command: Command = {
  usage: "CONTAINER [CONTAINER...]",
  summary: "Let paused containers go on.",
  options: [],
  async run(invocation) {
    requireContainers(invocation, "unpause");
    const session = await openSession(invocation.global, "unpause containers");
    return await eachContainer(invocation, session, (container) => {
      unpauseContainer(container);
      recordEvent(session.database, container.id, "unpause");
      return Promise.resolve();
    });
  },
};
