import { DhowError, UsageError } from "../../errors.ts";
import { recordEvent } from "../../container/events.ts";
import type { RestartPolicy } from "../../container/options.ts";
import { type ContainerRecord, getContainer } from "../../container/records.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Database } from "../../state/database.ts";
import type { Command, Option } from "../command.ts";
import { readRestart, RESTART } from "../restart_option.ts";
import { openSession } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";

/** docker's options for limits: each is refused by its name, rather than as a mistake of typing. */
const LIMITS: readonly Option[] = [
  ["blkio-weight"],
  ["cpu-period"],
  ["cpu-quota"],
  ["cpu-rt-period"],
  ["cpu-rt-runtime"],
  ["cpu-shares", "c"],
  ["cpus"],
  ["cpuset-cpus"],
  ["cpuset-mems"],
  ["kernel-memory"],
  ["memory", "m"],
  ["memory-reservation"],
  ["memory-swap"],
  ["pids-limit"],
].map(([name = "", short]) => ({
  name,
  ...(short === undefined ? {} : { short }),
  value: "VALUE",
  isHidden: true,
  help: "not yet",
}));

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Change when containers are started again. Limits cannot be changed yet: containers have none.",
  options: [RESTART, ...LIMITS],
  async run(invocation) {
    requireContainers(invocation, "update");
    const { options } = invocation;
    const limit = LIMITS.find(({ name }) => options.text(name) !== undefined);
    if (limit !== undefined) {
      throw new UsageError({
        what: `cannot update with --${limit.name}`,
        why: "dhow does not limit what containers use yet",
        hint:
          "limit the command that starts them, for example with: systemd-run --scope -p MemoryMax=1G dhow run ...",
      });
    }
    const given = options.text(RESTART.name);
    if (given === undefined) {
      throw new UsageError({
        what: "cannot update",
        why: "nothing to change was given",
        hint: "see: dhow update --help",
      });
    }
    const policy = readRestart(given, "cannot update");
    const session = await openSession(invocation.global, "update containers");
    return await eachContainer(invocation, session, (container) => {
      setPolicy(session.database, container, policy);
      return Promise.resolve();
    });
  },
};

/** Its end asks for the policy: so it holds for a container that runs as well. */
function setPolicy(database: Database, { id }: ContainerRecord, policy: RestartPolicy): void {
  database.transaction(() => {
    const { config, status } = getContainer(database, id);
    if (policy.name !== "no" && (config.options.remove || status === "foreground")) {
      throw new DhowError({
        what: `Cannot update container ${id}`,
        why: "Restart policy cannot be updated because AutoRemove is enabled for the container",
      });
    }
    const sql = "UPDATE containers SET config = json_set(config, '$.options.restart', json(?)) WHERE id = ?";
    database.run(sql, JSON.stringify(policy), id);
    recordEvent(database, id, "update");
  });
  stepDone();
}
