/** Options of the commands that connect this process's streams with a container's. Loaded by `run` too, which seldom needs more. */
import { STREAM_NAMES, type StreamName } from "../container/options.ts";
import { OptionError, UsageError } from "../errors.ts";
import type { Option, ParsedOptions } from "./command.ts";

export const ATTACH: Option = {
  name: "attach",
  short: "a",
  value: "STREAM",
  repeats: true,
  help: "connect only these: stdin, stdout, stderr (default: the last two, and with -i all)",
};

export const SIG_PROXY: Option = {
  name: "sig-proxy",
  isOnByDefault: true,
  help: "pass signals on to it (default); without, they are dhow's, and the container goes on",
};

export const DETACH_KEYS: Option = {
  name: "detach-keys",
  value: "KEYS",
  help: "leave the terminal with these keys (default: ctrl-p,ctrl-q)",
};

/**
 * Which streams docker connects: those that --attach names, or both outputs; with --interactive standard input in any case.
 * @throws {OptionError} for one that there is not
 * @throws {UsageError} when nobody stays with the container
 */
export function readStreams(options: ParsedOptions): StreamName[] {
  const named = options.list("attach").map((text) => text.toLowerCase());
  const isStream = (name: string) => STREAM_NAMES.some((stream) => stream === name);
  const unknown = named.find((name) => !isStream(name));
  if (unknown !== undefined) {
    throw new OptionError({
      what: `cannot use --attach ${JSON.stringify(unknown)}`,
      why: "there is no such stream",
      hint: `choose from: ${STREAM_NAMES.join(", ")}`,
    });
  }
  if (options.flag("detach")) {
    if (named.length === 0) return [];
    throw new UsageError({
      what: "cannot run a container",
      why: "Conflicting options: --attach and --detach",
    });
  }
  const wanted = new Set(named.length === 0 ? ["stdout", "stderr"] : named);
  if (options.flag("interactive")) wanted.add("stdin");
  return STREAM_NAMES.filter((stream) => wanted.has(stream));
}
