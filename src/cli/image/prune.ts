import { ImageError, UsageError } from "../../errors.ts";
import type { StoredImage } from "../../image/store/store.ts";
import { ImageCatalog, type Removed } from "../../image/store/catalog.ts";
import { decideRemoval } from "../../image/removal.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { confirm, reclaimed } from "../prune.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";
import { creationTime, type Filters, flagFilter, hasLabels, parseFilters, parseUntil } from "./filters.ts";
import { linesOf, type RemovableImages } from "./remove.ts";

const FILTERS = ["dangling", "label", "label!", "until"];

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove images without a name, or with --all those that no container uses.",
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
    if (args.length > 0) {
      throw new UsageError({ what: "cannot prune images", why: "prune takes no arguments" });
    }
    const filters = parseFilters(options.list("filter"), FILTERS);
    const all = options.flag("all") || flagFilter(filters, "dangling") === false;
    const until = filters.get("until")?.map((text) => parseUntil(text, Date.now())) ?? [];
    if (!options.flag("force") && !confirm(warning(all))) {
      print(reclaimed(0));
      return 0;
    }
    const store = storeOf(await openSession(global, "remove images"));
    const removed = pruneImages(new ImageCatalog(store), {
      all,
      filters,
      before: Math.min(...until),
    });
    // and what is remembered of archives that are gone, or were changed since they were run
    print(reclaimed(tellRemoved(removed) + store.archives.prune()));
    return 0;
  },
};

/** Prints what was removed. @returns how many bytes that gave back */
export function tellRemoved(removed: readonly Removed[]): number {
  const lines = removed.flatMap(linesOf).map((line) =>
    line.replace(/^[A-Z]/, (first) => first.toLowerCase())
  );
  if (lines.length > 0) print(`Deleted Images:\n${lines.join("\n")}\n\n`);
  return removed.flatMap(({ layers }) => layers).reduce((sum, { size }) => sum + size, 0);
}

function warning(all: boolean): string {
  const what = all ? "images without at least one container associated to them" : "dangling images";
  return `This will remove all ${what}.`;
}

/** The images among which is pruned. */
export interface PrunableImages extends RemovableImages {
  list(): Pick<StoredImage, "id" | "config" | "configText" | "tags" | "digests">[];
}

export interface PruneOptions {
  /** Also those with names. */
  readonly all: boolean;
  readonly filters: Filters;
  /** Only images that were made until then, in milliseconds since 1970. */
  readonly before: number;
}

/** Removes images as if each of their names were removed. What a container uses stays. */
export function pruneImages(images: PrunableImages, { all, filters, before }: PruneOptions): Removed[] {
  const unwanted = filters.get("label!") ?? [];
  return images.list()
    .filter(({ tags }) => all || tags.length === 0)
    .filter((image) => (creationTime(image) ?? 0) <= before)
    .filter((image) => hasLabels(image, filters.get("label") ?? []))
    .filter((image) => !unwanted.some((label) => hasLabels(image, [label])))
    .flatMap(({ id, tags, digests }) => {
      const names = [...tags, ...digests];
      return (names.length === 0 ? [id] : names).flatMap((name) => removeUnused(images, name));
    });
}

/** A name that a removal before has taken along is not there any more; that, and what is in use, is left alone. */
function removeUnused(images: RemovableImages, name: string): Removed[] {
  try {
    return [images.remove(name, (subject) => decideRemoval(subject, name, false))];
  } catch (error) {
    if (error instanceof ImageError) return [];
    throw error;
  }
}
