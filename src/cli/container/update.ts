import { DhowError, UsageError } from "../../errors.ts";
import { recordEvent } from "../../container/events.ts";
import type { RestartPolicy } from "../../container/options.ts";
import { type ContainerRecord, getContainer } from "../../container/records.ts";
import { stepDone } from "../../plan/fault.ts";
import { updateLimits } from "../../container/update.ts";
import { checkLimits } from "../../limits/check.ts";
import { hostSupport } from "../../limits/support.ts";
import { log } from "../../log.ts";
import type { Database } from "../../state/database.ts";
import type { Command } from "../command.ts";
import { CHANGEABLE_LIMITS, readLimits } from "../limit_options.ts";
import { readRestart, RESTART } from "../restart_option.ts";
import { openSession } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Change what containers can use, also while they run, and when they are started again.",
  options: [RESTART, ...CHANGEABLE_LIMITS],
  async run(invocation) {
    requireContainers(invocation, "update");
    const { options } = invocation;
    const what = "cannot update";
    if (![RESTART, ...CHANGEABLE_LIMITS].some(({ name }) => options.isGiven(name))) {
      throw new UsageError({
        what,
        why: "you must provide one or more flags when using this command",
        hint: "see: dhow update --help",
      });
    }
    const given = options.text(RESTART.name);
    const policy = given === undefined ? undefined : readRestart(given, what);
    const limits = readLimits(options, what);
    const session = await openSession(invocation.global, "update containers");
    const checked = limits === undefined ? undefined : checkLimits(limits, hostSupport(), what, true);
    const code = await eachContainer(invocation, session, async ({ id }) => {
      if (policy !== undefined) refusePolicy(getContainer(session.database, id), policy);
      if (checked !== undefined) await updateLimits(session.database, id, checked.limits);
      if (policy !== undefined) setPolicy(session.database, id, policy);
      recordEvent(session.database, id, "update");
      stepDone();
    });
    for (const warning of checked?.warnings ?? []) log.warn(warning);
    return code;
  },
};

/** @throws {DhowError} in docker's words, for one that goes with its end */
function refusePolicy({ id, config, status }: ContainerRecord, policy: RestartPolicy): void {
  if (policy.name === "no" || (!config.options.remove && status !== "foreground")) return;
  throw new DhowError({
    what: `Cannot update container ${id}`,
    why: "Restart policy cannot be updated because AutoRemove is enabled for the container",
  });
}

/** Its end asks for the policy: so it holds for a container that runs as well. */
function setPolicy(database: Database, id: string, policy: RestartPolicy): void {
  const sql = "UPDATE containers SET config = json_set(config, '$.options.restart', json(?)) WHERE id = ?";
  database.run(sql, JSON.stringify(policy), id);
}
