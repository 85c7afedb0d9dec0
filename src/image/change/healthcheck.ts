/** Dockerfile's HEALTHCHECK. */
import { parseDuration } from "../../duration.ts";
import { type Healthcheck, SHORTEST } from "../healthcheck.ts";

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
    if (time !== undefined) options[time] = readTime(value);
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

/** @throws {SyntaxError} when it is none, or one that docker does not take: negative, or between 0 and a millisecond */
function readTime(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === 0 || nanoseconds >= SHORTEST) return nanoseconds;
  throw new SyntaxError(`${JSON.stringify(text)} is less than 1ms`);
}
