import { UsageError } from "../../errors.ts";
import { createNetwork } from "../../network/manage.ts";
import { DRIVERS } from "../../network/network.ts";
import { stepDone } from "../../plan/fault.ts";
import { isRootless } from "../../state/user_namespace.ts";
import type { Command, ParsedOptions } from "../command.ts";
import { splitLabel } from "../labels.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] NETWORK",
  summary: "Make a network. Its bridge is made with the first container that joins.",
  options: [
    { name: "driver", short: "d", value: "DRIVER", help: `${DRIVERS.join(", ")} (default: bridge)` },
    {
      name: "subnet",
      value: "CIDR",
      repeats: true,
      help: "its range of addresses, of each family one (default: a free one)",
    },
    {
      name: "gateway",
      value: "ADDRESS",
      repeats: true,
      help: "the host's address in it (default: the first)",
    },
    { name: "ip-range", value: "CIDR", repeats: true, help: "give containers addresses of this part of it" },
    {
      name: "aux-address",
      value: "NAME=ADDRESS",
      repeats: true,
      help: "addresses that no container is to get",
    },
    { name: "ipv6", help: "also give it IPv6" },
    { name: "internal", help: "let it lead nowhere else" },
    { name: "label", value: "NAME=VALUE", repeats: true, help: "describe it, for lists and filters" },
    {
      name: "opt",
      short: "o",
      value: "NAME=VALUE",
      repeats: true,
      help: "of the driver: mtu=BYTES; parent=LINK and mode=MODE of macvlan and ipvlan; docker's long names",
    },
    { name: "attachable", isHidden: true, help: "all networks are" },
    { name: "scope", value: "local", isHidden: true, help: "local, the only one" },
    { name: "ipam-driver", value: "default", isHidden: true, help: "default, the only one" },
  ],
  async run({ args, options, global }) {
    const wrong = (why: string, hint?: string) =>
      new UsageError({ what: "cannot create a network", why, ...(hint === undefined ? {} : { hint }) });
    const [name, ...more] = args;
    if (name === undefined || more.length > 0) {
      throw wrong("one NETWORK is needed", "see: dhow network create --help");
    }
    if (isRootless()) {
      throw wrong(
        "only root can make a bridge",
        "an ordinary user's containers have pasta, slirp4netns, and --network container:NAME",
      );
    }
    const given = options.text("driver") ?? "bridge";
    const driver = DRIVERS.find((one) => one === given);
    if (driver === undefined) {
      throw wrong(`there is no network driver ${JSON.stringify(given)}`, `there are ${DRIVERS.join(", ")}`);
    }
    for (const [option, only] of [["scope", "local"], ["ipam-driver", "default"]] as const) {
      if ((options.text(option) ?? only) !== only) throw wrong(`--${option} can only be ${only}`);
    }
    const request = {
      name,
      driver,
      ipv6: options.flag("ipv6"),
      subnets: options.list("subnet"),
      gateways: options.list("gateway"),
      ranges: options.list("ip-range"),
      internal: options.flag("internal"),
      ...(options.flag("attachable") ? { attachable: true } as const : {}),
      options: pairs(options, "opt", wrong),
      labels: Object.fromEntries(options.list("label").map(splitLabel)),
      ...(options.list("aux-address").length === 0 ? {} : { reserved: pairs(options, "aux-address", wrong) }),
    };
    const { database } = await openSession(global, "make networks");
    const id = createNetwork(database, request);
    stepDone();
    print(`${id}\n`);
    return 0;
  },
};

function pairs(options: ParsedOptions, name: string, wrong: (why: string) => Error): Record<string, string> {
  return Object.fromEntries(
    options.list(name).map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw wrong(`--${name} ${JSON.stringify(text)} is not NAME=VALUE`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
