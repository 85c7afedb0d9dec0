/** How a container's log is kept: `--log-driver` and `--log-opt`. */
import type { LogOptions } from "../container/options.ts";
import type { Option, ParsedOptions } from "./command.ts";
import { splitLabel } from "./labels.ts";
import { parseSize } from "./size.ts";
import type { Wrong } from "./run_options.ts";

export const LOG_OPTIONS: readonly Option[] = [
  { name: "log-driver", value: "DRIVER", help: "json-file (default), local: 5 logs of 20m; none: no log" },
  {
    name: "log-opt",
    value: "NAME=VALUE",
    repeats: true,
    help: "max-size=10m: begin a new log at that size; max-file=3: keep so many of them",
  },
];

/** Names of them have to be made when the monitor is. */
const MAX_LOG_FILES = 100;

/** What docker's drivers do unless they are told otherwise. */
const USUAL = {
  "json-file": { maxSize: undefined, maxFiles: 1 },
  local: { maxSize: 20 * 1024 ** 2, maxFiles: 5 },
  none: { maxSize: undefined, maxFiles: 1 },
} as const;

/** @throws {UsageError} when there is no such driver, or it has no such option */
export function readLogOptions(options: ParsedOptions, wrong: Wrong): LogOptions {
  const driver = options.text("log-driver") || "json-file";
  if (driver !== "json-file" && driver !== "local" && driver !== "none") {
    throw wrong(`there is no log driver ${JSON.stringify(driver)}`, "there are json-file, local and none");
  }
  let { maxSize, maxFiles }: { maxSize: number | undefined; maxFiles: number } = USUAL[driver];
  for (const [name, value] of options.list("log-opt").map(splitLabel)) {
    if (name === "max-size") maxSize = readSize(value, wrong);
    else if (name === "max-file") maxFiles = readCount(value, wrong);
    else throw wrong(`there is no log option ${JSON.stringify(name)}`, "there are max-size and max-file");
  }
  if (maxFiles > 1 && maxSize === undefined) throw wrong("max-file needs max-size");
  return { driver, maxSize, maxFiles };
}

function readSize(text: string, wrong: Wrong): number {
  const size = parseSize(text) ?? 0;
  if (size < 1) throw wrong(`${JSON.stringify(text)} is no size of a log`);
  return size;
}

function readCount(text: string, wrong: Wrong): number {
  const count = Number(text);
  if (!/^\d{1,3}$/.test(text) || count < 1 || count > MAX_LOG_FILES) {
    throw wrong(`${JSON.stringify(text)} is no number of logs from 1 to ${MAX_LOG_FILES}`);
  }
  return count;
}
