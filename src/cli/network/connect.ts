import { connectContainer } from "../../container/connect.ts";
import { findContainer } from "../../container/records.ts";
import { UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { readAlias, readHardwareAddress } from "../network_options.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] NETWORK CONTAINER",
  summary: "Connect a container to one more network, at once if it runs.",
  options: [
    { name: "ip", value: "ADDRESS", help: "its IPv4 address there" },
    { name: "ip6", value: "ADDRESS", help: "its IPv6 address there" },
    { name: "mac-address", value: "ADDRESS", help: "its hardware address there" },
    { name: "alias", value: "NAME", repeats: true, help: "one more name by which others there find it" },
  ],
  async run({ args, options, global }) {
    const wrong = (why: string, hint?: string) =>
      new UsageError({ what: "cannot connect", why, ...(hint === undefined ? {} : { hint }) });
    const [network, name, extra] = args;
    if (network === undefined || name === undefined || extra !== undefined) {
      throw wrong("NETWORK and CONTAINER are needed", "see: dhow network connect --help");
    }
    const [address, address6] = [options.text("ip"), options.text("ip6")];
    const hardware = options.text("mac-address");
    const aliases = options.list("alias").map((text) => readAlias(text, wrong));
    const session = await openSession(global, "connect containers");
    await connectContainer(session, findContainer(session.database, name).id, {
      network,
      ...(address === undefined ? {} : { address }),
      ...(address6 === undefined ? {} : { address6 }),
      ...(hardware === undefined ? {} : { hardwareAddress: readHardwareAddress(hardware, wrong) }),
      ...(aliases.length === 0 ? {} : { aliases }),
    });
    return 0;
  },
};
