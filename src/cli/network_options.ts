/** Which networks a container is in, and by which address and names (docker's opts/network.go; podman's --network NAME:OPTIONS). */
import { joinedContainer, type NetworkMode, type RunOptions } from "../container/options.ts";
import { log } from "../log.ts";
import { hostNetwork } from "../network/host_routes.ts";
import { type Attachment, DEFAULT_NETWORK } from "../network/network.ts";
import { isUserNetwork, USER_NETWORKS } from "../network/user_network.ts";
import { findProgram } from "../plan/program.ts";
import { isRootless } from "../state/user_namespace.ts";
import type { Option, ParsedOptions } from "./command.ts";
import type { Wrong } from "./run_options.ts";

export const NETWORK_OPTIONS: readonly Option[] = [
  {
    name: "network",
    formerName: "net",
    value: "NETWORK",
    repeats: true,
    help:
      "bridge (default), none, host, container:NAME, or networks by their names: NAME[:ip=ADDRESS,alias=NAME]; " +
      "an ordinary user has pasta, slirp4netns for bridge",
  },
  { name: "ip", value: "ADDRESS", help: "its IPv4 address in the first network" },
  { name: "ip6", value: "ADDRESS", help: "its IPv6 address in the first network" },
  { name: "mac-address", value: "ADDRESS", help: "its hardware address in the first network" },
  {
    name: "network-alias",
    value: "NAME",
    repeats: true,
    help: "one more name by which others in its networks find it",
  },
  { name: "net-alias", value: "NAME", repeats: true, isHidden: true, help: "the same as --network-alias" },
];

/** Options that a container with the network of another cannot have, and how docker calls them. */
const NOT_WITH_JOINED_NETWORK: Readonly<Record<string, string>> = {
  "hostname": "hostname and the network mode",
  "dns": "dns and the network mode",
  "add-host": "custom host-to-IP mapping and the network mode",
  "expose": "port exposing and the container type network mode",
  "publish": "port publishing and the container type network mode",
  "publish-all": "port publishing and the container type network mode",
  "mac-address": "mac-address and the network mode",
};

function isGiven(options: ParsedOptions, name: string): boolean {
  return options.flag(name) || options.text(name) !== undefined || options.list(name).length > 0;
}

const isMode = (text: string) =>
  text === "none" || text === "host" || isUserNetwork(text) || joinedContainer(text) !== undefined;

/** A mode, or the first network; `default` if nothing was given. */
export function networkModeOf(options: ParsedOptions): string {
  return options.list("network")[0] || "default";
}

type NetworkChoice = Pick<RunOptions, "network" | "networks" | "address">;

/** @throws {UsageError} when networks contradict each other or other options */
export function readNetwork(options: ParsedOptions, wrong: Wrong): NetworkChoice {
  const given = options.list("network");
  const mode = networkModeOf(options);
  const special = given.find(isMode);
  if (special !== undefined && given.length > 1) {
    throw wrong(
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
      `give --network ${special} alone`,
    );
  }
  if (joinedContainer(mode) !== undefined) {
    if (joinedContainer(mode) === "") {
      throw wrong("Invalid network mode", "invalid container format container:<name|id>");
    }
    for (const [name, conflict] of Object.entries(NOT_WITH_JOINED_NETWORK)) {
      if (isGiven(options, name)) throw wrong(`conflicting options: ${conflict}`, `leave out --${name}`);
    }
  }
  if (isRootless()) {
    return withoutNetworks(options, { network: userMode(mode, wrong), address: undefined }, wrong);
  }
  if (special !== undefined) {
    if (isUserNetwork(mode)) {
      throw wrong(`--network ${mode} is for ordinary users`, "root has --network bridge");
    }
    return withoutNetworks(options, { network: mode as NetworkMode, address: undefined }, wrong);
  }
  return chosenNetworks(options, given, wrong);
}

/** What is only for those that are in a network of dhow's. */
function withoutNetworks(options: ParsedOptions, choice: NetworkChoice, wrong: Wrong): NetworkChoice {
  for (const name of ["ip", "ip6", "network-alias", "net-alias", "mac-address"]) {
    if (isGiven(options, name)) throw wrong(`--${name} needs --network bridge, or another network of dhow's`);
  }
  return choice;
}

function userMode(mode: string, wrong: Wrong): NetworkMode {
  if (mode === "default") return ordinaryNetwork();
  if (isMode(mode)) return mode as NetworkMode;
  if (mode === DEFAULT_NETWORK) {
    throw wrong("only root can make a bridge", "leave --network out, or give pasta, slirp4netns, none, host");
  }
  throw wrong(
    `there is no network ${JSON.stringify(mode)}`,
    "an ordinary user has pasta, slirp4netns, none, host",
  );
}

