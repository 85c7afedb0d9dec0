import type { RestartPolicy } from "../container/options.ts";
import { OptionError, UsageError } from "../errors.ts";
import type { Option } from "./command.ts";

export const RESTART: Option = {
  name: "restart",
  value: "POLICY",
  help: "start it again when it ends: no (default), on-failure[:TIMES], always, unless-stopped",
};

const POLICIES: readonly string[] = [
  "no",
  "on-failure",
  "always",
  "unless-stopped",
] satisfies RestartPolicy["name"][];

/**
 * @param what how the error names what was to be done
 * @throws {OptionError} when the number of times is none, as docker's client refuses it
 * @throws {UsageError} when there is no such policy
 */
export function readRestart(text: string, what: string): RestartPolicy {
  const [name = "", times, ...more] = text.split(":");
  const hint = `--restart takes ${POLICIES.join(", ").replace("on-failure", "on-failure[:TIMES]")}`;
  if (more.length > 0 || (times !== undefined && !/^-?\d{1,9}$/.test(times))) {
    throw new OptionError({ what, why: `${JSON.stringify(text)} names no number of restarts`, hint });
  }
  const policy = name === "" ? "no" : name;
  const retries = Number(times ?? 0);
  if (!POLICIES.includes(policy) || retries < 0 || (times !== undefined && policy !== "on-failure")) {
    throw new UsageError({ what, why: `there is no restart policy ${JSON.stringify(text)}`, hint });
  }
  return { name: policy as RestartPolicy["name"], retries };
}
