/** `--restart`, of run and update. */
import type { RestartPolicy } from "../../container/options.ts";
import type { UsageError } from "../../errors.ts";
import type { Option, ParsedOptions } from "../command.ts";

export const RESTART: Option = {
  name: "restart",
  value: "POLICY",
  help: "start it again when it ends: no (default), on-failure[:TIMES], always, unless-stopped",
};

type Wrong = (why: string, hint?: string) => UsageError;

const RESTART_POLICIES: readonly string[] = [
  "no",
  "on-failure",
  "always",
  "unless-stopped",
] satisfies RestartPolicy[
  "name"
][];

/** @throws {UsageError} when there is no such policy */
export function readRestart(text: string, wrong: Wrong): RestartPolicy {
  const [, name = "no", times] = /^([a-z-]*)(?::(\d{1,9}))?$/.exec(text) ?? [undefined, "?"];
  const policy = name === "" ? "no" : name;
  if (!RESTART_POLICIES.includes(policy) || (times !== undefined && policy !== "on-failure")) {
    throw wrong(
      `there is no restart policy ${JSON.stringify(text)}`,
      "--restart takes no, on-failure[:TIMES], always, unless-stopped",
    );
  }
  return { name: policy as RestartPolicy["name"], retries: Number(times ?? 0) };
}

/** That of a new container. @throws {UsageError} when there is no such policy, or it contradicts --rm */
export function readRestartOf(options: ParsedOptions, wrong: Wrong): RestartPolicy {
  const policy = readRestart(options.text("restart") ?? "no", wrong);
  if (policy.name !== "no" && options.flag("rm")) {
    throw wrong("Conflicting options: --restart and --rm");
  }
  return policy;
}
