import { ImageCatalog } from "../../image/store/catalog.ts";
import type { Command } from "../command.ts";
import { pruneContainers } from "../container/prune.ts";
import type { Filters } from "../image/filters.ts";
import { pruneImages, tellRemoved } from "../image/prune.ts";
import { print } from "../output.ts";
import { ALL_IMAGES, confirm, pruneOptions, readPruneFilters, reclaimed, untilOf } from "../prune.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove containers that do not run, and images without a name.",
  options: [ALL_IMAGES, ...pruneOptions()],
  async run(invocation) {
    const filters = readPruneFilters(invocation, "the system");
    const all = invocation.options.flag("all");
    if (!confirm(invocation, warning(all, filters))) return 0;
    const session = await openSession(invocation.global, "remove containers and images");
    const store = storeOf(session);
    const containers = await pruneContainers(session, filters);
    if (containers.ids.length > 0) print(`Deleted Containers:\n${containers.ids.join("\n")}\n\n`);
    const removed = pruneImages(new ImageCatalog(store), {
      all,
      filters,
      before: untilOf(filters),
    });
    print(reclaimed(tellRemoved(removed) + containers.size + store.archives.prune()));
    return 0;
  },
};

function warning(all: boolean, filters: Filters): string {
  const images = all ? "all images without at least one container associated to them" : "all dangling images";
  const items = [...filters].flatMap(([name, values]) => values.map((value) => `\n  - ${name}=${value}`));
  const only = items.length === 0 ? "" : `\n\n  Items to be pruned will be filtered with:${items.join("")}`;
  return `This will remove:\n  - all stopped containers\n  - ${images}${only}\n`;
}
