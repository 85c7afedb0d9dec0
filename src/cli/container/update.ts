import { UsageError } from "../../errors.ts";
import { findContainer } from "../../container/records.ts";
import type { Command, Option } from "../command.ts";
import { openSession } from "../session.ts";
import { requireContainers } from "./each.ts";

/** docker's options for limits, which dhow does not have yet. */
const LIMITS: readonly Option[] = [
  { name: "blkio-weight", value: "WEIGHT", help: "not yet" },
  { name: "cpu-period", value: "MICROSECONDS", help: "not yet" },
  { name: "cpu-quota", value: "MICROSECONDS", help: "not yet" },
  { name: "cpu-shares", short: "c", value: "SHARES", help: "not yet" },
  { name: "cpus", value: "NUMBER", help: "not yet" },
  { name: "cpuset-cpus", value: "LIST", help: "not yet" },
  { name: "cpuset-mems", value: "LIST", help: "not yet" },
  { name: "memory", short: "m", value: "BYTES", help: "not yet" },
  { name: "memory-reservation", value: "BYTES", help: "not yet" },
  { name: "memory-swap", value: "BYTES", help: "not yet" },
  { name: "pids-limit", value: "NUMBER", help: "not yet" },
];

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Change how containers are kept. Limits cannot be changed yet: containers have none.",
  options: LIMITS,
  async run(invocation) {
    requireContainers(invocation, "update");
    const { options, args } = invocation;
    const limit = LIMITS.find(({ name }) => options.text(name) !== undefined);
    if (limit !== undefined) {
      throw new UsageError({
        what: `cannot update with --${limit.name}`,
        why: "dhow does not limit what containers use yet",
        hint:
          "limit the command that starts them, for example with: systemd-run --scope -p MemoryMax=1G dhow run ...",
      });
    }
    const { database } = await openSession(invocation.global, "update containers");
    for (const name of args) findContainer(database, name);
    throw new UsageError({
      what: "cannot update",
      why: "nothing to change was given",
      hint: "see: dhow update --help",
    });
  },
};
