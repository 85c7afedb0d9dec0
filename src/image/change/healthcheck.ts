/** Dockerfile's HEALTHCHECK, as an image's config has it: times in nanoseconds. */
export interface Healthcheck {
  readonly Test: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

const TIMES: Readonly<Record<string, "Interval" | "Timeout" | "StartPeriod" | "StartInterval">> = {
  interval: "Interval",
  timeout: "Timeout",
  "start-period": "StartPeriod",
  "start-interval": "StartInterval",
};

/**
 * Reads `NONE`, or `[--interval=30s ...] CMD COMMAND`.
 * @param readCommand gives the arguments of a JSON list, or undefined for a command of the shell
 * @throws {SyntaxError} when it is neither
 */
export function parseHealthcheck(
  text: string,
  readCommand: (text: string) => readonly string[] | undefined,
): Healthcheck {
  const [, flags = "", kind = "", command = ""] = /^((?:--\S*\s+)*)(\S+)\s*([^]*)$/.exec(text) ?? [];
  const options: Partial<Record<string, number>> = {};
  for (const flag of flags.split(/\s+/).filter((flag) => flag !== "")) {
    const [, name = "", value = ""] = /^--([a-z-]+)=(.*)$/.exec(flag) ?? [];
    const time = Object.hasOwn(TIMES, name) ? TIMES[name] : undefined;
    if (time !== undefined) options[time] = parseDuration(value);
    else if (name === "retries" && /^[1-9][0-9]{0,8}$/.test(value)) options.Retries = Number(value);
    else throw new SyntaxError(`${JSON.stringify(flag)} is no option of HEALTHCHECK`);
  }
  if (kind.toUpperCase() === "NONE") {
    if (flags !== "" || command !== "") throw new SyntaxError("HEALTHCHECK NONE takes nothing");
    return { Test: ["NONE"] };
  }
  if (kind.toUpperCase() !== "CMD") throw new SyntaxError("HEALTHCHECK takes CMD or NONE");
  if (command === "") throw new SyntaxError("HEALTHCHECK CMD lacks its command");
  const args = readCommand(command);
  return { Test: args === undefined ? ["CMD-SHELL", command] : ["CMD", ...args], ...options };
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "µs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds of Go's notation, `1m30s` (time.ParseDuration). docker takes no time between 0 and a millisecond. */
function parseDuration(text: string): number {
  const parts = text.match(/[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h)/g) ?? [];
  const nanoseconds = parts.reduce((sum, part) => {
    const [, number = "", unit = ""] = /^([0-9.]+)(.*)$/.exec(part) ?? [];
    return sum + Number(number) * UNITS[unit]!;
  }, 0);
  const isTime = text === "0" || (text !== "" && parts.join("") === text);
  if (!isTime || (nanoseconds > 0 && nanoseconds < 1e6) || nanoseconds > Number.MAX_SAFE_INTEGER) {
    throw new SyntaxError(`${JSON.stringify(text)} is no time such as 30s or 1m30s`);
  }
  return Math.round(nanoseconds);
}
