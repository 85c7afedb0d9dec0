import { CHILD, type HostStep, type NetworkSetup } from "../plan/step.ts";
import { formatAddress, formatSubnet, gatewayOf, type Subnet } from "./subnet.ts";

/** A network: a bridge on the host with a range of addresses. */
export interface Network {
  readonly name: string;
  readonly bridge: string;
  readonly subnet: Subnet;
}

/** A container's place in a network. */
export interface Endpoint {
  readonly network: Network;
  readonly address: number;
  /** The host's end of the veth pair. */
  readonly link: string;
}

/** Interface names have at most 15 characters (IFNAMSIZ), and a container's id begins with random ones. */
export function linkName(containerId: string): string {
  return `veth${containerId.slice(0, 8)}`;
}

/**
 * A MAC address made from the IPv4 address, as docker does it: a bridge would otherwise change its own with each
 * container that comes and goes, and a neighbour's ARP cache would send an address's next owner's packets astray.
 */
export function hardwareAddress(address: number): string {
  const bytes = formatAddress(address).split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return `02:42:${bytes.join(":")}`;
}

export function networkSetup(network: Network): NetworkSetup {
  const { name, bridge, subnet } = network;
  return {
    name,
    bridge,
    bridgeCommands: [
      `link add ${bridge} address ${hardwareAddress(gatewayOf(subnet))} type bridge`,
      `address add ${formatAddress(gatewayOf(subnet))}/${subnet.prefix} brd + dev ${bridge}`,
      `link set ${bridge} up`,
    ],
    filtered: { bridge, subnets: [formatSubnet(subnet)], internal: false, masquerade: true, forwards: [] },
    sysctls: [
      // a container must not become the host's router by sending advertisements (CVE-2020-13401)
      { path: `/proc/sys/net/ipv6/conf/${bridge}/accept_ra`, value: "0" },
      { path: "/proc/sys/net/ipv4/ip_forward", value: "1" },
    ],
  };
}

/** The steps that connect a container whose first process waits. */
export function connectSteps({ network, address, link }: Endpoint): HostStep[] {
  const { bridge, subnet } = network;
  return [
    {
      do: "make-network",
      why: `make the bridge ${bridge} and its NAT rules, unless they are there`,
      setup: networkSetup(network),
    },
    {
      do: "ip",
      why: `connect the container to the bridge ${bridge} by a veth pair`,
      namespace: "host",
      commands: [
        `link add ${link} master ${bridge} up type veth ` +
        `peer name eth0 address ${hardwareAddress(address)} netns ${CHILD}`,
      ],
    },
    {
      do: "ip",
      why: "give the container its address and default route",
      namespace: "container",
      commands: [
        `address add ${formatAddress(address)}/${subnet.prefix} brd + dev eth0`,
        "link set eth0 up",
        `route add default via ${formatAddress(gatewayOf(subnet))}`,
      ],
    },
  ];
}
