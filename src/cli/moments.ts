import { UsageError } from "../errors.ts";
import type { ParsedOptions } from "./command.ts";

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** The moment that an option names, in seconds since 1970; undefined when it is not given, or empty. */
export function readMoment(options: ParsedOptions, name: string): number | undefined {
  const text = options.text(name) ?? "";
  return text === "" ? undefined : parseMoment(text, Date.now());
}

/**
 * A moment as docker's users write it: a Go duration before now (`1h30m`), seconds since 1970, or a date, of which parts may be
 * missing at the end and which is local without a zone.
 * @param now in milliseconds since 1970
 * @returns seconds since 1970
 * @throws {UsageError} when it is none of these
 */
export function parseMoment(text: string, now: number): number {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  const sign = text.startsWith("-") ? -1 : 1;
  const duration = text.replace(/^[+-]/, "");
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length > 0 && parts.map(([all]) => all).join("") === duration) {
    const seconds = parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!, 0);
    return now / 1000 - sign * seconds;
  }
  const date =
    /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2}(?:\.\d{1,9})?))?)?)?(Z|[+-]\d{2}:\d{2})?$/.exec(
      text,
    );
  if (date !== null) {
    const [, day, hour = "00", minute = "00", second = "00", zone = ""] = date;
    const time = Date.parse(`${day}T${hour}:${minute}:${second}${zone}`);
    if (!Number.isNaN(time)) return time / 1000;
  }
  throw new UsageError({
    what: `cannot understand the time ${JSON.stringify(text)}`,
    why: "it is no date, no duration and no number of seconds",
    hint: "write 2026-01-31T12:00:00, 10m or 1769860800",
  });
}
