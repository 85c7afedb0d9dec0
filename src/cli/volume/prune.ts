import { recordPrune } from "../../container/events.ts";
import { writtenSize } from "../../container/size.ts";
import { allVolumes, removeVolume } from "../../container/volumes.ts";
import { log } from "../../log.ts";
import { volumeData } from "../../state/paths.ts";
import type { Command } from "../command.ts";
import { type Filters, flagFilter } from "../image/filters.ts";
import { hasLabel } from "../labels.ts";
import { print } from "../output.ts";
import { confirm, fitsLabels, pruneOptions, readPruneFilters, reclaimed } from "../prune.ts";
import { openSession, type Session } from "../session.ts";

const FILTERS = ["all", "label", "label!"];

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove volumes without a name that no container has, or with --all those with names too.",
  options: [
    { name: "all", short: "a", help: "remove all volumes that no container has, also those with names" },
    ...pruneOptions(FILTERS),
  ],
  async run(invocation) {
    const filters = readPruneFilters(invocation, "volumes", FILTERS);
    const all = invocation.options.flag("all") || flagFilter(filters, "all") === true;
    if (!confirm(invocation, warning(all))) {
      print(reclaimed(0));
      return 0;
    }
    const session = await openSession(invocation.global, "remove volumes");
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
  const removable = allVolumes(database).filter((volume) =>
    volume.containers === 0 && (all || volume.isAnonymous) &&
    fitsLabels(filters, (label) => hasLabel(volume.labels, label))
  );
  let size = 0;
  const removed = removable.filter(({ name }) => {
    const bytes = writtenSize(volumeData(paths, name), (text) => log.warn(text));
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
