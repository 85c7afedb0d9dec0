import { lookUpContainer } from "../../container/records.ts";
import { giveUp } from "../../container/start.ts";
import { isSelf } from "../../state/process_identity.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { startAgain } from "./start.ts";

/** What a process becomes that has waited to start a container again. It is the container's owner since it began to wait. */
export const command: Command = {
  usage: "ID",
  summary: "Start a container again, as its restart policy wants it.",
  options: [],
  async run({ args, global }) {
    const session = await openSession(global, "start containers");
    const container = lookUpContainer(session.database, args[0] ?? "");
    // a process that another dhow started, which was killed before it could write that down
    if (container?.owner === undefined || container.owner === null || !isSelf(container.owner)) return 0;
    try {
      await startAgain(session, container);
    } catch (error) {
      // its image is gone, say: before the start itself, which would have given it up
      const owner = lookUpContainer(session.database, container.id)?.owner;
      if (owner && isSelf(owner)) await giveUp(session, container.id, error);
      throw error;
    }
    return 0;
  },
};
