import { recordEvent } from "../../container/events.ts";
import { listProcesses } from "../../container/process_list.ts";
import { findContainer, isRunning } from "../../container/records.ts";
import { DhowError } from "../../errors.ts";
import { processesOfContainer } from "../../container/processes.ts";
import type { Command } from "../command.ts";
import { alignTabs } from "../format/tabwriter.ts";
import { print, printable } from "../output.ts";
import { openSession } from "../session.ts";
import { requireContainers } from "./each.ts";

/** Docker's columns here are wider than those of its lists. */
const MIN_WIDTH = 20;

export const command: Command = {
  usage: "CONTAINER [OPTIONS OF ps]",
  summary: "List the processes of a container, as the host's ps shows them.",
  options: [],
  stopsAtFirst: true,
  async run(invocation) {
    requireContainers(invocation, "top");
    const [name = "", ...options] = invocation.args;
    const { database } = await openSession(invocation.global, "list processes");
    const container = findContainer(database, name);
    if (!isRunning(container)) {
      throw new DhowError({ what: "cannot list processes", why: `Container ${container.id} is not running` });
    }
    recordEvent(database, container.id, "top");
    const { titles, rows } = await listProcesses(processesOfContainer(container), options);
    const lines = [titles, ...rows].map((cells) => `${cells.map(printable).join("\t")}\n`);
    print(alignTabs(lines.join(""), MIN_WIDTH));
    return 0;
  },
};
