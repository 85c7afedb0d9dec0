import { recordPrune } from "../../container/events.ts";
import { ImageError } from "../../errors.ts";
import type { StoredImage } from "../../image/store/store.ts";
import { ImageCatalog, type Removed } from "../../image/store/catalog.ts";
import { decideRemoval } from "../../image/removal.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import {
  ALL_IMAGES,
  confirm,
  fitsLabels,
  PRUNE_FILTERS,
  pruneOptions,
  readPruneFilters,
  reclaimed,
  untilOf,
} from "../prune.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";
import { creationTime, type Filters, flagFilter, hasLabels } from "./filters.ts";
import { linesOf, type RemovableImages } from "./remove.ts";

const FILTERS = ["dangling", ...PRUNE_FILTERS];

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Remove images without a name, or with --all those that no container uses.",
  options: [ALL_IMAGES, ...pruneOptions(FILTERS)],
  async run(invocation) {
    const filters = readPruneFilters(invocation, "images", FILTERS);
    const all = invocation.options.flag("all") || flagFilter(filters, "dangling") === false;
    if (!confirm(invocation, warning(all))) {
      print(reclaimed(0));
      return 0;
    }
    const session = await openSession(invocation.global, "remove images");
    const store = storeOf(session);
    const removed = pruneImages(new ImageCatalog(store), {
      all,
      filters,
      before: untilOf(filters),
    });
    // and what is remembered of archives that are gone, or were changed since they were run; and copies that no container has
    const size = tellRemoved(removed) + store.archives.prune() + store.copies.prune();
    recordPrune(session.database, "image", size);
    print(reclaimed(size));
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
  return images.list()
    .filter(({ tags }) => all || tags.length === 0)
    .filter((image) => (creationTime(image) ?? 0) <= before)
    .filter((image) => fitsLabels(filters, (label) => hasLabels(image, [label])))
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
