import { recordPrune } from "../../container/events.ts";
import { allContainers, type ContainerRecord } from "../../container/records.ts";
import { removeContainer } from "../../container/remove.ts";
import { DhowError } from "../../errors.ts";
import type { Command } from "../command.ts";
import type { Filters } from "../image/filters.ts";
import { hasLabel } from "../labels.ts";
import { print } from "../output.ts";
import { confirm, fitsLabels, pruneOptions, readPruneFilters, reclaimed, untilOf } from "../prune.ts";
import { openSession, type Session } from "../session.ts";
import { sizesIn } from "./sizes.ts";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove all containers that do not run.",
  options: pruneOptions(),
  async run(invocation) {
    const filters = readPruneFilters(invocation, "containers");
    if (!confirm(invocation, "This will remove all stopped containers.")) {
      print(reclaimed(0));
      return 0;
    }
    const session = await openSession(invocation.global, "remove containers");
    const { ids, size } = await pruneContainers(session, filters);
    if (ids.length > 0) print(`Deleted Containers:\n${ids.join("\n")}\n\n`);
    print(reclaimed(size));
    return 0;
  },
};

/** Removes the containers that do not run and fit. @returns their ids, and how many bytes they had written */
export async function pruneContainers(
  session: Session,
  filters: Filters,
): Promise<{ ids: string[]; size: number }> {
  const sizeOf = sizesIn(session);
  const before = untilOf(filters);
  const ids: string[] = [];
  let size = 0;
  for (const container of allContainers(session.database).filter((each) => isMeant(each, filters, before))) {
    const { own } = sizeOf(container);
    try {
      await removeContainer(session, container, false);
    } catch (error) {
      if (error instanceof DhowError) continue; // somebody has started it meanwhile
      throw error;
    }
    ids.push(container.id);
    size += own;
  }
  recordPrune(session.database, "container", size);
  return { ids, size };
}

function isMeant({ owner, created, config }: ContainerRecord, filters: Filters, before: number): boolean {
  return owner === null && created <= before &&
    fitsLabels(filters, (label) => hasLabel(config.options.labels, label));
}