/** What an ordinary user's containers have unless told otherwise: whatever is installed. */
function ordinaryNetwork(): NetworkMode {
  const installed = USER_NETWORKS.filter((program) => findProgram(program) !== undefined);
  const [first] = installed;
  // pasta has nothing to take after on a host that is connected to nothing
  const found = first === "pasta" && hostNetwork().kind === "alone" ? installed[1] : first;
  if (found === undefined && first !== undefined) {
    log.warn("the container has no network: the host has none, where pasta cannot work, and no slirp4netns");
    return "none";
  }
  if (found === undefined) {
    log.warn(
      "the container has no network: neither pasta nor slirp4netns is installed (Debian: apt-get install passt)",
    );
  }
  return found ?? "none";
}

function chosenNetworks(options: ParsedOptions, given: readonly string[], wrong: Wrong): NetworkChoice {
  const [first, ...others] = (given.length === 0 ? ["default"] : given).map((text) =>
    readAttachment(text === "" ? "default" : text, wrong)
  );
  const [address, address6] = [options.text("ip"), options.text("ip6")];
  const hardware = options.text("mac-address");
  const aliases = [...options.list("network-alias"), ...options.list("net-alias")];
  for (
    const [name, value, own] of [
      ["ip", address, first!.address],
      ["ip6", address6, first!.address6],
      ["mac-address", hardware, first!.hardwareAddress],
    ] as const
  ) {
    if (value !== undefined && own !== undefined) {
      throw wrong(`conflicting options: cannot specify both --${name} and per-network ${name}`);
    }
  }
  const attachment: Attachment = {
    ...first!,
    ...(address === undefined ? {} : { address }),
    ...(address6 === undefined ? {} : { address6 }),
    ...(hardware === undefined ? {} : { hardwareAddress: readHardwareAddress(hardware, wrong) }),
    ...(aliases.length === 0 ? {} : {
      aliases: [...first!.aliases ?? [], ...aliases.map((name) => readAlias(name, wrong))],
    }),
  };
  const { network, address: own, ...more } = attachment;
  const isPlain = network === DEFAULT_NETWORK && others.length === 0 && Object.keys(more).length === 0;
  return isPlain
    ? { network: "bridge", address: own }
    : { network: "bridge", address: undefined, networks: [attachment, ...others] };
}

/** `NAME`, `NAME:ip=ADDRESS,...` or `name=NAME,ip=ADDRESS,...` */
export function readAttachment(text: string, wrong: Wrong): Attachment {
  const [, podmans, rest = ""] = /^([^:=,]*)(?::(.*))?$/s.exec(text) ?? [];
  const words = (podmans === undefined ? text : rest).split(",").filter((word) => word !== "");
  let network = podmans ?? "";
  const attachment: { -readonly [Key in keyof Attachment]?: Attachment[Key] } = {};
  const aliases: string[] = [];
  for (const word of words) {
    const [key = "", ...parts] = word.split("=");
    const value = parts.join("=");
    if (value === "") {
      throw wrong(`invalid --network ${JSON.stringify(text)}`, `${JSON.stringify(key)} has no value`);
    }
    switch (key) {
      case "name":
        network = value;
        break;
      case "ip":
        attachment.address = value;
        break;
      case "ip6":
        attachment.address6 = value;
        break;
      case "mac":
      case "mac-address":
        attachment.hardwareAddress = readHardwareAddress(value, wrong);
        break;
      case "alias":
        aliases.push(readAlias(value, wrong));
        break;
      default:
        throw wrong(`invalid field key ${key} in --network`, "there are name, ip, ip6, mac-address, alias");
    }
  }
  if (network === "") throw wrong(`--network ${JSON.stringify(text)} names no network`);
  return {
    network: network === "default" ? DEFAULT_NETWORK : network,
    ...attachment,
    ...(aliases.length === 0 ? {} : { aliases }),
  };
}

/** @returns `02:42:64:64:01:07` */
export function readHardwareAddress(text: string, wrong: Wrong): string {
  const bytes = /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text) ? text.toLowerCase().split(/[:-]/) : [];
  // bit 0 of the first: addresses of groups
  if (bytes.length !== 6 || (parseInt(bytes[0]!, 16) & 1) === 1 || bytes.every((byte) => byte === "00")) {
    throw wrong(
      `${text} is not a valid mac address`,
      "write six bytes, the first of them even: 02:42:ac:11:00:02",
    );
  }
  return bytes.join(":");
}

export function readAlias(text: string, wrong: Wrong): string {
  if (/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,252}$/.test(text)) return text;
  throw wrong(`${JSON.stringify(text)} is no name for others to find it by`, "it has a-z A-Z 0-9 _ . -");
}
