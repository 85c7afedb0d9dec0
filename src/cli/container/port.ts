import { findContainer } from "../../container/records.ts";
import { portsIn } from "../../container/published.ts";
import { DhowError, UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { containerSide, hostSide } from "../../network/ports.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { requireContainers } from "./each.ts";

export const command: Command = {
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  summary: "List the published ports of a container, or those that lead to one of its own.",
  options: [],
  async run(invocation) {
    requireContainers(invocation, "port");
    const [name = "", port, extra] = invocation.args;
    if (extra !== undefined) {
      throw new UsageError({ what: "cannot list ports", why: "port takes two arguments at most" });
    }
    const { database } = await openSession(invocation.global, "list ports");
    const ports = portsIn(database)(findContainer(database, name));
    if (port === undefined) {
      print(ports.map((published) => `${containerSide(published)} -> ${hostSide(published)}\n`).join(""));
      return 0;
    }
    const [, number = "", protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(port) ?? [];
    if (number === "" || Number(number) > 65535) {
      throw new UsageError({
        what: "cannot list ports",
        why: `Invalid proto or port: ${JSON.stringify(port)}`,
      });
    }
    const found = ports.filter((published) => containerSide(published) === `${Number(number)}/${protocol}`);
    print(found.map((published) => `${hostSide(published)}\n`).join(""));
    if (found.length > 0) return 0;
    throw new DhowError({
      what: "No public port",
      why: `'${number}/${protocol}' is not published for ${name}`,
    });
  },
};
