import { getVolume } from "../../container/volumes.ts";
import type { Command } from "../command.ts";
import { FORMAT, inspectNames, requireNames } from "../image/inspect.ts";
import { openSession } from "../session.ts";
import { describeVolume } from "./rows.ts";

export const command: Command = {
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  summary: "Print what there is to know of volumes, as JSON.",
  options: [FORMAT],
  async run(invocation) {
    requireNames(invocation, "VOLUME");
    const { database, paths } = await openSession(invocation.global, "inspect volumes");
    return inspectNames(invocation, (name) => describeVolume(getVolume(database, name), paths));
  },
};
