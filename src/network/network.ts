/** What a network is, and a container's place in one. */
import type { Subnet } from "./subnet.ts";
import type { PublishedPort } from "./ports.ts";

/** The network that containers join unless told otherwise, under docker's name for it. */
export const DEFAULT_NETWORK = "bridge";

/** How the names of all of dhow's bridges begin. */
export const BRIDGE_PREFIX = "dhow";

/** Networks that each host has, and nobody makes or removes, with their drivers, as docker has them. */
export const PREDEFINED: Readonly<Record<string, string>> = {
  [DEFAULT_NETWORK]: "bridge",
  host: "host",
  none: "null",
};

/** A bridge of the host's own; or places on the network that one of its links is in. */
export const DRIVERS = ["bridge", "macvlan", "ipvlan"] as const;
export type Driver = typeof DRIVERS[number];

/** How a network was wanted: the options of `network create`. Addresses and ranges as text, in their usual form. */
export interface NetworkConfig {
  readonly driver: Driver;
  /** Absent for one that dhow chooses. */
  readonly subnet?: string;
  /** Absent for the first of the subnet. */
  readonly gateway?: string;
  /** The part of the subnet that containers get addresses of. Absent for all. */
  readonly range?: string;
  /** Absent without IPv6. Containers get the same places in it as in the IPv4 subnet, as long as they are free. */
  readonly subnet6?: string;
  readonly gateway6?: string;
  readonly range6?: string;
  /** Addresses that no container gets, by names. */
  readonly reserved?: Readonly<Record<string, string>>;
  /** Whether it leads nowhere else. */
  readonly internal: boolean;
  /** Whether it was made with --attachable, which changes nothing: all networks are. */
  readonly attachable?: true;
  /** Of the driver, as given; see options.ts. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** A network's range of IPv6 addresses, as text. */
export interface Range6 {
  readonly subnet: string;
  readonly prefix: number;
  readonly gateway: string;
}

/** A network, with all that it takes to connect a container. */
export interface Network {
  readonly name: string;
  readonly driver: Driver;
  /** The bridge's link; of the other drivers the host's link that they share. */
  readonly bridge: string;
  readonly subnet: Subnet;
  readonly gateway: number;
  readonly six?: Range6;
  readonly internal: boolean;
  /** Whether what leaves it has the host's address; separately for IPv6. */
  readonly masquerade: boolean;
  readonly masquerade6: boolean;
  /** Of its links, in bytes. Absent for the kernel's. */
  readonly mtu?: number;
  /** How macvlan or ipvlan work (ip-link(8)). */
  readonly mode?: string;
}

/** A container's place in a network. */
export interface Endpoint {
  readonly network: Network;
  readonly address: number;
  readonly address6?: string;
  readonly hardwareAddress: string;
  /** The container's end: `eth0`. */
  readonly interface: string;
  /** The host's end of the veth pair; empty where there is none. */
  readonly link: string;
  /** Ports of the host that lead to it. Absent for none. */
  readonly ports?: readonly PublishedPort[];
}

/**
 * Whether others find a container in a network, by its name and by ports of the host; `anew` while the network's zone does not know its
 * name yet.
 */
export const NAMED = { noMore: 0, yes: 1, anew: 2 } as const;

/** That a container is to be in a network. */
export interface Attachment {
  /** Its name. */
  readonly network: string;
  readonly address?: string;
  readonly address6?: string;
  readonly hardwareAddress?: string;
  /** Names by which others on the network find it, besides its own. */
  readonly aliases?: readonly string[];
}

/** Interface names have at most 15 characters (IFNAMSIZ), and a container's id begins with random ones. */
export function linkName(containerId: string, index = 0): string {
  return `veth${containerId.slice(0, 8)}${index === 0 ? "" : `-${index}`}`;
}
