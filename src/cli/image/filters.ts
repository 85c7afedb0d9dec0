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
  for (const text of given) {
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

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * `until=`: a date, seconds since 1970, or a duration back from now, such as `24h` or `1h30m`.
 * @returns milliseconds since 1970
 * @throws {UsageError} when it is none of these
 */
export function parseUntil(text: string, now: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
    return now - parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
  }
  // a date without a zone is in local time, as docker has it
  const date = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00` : text;
  const time = /^\d{4}-\d\d-\d\dT/.test(date) ? Date.parse(date) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new UsageError({
    what: "cannot filter by until",
    why: `failed to parse value as time or duration: ${JSON.stringify(text)}`,
    hint: "write for example: until=24h",
  });
}
