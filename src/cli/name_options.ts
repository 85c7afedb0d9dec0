/** By which names a container finds others: /etc/hosts and /etc/resolv.conf. */
import type { RunOptions } from "../container/options.ts";
import { parseAddress } from "../network/subnet.ts";
import type { Option, ParsedOptions } from "./command.ts";
import { networkModeOf } from "./network_options.ts";
import type { Wrong } from "./run_options.ts";

export const NAME_OPTIONS: readonly Option[] = [
  { name: "dns", value: "SERVER", repeats: true, help: "name server to use instead of the host's" },
  {
    name: "dns-search",
    value: "DOMAIN",
    repeats: true,
    help: "domains to search instead of the host's; . for none",
  },
  {
    name: "dns-option",
    value: "OPTION",
    repeats: true,
    help: "options of resolv.conf instead of the host's",
  },
  { name: "dns-opt", value: "OPTION", repeats: true, isHidden: true, help: "the same as --dns-option" },
  {
    name: "add-host",
    value: "NAME:ADDRESS",
    repeats: true,
    help: "a line for /etc/hosts; the address host-gateway is the host's in the bridge's network",
  },
  { name: "domainname", value: "NAME", help: "its NIS domain name, a part of its name in /etc/hosts" },
];

export const HOST_GATEWAY = "host-gateway";

function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined || (text.includes(":") && URL.canParse(`http://[${text}]`));
}

/** @throws {UsageError} in docker's words */
export function readNames(
  options: ParsedOptions,
  wrong: Wrong,
): Pick<RunOptions, "dns" | "dnsSearch" | "dnsOptions" | "extraHosts" | "domainName"> {
  const dns = options.list("dns");
  for (const server of dns) {
    if (!isAddress(server)) throw wrong(`${JSON.stringify(server)} is not the address of a name server`);
  }
  const lists = {
    dnsSearch: options.list("dns-search"),
    dnsOptions: [...options.list("dns-option"), ...options.list("dns-opt")],
  };
  // each becomes a word of a line
  for (const word of [...lists.dnsSearch, ...lists.dnsOptions]) {
    if (!/^[^\s\0]+$/.test(word)) throw wrong(`${JSON.stringify(word)} is no word for resolv.conf`);
  }
  const domainName = options.text("domainname") || undefined;
  if (domainName !== undefined && !/^[a-zA-Z0-9_.-]{1,64}$/.test(domainName)) {
    throw wrong(`${JSON.stringify(domainName)} is not a domain name`, "it has up to 64 of a-z A-Z 0-9 _ . -");
  }
  const mode = networkModeOf(options);
  const extraHosts = options.list("add-host").map((text) => {
    const [name = "", ...rest] = text.split(":");
    const address = rest.join(":");
    if (!/^[^\s\0]+$/.test(name) || address === "") {
      throw wrong(`bad format for add-host: ${JSON.stringify(text)}`, "write: --add-host NAME:ADDRESS");
    }
    if (address === HOST_GATEWAY) {
      if (mode === "none" || mode === "host") throw wrong(`--add-host ${text} needs --network bridge`);
    } else if (!isAddress(address)) {
      throw wrong(`invalid IP address in add-host: ${JSON.stringify(address)}`);
    }
    return text;
  });
  return { dns, ...lists, extraHosts, domainName };
}
