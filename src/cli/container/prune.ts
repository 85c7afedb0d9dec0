import { recordPrune } from "../../container/events.ts";
import { allContainers, type ContainerRecord } from "../../container/records.ts";
import { removeContainer } from "../../container/remove.ts";
import { DhowError, UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { type Filters, parseFilters, parseUntil } from "../image/filters.ts";
import { hasLabel } from "../labels.ts";
import { print } from "../output.ts";
import { confirm, reclaimed } from "../prune.ts";
import { openSession, type Session } from "../session.ts";
import { sizesIn } from "./sizes.ts";

const FILTERS = ["label", "label!", "until"];

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove all containers that do not run.",
  options: [
    {
      name: "filter",
      value: "NAME=VALUE",
      repeats: true,
      help: "remove only what fits: until=24h, label=KEY[=VALUE], label!=...",
    },
    { name: "force", short: "f", help: "do not ask" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot prune containers", why: "prune takes no arguments" });
    }
    const filters = parseFilters(options.list("filter"), FILTERS);
    if (!options.flag("force") && !confirm("This will remove all stopped containers.")) {
      print(reclaimed(0));
      return 0;
    }
    const session = await openSession(global, "remove containers");
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
  const before = Math.min(...(filters.get("until") ?? []).map((text) => parseUntil(text, Date.now())));
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
  const has = (text: string) => hasLabel(config.options.labels, text);
  return owner === null && created <= before && (filters.get("label") ?? []).every(has) &&
    !(filters.get("label!") ?? []).some(has);
}
