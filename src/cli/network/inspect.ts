import { findNetwork } from "../../network/records.ts";
import type { Command } from "../command.ts";
import { FORMAT, inspectNames, requireNames } from "../image/inspect.ts";
import { openSession } from "../session.ts";
import { describeNetwork } from "./rows.ts";

export const command: Command = {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  summary: "Print what there is to know of networks, as JSON.",
  options: [FORMAT, { name: "verbose", short: "v", isHidden: true, help: "changes nothing" }],
  async run(invocation) {
    requireNames(invocation, "NETWORK");
    const { database } = await openSession(invocation.global, "inspect networks");
    return inspectNames(invocation, (name) => describeNetwork(database, findNetwork(database, name)));
  },
};
