import { settleAsMonitor } from "../../container/settle.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";

/** What a monitor becomes when its container has ended. It is the container's owner until it ends itself. */
export const command: Command = {
  usage: "ID",
  summary: "Take back what a container has left, after its end.",
  options: [],
  async run({ args, global }) {
    const session = await openSession(global, "clean up");
    const [id = ""] = args;
    // a start that was killed has left its monitor behind; the container may run again, and is not this one's then
    await settleAsMonitor(session, id);
    return 0;
  },
};
