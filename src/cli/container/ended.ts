import { leaveNetworkBehind } from "../../container/keeper.ts";
import { lookUpContainer } from "../../container/records.ts";
import { settle } from "../../container/settle.ts";
import { DEFAULT_NETWORK } from "../../network/endpoints.ts";
import { isSelf } from "../../state/process_identity.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";

/** What a monitor becomes when its container has ended. It is the container's owner until it ends itself. */
export const command: Command = {
  usage: "ID",
  summary: "Take back what a container has left, after its end.",
  options: [],
  async run({ args, global }) {
    const session = await openSession(global, "clean up");
    const { database, recoverCommand } = session;
    const [id = ""] = args;
    // a start that was killed has left its monitor behind; the container may run again
    const container = lookUpContainer(database, id);
    if (container === undefined || container.owner === null || !isSelf(container.owner)) return 0;
    await settle(session, id, { quick: true, mayRestart: true });
    if (container.config.options.network === "bridge") {
      leaveNetworkBehind(database, DEFAULT_NETWORK, recoverCommand);
    }
    return 0;
  },
};
