import { recordPrune } from "../../container/events.ts";
import { UsageError } from "../../errors.ts";
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
  summary:
    "Remove containers that do not run, networks that nobody is in, images without a name, and with --volumes volumes that nobody has.",
  options: [
    ALL_IMAGES,
    ...pruneOptions(),
    { name: "volumes", help: "also remove volumes without a name that no container has" },
  ],
  async run(invocation) {
    const filters = readPruneFilters(invocation, "the system");
    const all = invocation.options.flag("all");
    const withVolumes = invocation.options.flag("volumes");
    if (withVolumes && filters.has("until")) {
      throw new UsageError({
        what: "cannot prune",
        why: 'the "until" filter is not supported with "--volumes"',
      });
    }
    if (!confirm(invocation, warning(all, withVolumes, filters))) return 0;
    const session = await openSession(invocation.global, "remove containers and images");
    const store = storeOf(session);
    const containers = await pruneContainers(session, filters);
    if (containers.ids.length > 0) print(`Deleted Containers:\n${containers.ids.join("\n")}\n\n`);
    await (await import("../network/prune.ts")).pruneNetworks(session, filters);
    const volumes = withVolumes
      ? (await import("../volume/prune.ts")).pruneVolumes(session, false, filters)
      : 0;
    const removed = pruneImages(new ImageCatalog(store), {
      all,
      filters,
      before: untilOf(filters),
    });
    const images = tellRemoved(removed) + store.archives.prune() + store.copies.prune();
    recordPrune(session.database, "image", images);
    print(reclaimed(containers.size + volumes + images));
    return 0;
  },
};

function warning(all: boolean, withVolumes: boolean, filters: Filters): string {
  const volumes = withVolumes ? "  - all anonymous volumes not used by at least one container\n" : "";
  const images = all ? "all images without at least one container associated to them" : "all dangling images";
  const items = [...filters].flatMap(([name, values]) => values.map((value) => `\n  - ${name}=${value}`));
  const only = items.length === 0 ? "" : `\n\n  Items to be pruned will be filtered with:${items.join("")}`;
  const networks = "  - all networks not used by at least one container\n";
  return `This will remove:\n  - all stopped containers\n${networks}${volumes}  - ${images}${only}\n`;
}
