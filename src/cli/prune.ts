/** What the pruning commands have in common. */
import { UsageError } from "../errors.ts";
import type { Invocation, Option } from "./command.ts";
import { humanSize } from "./human.ts";
import { type Filters, parseFilters } from "./image/filters.ts";
import { parseMoment } from "./moments.ts";
import { print } from "./output.ts";

/** The filters that most of them have. */
export const PRUNE_FILTERS: readonly string[] = ["label", "label!", "until"];

/** The options that all of them have. @param filters the command's */
export function pruneOptions(filters = PRUNE_FILTERS): Option[] {
  const help = `remove only what fits: ${filters.join(", ")}`;
  return [
    { name: "filter", value: "NAME=VALUE", repeats: true, help },
    { name: "force", short: "f", help: "do not ask" },
  ];
}

export const ALL_IMAGES: Option = {
  name: "all",
  short: "a",
  help: "remove all images that no container uses, not only those without a name",
};

/**
 * What of its filters was given.
 * @param what it prunes
 * @throws {UsageError} for arguments, of which it takes none, and filters that it does not have
 */
export function readPruneFilters(
  { args, options }: Invocation,
  what: string,
  known = PRUNE_FILTERS,
): Filters {
  if (args.length > 0) {
    throw new UsageError({ what: `cannot prune ${what}`, why: "prune takes no arguments" });
  }
  const filters = parseFilters(options.list("filter"), known);
  untilOf(filters); // a wrong one is told before anybody is asked anything
  return filters;
}

/** Until when something must have been made to be removed, in milliseconds since 1970. */
export function untilOf(filters: Filters): number {
  return Math.min(...(filters.get("until") ?? []).map((text) => 1000 * parseMoment(text, Date.now())));
}

/** Whether something has all labels that are wanted, and none of those that are not. */
export function fitsLabels(filters: Filters, has: (label: string) => boolean): boolean {
  return (filters.get("label") ?? []).every(has) && !(filters.get("label!") ?? []).some(has);
}

/** The last line that they print. */
export const reclaimed = (bytes: number) => `Total reclaimed space: ${humanSize(bytes, 4)}\n`;

/** Asks whether to go on, unless --force is given. Anything but y is a no. */
export function confirm({ options }: Invocation, warning: string): boolean {
  if (options.flag("force")) return true;
  print(`WARNING! ${warning}\nAre you sure you want to continue? [y/N] `);
  const answer = new Uint8Array(64);
  const length = Deno.stdin.readSync(answer) ?? 0;
  return /^y\s*$/i.test(new TextDecoder().decode(answer.subarray(0, length)));
}
