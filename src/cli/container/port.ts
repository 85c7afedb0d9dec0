import { findContainer } from "../../container/records.ts";
import { DhowError, UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { requireContainers } from "./each.ts";

export const command: Command = {
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  summary: "List the published ports of a container. dhow publishes none yet.",
  options: [],
  async run(invocation) {
    requireContainers(invocation, "port");
    const [name = "", port, extra] = invocation.args;
    if (extra !== undefined) {
      throw new UsageError({ what: "cannot list ports", why: "port takes two arguments at most" });
    }
    const { database } = await openSession(invocation.global, "list ports");
    findContainer(database, name);
    if (port === undefined) return 0;
    const [, number = "", protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(port) ?? [];
    if (number === "" || Number(number) > 65535) {
      throw new UsageError({
        what: "cannot list ports",
        why: `Invalid proto or port: ${JSON.stringify(port)}`,
      });
    }
    throw new DhowError({
      what: "No public port",
      why: `'${number}/${protocol}' is not published for ${name}`,
    });
  },
};
