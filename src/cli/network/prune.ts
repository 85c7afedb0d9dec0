import { recordPrune } from "../../container/events.ts";
import { allContainers } from "../../container/records.ts";
import { networkNames } from "../../container/options.ts";
import { DhowError, HostError } from "../../errors.ts";
import { removeNetwork } from "../../network/lifecycle.ts";
import { configOf, countEndpoints, isPredefined, networkRows } from "../../network/records.ts";
import type { Command } from "../command.ts";
import type { Filters } from "../image/filters.ts";
import { hasLabel } from "../labels.ts";
import { print } from "../output.ts";
import { confirm, fitsLabels, pruneOptions, readPruneFilters, untilOf } from "../prune.ts";
import { openSession, type Session } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove networks that no container is in, or is to be in when it is started.",
  options: pruneOptions(),
  async run(invocation) {
    const filters = readPruneFilters(invocation, "networks");
    const warning = "This will remove all custom networks not used by at least one container.";
    if (!confirm(invocation, warning)) return 0;
    await pruneNetworks(await openSession(invocation.global, "remove networks"), filters);
    return 0;
  },
};

/** Removes networks that no container has on record, and prints their names. */
export async function pruneNetworks({ database, paths }: Session, filters: Filters): Promise<void> {
  const wanted = new Set(allContainers(database).flatMap(({ config }) => networkNames(config.options)));
  const before = untilOf(filters);
  const removed: string[] = [];
  try {
    for (const row of networkRows(database)) {
      const { labels } = configOf(row);
      const isUsed = isPredefined(row.name) || wanted.has(row.name) || countEndpoints(database, row.name) > 0;
      if (isUsed || row.created >= before || !fitsLabels(filters, (label) => hasLabel(labels, label))) {
        continue;
      }
      try {
        await removeNetwork(database, paths, row.name);
        removed.push(row.name);
      } catch (error) {
        // somebody has joined it, or removed it, meanwhile
        if (!(error instanceof DhowError) || error instanceof HostError) throw error;
      }
    }
  } finally {
    if (removed.length > 0) print(`Deleted Networks:\n${removed.map((name) => `${name}\n`).join("")}\n`);
  }
  recordPrune(database, "network", 0);
}
