import { recordEvent } from "../../container/events.ts";
import { getContainer } from "../../container/records.ts";
import { stopContainer } from "../../container/stop.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";
import { startAgain } from "./start.ts";
import { readStopOptions, STOP_OPTIONS } from "./stop.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Stop containers and start them again.",
  options: STOP_OPTIONS,
  async run(invocation) {
    requireContainers(invocation, "restart");
    const how = readStopOptions(invocation.options, "restart");
    const session = await openSession(invocation.global, "restart containers");
    return await eachContainer(invocation, session, async (container) => {
      const { signal, seconds } = how(container);
      await stopContainer(session, container, signal, seconds);
      if (container.owner !== null) recordEvent(session.database, container.id, "stop");
      await startAgain(session, getContainer(session.database, container.id));
      recordEvent(session.database, container.id, "restart");
    });
  },
};
