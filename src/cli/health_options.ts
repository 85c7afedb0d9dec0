/** `--health-cmd` and its like, with docker's words for what is wrong with them (cli/command/container/opts.go). */
import { parseDuration } from "../duration.ts";
import { OptionError, UsageError } from "../errors.ts";
import { type Healthcheck, SHORTEST } from "../image/healthcheck.ts";
import type { Option, ParsedOptions } from "./command.ts";

export const HEALTH_OPTIONS: readonly Option[] = [
  { name: "health-cmd", value: "COMMAND", help: "what tells whether it is healthy, run by a shell in it" },
  {
    name: "health-interval",
    value: "TIME",
    help: "between two checks, and before the first (default: 30s)",
  },
  { name: "health-timeout", value: "TIME", help: "how long one may take (default: 30s)" },
  {
    name: "health-retries",
    value: "NUMBER",
    help: "failures one after another that make it unhealthy (default: 3)",
  },
  { name: "health-start-period", value: "TIME", help: "how long failures do not count at its start" },
  { name: "no-healthcheck", help: "check nothing, whatever the image says" },
];

/** Options that take a time, what they are in an image, and what docker's daemon calls them. */
const TIMES = [
  ["health-interval", "Interval"],
  ["health-timeout", "Timeout"],
  ["health-start-period", "StartPeriod"],
] as const;

const WHAT = "cannot run a container";

/**
 * What the options say of a container's health check; what they leave out is the image's.
 * @returns undefined when they say nothing
 * @throws {UsageError} for what docker would not take
 */
export function readHealthcheck(options: ParsedOptions): Healthcheck | undefined {
  const command = options.text("health-cmd") ?? "";
  const times = TIMES.map(([name, member]) => [member, readTime(options, name)] as const);
  const retries = readRetries(options);
  const said: Healthcheck = {
    ...(command === "" ? {} : { Test: ["CMD-SHELL", command] }),
    ...Object.fromEntries(times.filter(([, time]) => time !== 0)),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
  const saysSomething = Object.keys(said).length > 0;
  if (options.flag("no-healthcheck")) {
    if (saysSomething) throw wrong("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  for (const [member, time] of times) {
    if (time !== 0 && time < SHORTEST) {
      throw new UsageError({ what: WHAT, why: `${member} in Healthcheck cannot be less than 1ms` });
    }
  }
  return saysSomething ? said : undefined;
}

const wrong = (why: string) => new OptionError({ what: WHAT, why, hint: "see: dhow run --help" });

function readTime(options: ParsedOptions, name: string): number {
  const text = options.text(name);
  if (text === undefined) return 0;
  try {
    const time = parseDuration(text);
    if (time < 0) throw wrong(`--${name} cannot be negative`);
    return time;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw wrong(`invalid argument ${JSON.stringify(text)} for "--${name}" flag: ${error.message}`);
  }
}

function readRetries(options: ParsedOptions): number {
  const name = "health-retries";
  const text = options.text(name);
  if (text === undefined) return 0;
  const number = Number(text);
  if (!/^[-+]?\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw wrong(`invalid argument ${JSON.stringify(text)} for "--${name}" flag: it is no whole number`);
  }
  if (number < 0) throw wrong(`--${name} cannot be negative`);
  return number;
}
