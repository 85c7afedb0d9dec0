import { checkHealth } from "../../container/probe.ts";
import { lookUpContainer } from "../../container/records.ts";
import { isParent } from "../../state/process_identity.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";

/** What a container's owner starts from time to time: its monitor, or its dhow. Nobody else can: so never two probe it at once. */
export const command: Command = {
  usage: "ID",
  summary: "Look whether a container is healthy, and write it down.",
  options: [],
  async run({ args, global }) {
    const { database } = await openSession(global, "probe containers");
    const container = lookUpContainer(database, args[0] ?? "");
    const owner = container?.owner ?? null;
    if (container === undefined || owner === null || !isParent(owner)) return 0;
    await checkHealth(database, container);
    return 0;
  },
};
