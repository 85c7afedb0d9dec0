import { DetachKeys, parseDetachKeys, USUAL_DETACH_KEYS } from "../../container/detach_keys.ts";
import { UsageError } from "../../errors.ts";
import type { Option, ParsedOptions } from "../command.ts";

/** The option of commands that connect this terminal with a container's. */
export const DETACH_KEYS: Option = {
  name: "detach-keys",
  value: "KEYS",
  help: `leave the terminal with these keys (default: ${USUAL_DETACH_KEYS})`,
};

/** @throws {UsageError} when --detach-keys names no keys */
export function readDetachKeys(options: ParsedOptions): DetachKeys {
  const text = options.text("detach-keys") ?? USUAL_DETACH_KEYS;
  const keys = parseDetachKeys(text);
  if (keys !== undefined) return new DetachKeys(keys);
  throw new UsageError({
    what: `cannot use --detach-keys ${JSON.stringify(text)}`,
    why: "these are no keys",
    hint: "give some with commas between them: a, ctrl-p, ctrl-\\",
  });
}
