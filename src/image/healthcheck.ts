/** How the health of a container is checked: what docker's HEALTHCHECK and the options `--health-...` say. */
import type { Members } from "./config.ts";

/** As an image's config has it (docker image specification v1.2): times in nanoseconds; 0 and absent mean docker's default. */
export interface Healthcheck {
  /** `["CMD", PROGRAM, ARG...]`, `["CMD-SHELL", TEXT]` or `["NONE"]`. */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

const NUMBERS = ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"] as const;

/** @returns undefined when there is none @throws {ImageError} for one of another shape */
export function readHealthcheck(process: Members): Healthcheck | undefined {
  if (!process.has("Healthcheck")) return undefined;
  const members = process.members("Healthcheck");
  const numbers = NUMBERS.filter((name) => members.has(name)).map((name) => [name, members.integer(name)]);
  return { ...(members.has("Test") ? { Test: members.texts("Test") } : {}), ...Object.fromEntries(numbers) };
}

/** What is wanted, and for each member that it says nothing of, what there was before (moby: daemon/commit.go, merge). */
export function mergeHealthcheck(
  wanted: Healthcheck | undefined,
  base: Healthcheck | undefined,
): Healthcheck | undefined {
  if (wanted === undefined || base === undefined) return wanted ?? base;
  const says = (value: readonly string[] | number | undefined) =>
    typeof value === "number" ? value !== 0 : value !== undefined && value.length > 0;
  const said = Object.entries(wanted).filter(([, value]) => says(value));
  return { ...base, ...Object.fromEntries(said) };
}

/** docker's defaults, in nanoseconds. */
const USUAL_INTERVAL = 30e9;
const USUAL_TIMEOUT = 30e9;
const USUAL_RETRIES = 3;

/** docker refuses what is shorter; images may say it all the same. */
export const SHORTEST = 1e6;

/** What is to be done. Times in nanoseconds. */
export interface Probing {
  readonly command: readonly string[];
  /** From the end of one probe to the start of the next, and before the first. */
  readonly interval: number;
  readonly timeout: number;
  /** How long failures do not count after the container's start, as long as none has succeeded. */
  readonly startPeriod: number;
  /** So many failures one after another make it unhealthy. */
  readonly retries: number;
}

const DEFAULT_SHELL = ["/bin/sh", "-c"];

/**
 * @param shell what runs texts; the usual one if it is absent or empty
 * @returns undefined when there is nothing to be done: no check, NONE, or one that docker does not know either
 */
export function probingOf(
  healthcheck: Healthcheck | undefined,
  shell: readonly string[] = [],
): Probing | undefined {
  const { Test = [], Interval = 0, Timeout = 0, StartPeriod = 0, Retries = 0 } = healthcheck ?? {};
  const [kind, ...words] = Test;
  if (kind !== "CMD" && kind !== "CMD-SHELL") return undefined;
  const time = (given: number, usual: number) => given < SHORTEST ? usual : given;
  return {
    command: kind === "CMD" ? words : [...(shell.length > 0 ? shell : DEFAULT_SHELL), ...words],
    interval: time(Interval, USUAL_INTERVAL),
    timeout: time(Timeout, USUAL_TIMEOUT),
    startPeriod: Math.max(StartPeriod, 0),
    retries: Retries > 0 ? Retries : USUAL_RETRIES,
  };
}
