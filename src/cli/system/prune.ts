import { UsageError } from "../../errors.ts";
import { ImageCatalog } from "../../image/store/catalog.ts";
import type { Command } from "../command.ts";
import { pruneContainers } from "../container/prune.ts";
import { type Filters, parseFilters, parseUntil } from "../image/filters.ts";
import { pruneImages, tellRemoved } from "../image/prune.ts";
import { print } from "../output.ts";
import { confirm, reclaimed } from "../prune.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";

const FILTERS = ["label", "label!", "until"];

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove containers that do not run, and images without a name.",
  options: [
    {
      name: "all",
      short: "a",
      help: "remove all images that no container uses, not only those without a name",
    },
    {
      name: "filter",
      value: "NAME=VALUE",
      repeats: true,
      help: "remove only what fits: until=24h, label=KEY[=VALUE], label!=...",
    },
    { name: "force", short: "f", help: "do not ask" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) throw new UsageError({ what: "cannot prune", why: "prune takes no arguments" });
    const filters = parseFilters(options.list("filter"), FILTERS);
    const all = options.flag("all");
    if (!options.flag("force") && !confirm(warning(all, filters))) return 0;
    const session = await openSession(global, "remove containers and images");
    const store = storeOf(session);
    const containers = await pruneContainers(session, filters);
    if (containers.ids.length > 0) print(`Deleted Containers:\n${containers.ids.join("\n")}\n\n`);
    const until = (filters.get("until") ?? []).map((text) => parseUntil(text, Date.now()));
    const removed = pruneImages(new ImageCatalog(store), {
      all,
      filters,
      before: Math.min(...until),
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
