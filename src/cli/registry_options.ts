/** Options of the commands that may speak to a registry. Loaded by `run` too, which most often does not. */
import { parsePlatform, type Platform } from "../image/platform.ts";
import type { Option, ParsedOptions } from "./command.ts";

export const INSECURE: Option = {
  name: "insecure",
  help: "speak to the registry without encryption, if it has none",
};

export const PLATFORM: Option = {
  name: "platform",
  value: "OS/CPU",
  help: "the variant to take of several: linux/arm64, linux/arm/v7",
};

/**
 * What the user asked for. An empty one is none, as for docker: scripts write `--platform "$PLATFORM"`.
 * @throws {UsageError} when it is none
 */
export function readPlatform(options: ParsedOptions): Platform | undefined {
  const text = options.text(PLATFORM.name) ?? "";
  return text === "" ? undefined : parsePlatform(text);
}
