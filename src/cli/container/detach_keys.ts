import { DetachKeys, parseDetachKeys, USUAL_DETACH_KEYS } from "../../container/detach_keys.ts";
import { UsageError } from "../../errors.ts";
import { DETACH_KEYS } from "../attach_options.ts";
import type { ParsedOptions } from "../command.ts";

/** @throws {UsageError} when --detach-keys names no keys */
export function readDetachKeys(options: ParsedOptions): DetachKeys {
  const text = options.text(DETACH_KEYS.name) ?? USUAL_DETACH_KEYS;
  const keys = parseDetachKeys(text);
  if (keys !== undefined) return new DetachKeys(keys);
  throw new UsageError({
    what: `cannot use --detach-keys ${JSON.stringify(text)}`,
    why: "these are no keys",
    hint: "give some with commas between them: a, ctrl-p, ctrl-\\",
  });
}
