/** `--filter` of the image verbs, with docker's names and words. */
import { OptionError, UsageError } from "../../errors.ts";
import { Document } from "../../image/document.ts";
import { matchesReference } from "../../image/pattern.ts";

/** What filters look at. */
export interface FilteredImage {
  readonly id: string;
  readonly configText: string;
  readonly config: { readonly created?: string };
  readonly tags: readonly string[];
  readonly digests: readonly string[];
}

/** Filters by their names, each with the values it was given; one of them must fit, of labels all. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * @param given `NAME=VALUE`, as the user wrote them
 * @param known names that the command has
 * @throws {UsageError} for others
 */
export function parseFilters(given: readonly string[], known: readonly string[]): Filters {
  const filters = new Map<string, string[]>();
  for (const text of given.filter((text) => text !== "")) {
    const at = text.indexOf("=");
    if (at < 0) {
      const why = "bad format of filter (expected name=value)";
      throw new OptionError({ what: `cannot filter by ${JSON.stringify(text)}`, why });
    }
    const name = text.slice(0, at).trim().toLowerCase();
    if (!known.includes(name)) {
      throw new UsageError({
        what: "cannot filter",
        why: `invalid filter '${name}'`,
        hint: `there are: ${known.join(", ")}`,
      });
    }
    filters.set(name, [...filters.get(name) ?? [], text.slice(at + 1).trim()]);
  }
  return filters;
}

/**
 * Looks at the values that a filter was given.
 * @throws {UsageError} when one is impossible
 */
export function checkValues(filters: Filters, name: string, isPossible: (value: string) => boolean): void {
  const wrong = filters.get(name)?.find((value) => !isPossible(value));
  if (wrong === undefined) return;
  throw new UsageError({ what: "cannot filter", why: `invalid filter '${name}=${wrong}'` });
}

/** docker takes a filter's value for a regular expression of a part of a name. */
export function matchesName(name: string, value: string): boolean {
  try {
    return new RegExp(value).test(name);
  } catch {
    return name.includes(value);
  }
}

/** When an image was made, in milliseconds since 1970; undefined when its config does not say, or not in RFC 3339. */
export function creationTime(
  { config: { created } }: { readonly config: { readonly created?: string } },
): number | undefined {
  const time = Date.parse(created ?? "");
  return Number.isNaN(time) ? undefined : time;
}

/** The names of an image that a pattern fits; docker does not list an image without. */
export function meantReferences(
  references: readonly string[],
  patterns: readonly string[] | undefined,
): string[] {
  return references.filter((reference) =>
    patterns === undefined || patterns.some((pattern) => matchesReference(pattern, reference))
  );
}

/** Whether an image has all of some labels: `key`, or `key=value`. */
export function hasLabels({ configText }: FilteredImage, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const labels = Document.parse(configText).object("config")?.textMap("Labels");
  return wanted.every((text) => {
    const at = text.indexOf("=");
    const value = labels?.get(at < 0 ? text : text.slice(0, at));
    return value !== undefined && (at < 0 || value === text.slice(at + 1));
  });
}

/**
 * A switch among the filters: `dangling=true`.
 * @returns undefined when it was not given
 * @throws {UsageError} when it is neither true nor false
 */
export function flagFilter(filters: Filters, name: string): boolean | undefined {
  const values = filters.get(name);
  if (values === undefined) return undefined;
  if (values.every((value) => value === "true" || value === "1")) return true;
  if (values.every((value) => value === "false" || value === "0")) return false;
  throw new UsageError({ what: "cannot filter", why: `invalid filter '${name}=[${values.join(" ")}]'` });
}
