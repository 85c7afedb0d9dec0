import { recordPrune } from "../../container/events.ts";
import { allVolumes, removeVolume, volumeSize } from "../../container/volumes.ts";
import { UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { type Filters, parseFilters } from "../image/filters.ts";
import { print } from "../output.ts";
import { confirm, reclaimed } from "../prune.ts";
import { openSession, type Session } from "../session.ts";
import { hasLabels } from "./rows.ts";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove volumes without a name that no container has, or with --all those with names too.",
  options: [
    { name: "all", short: "a", help: "remove all volumes that no container has, also those with names" },
    {
      name: "filter",
      value: "NAME=VALUE",
      repeats: true,
      help: "remove only what fits: label=KEY[=VALUE], label!=...",
    },
    { name: "force", short: "f", help: "do not ask" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot prune volumes", why: "prune takes no arguments" });
    }
    const filters = parseFilters(options.list("filter"), ["all", "label", "label!"]);
    const all = options.flag("all") || filters.get("all")?.includes("true") === true;
    if (!options.flag("force") && !confirm(warning(all))) {
      print(reclaimed(0));
      return 0;
    }
    const session = await openSession(global, "remove volumes");
    print(reclaimed(pruneVolumes(session, all, filters)));
    return 0;
  },
};

/**
 * Removes volumes that no container has, and prints their names.
 * @param all whether those go as well that somebody has named
 * @returns how many bytes that gave back
 */
export function pruneVolumes({ database, paths }: Session, all: boolean, filters: Filters): number {
  const unwanted = filters.get("label!") ?? [];
  const removable = allVolumes(database).filter((volume) =>
    volume.containers === 0 && (all || volume.isAnonymous) &&
    hasLabels(volume, filters.get("label") ?? []) &&
    !unwanted.some((label) => hasLabels(volume, [label]))
  );
  let size = 0;
  const removed = removable.filter(({ name }) => {
    const bytes = volumeSize(paths, name);
    // a container may have got it, or it may have been removed, meanwhile
    if (!removeVolume(database, paths, name, true, true)) return false;
    size += bytes;
    return true;
  });
  if (removed.length > 0) {
    print(`Deleted Volumes:\n${removed.map(({ name }) => `${name}\n`).join("")}\n`);
  }
  recordPrune(database, "volume", size);
  return size;
}

function warning(all: boolean): string {
  const what = all ? "all local volumes" : "anonymous local volumes";
  return `This will remove ${what} not used by at least one container.`;
}
