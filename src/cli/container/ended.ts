import { leaveNetworkBehind } from "../../container/keeper.ts";
import { settle } from "../../container/settle.ts";
import { DEFAULT_NETWORK } from "../../network/endpoints.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";

/** What a monitor becomes when its container has ended. It is the container's owner until it ends itself. */
export const command: Command = {
  usage: "ID",
  summary: "Take back what a container has left, after its end.",
  options: [],
  async run({ args, global }) {
    const { database, paths, recoverCommand } = await openSession(global, "clean up");
    const [id = ""] = args;
    if (database.get("SELECT 1 FROM containers WHERE id = ?", id) === undefined) return 0;
    await settle(database, paths, id, { quick: true });
    leaveNetworkBehind(database, DEFAULT_NETWORK, recoverCommand);
    return 0;
  },
};
