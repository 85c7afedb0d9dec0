import {
  CHILD,
  type FilteredNetwork,
  type Forward,
  HOST,
  type HostStep,
  type NetworkSetup,
} from "../plan/step.ts";
import { forwardsInto } from "./forwards.ts";
import type { Endpoint, Network } from "./network.ts";
import type { PublishedPort } from "./ports.ts";
import { formatAddress, formatSubnet } from "./subnet.ts";

/**
 * A MAC address made from the IPv4 address, as docker does it: a bridge would otherwise change its own with each
 * container that comes and goes, and a neighbour's ARP cache would send an address's next owner's packets astray.
 */
export function hardwareAddress(address: number): string {
  const bytes = formatAddress(address).split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return `02:42:${bytes.join(":")}`;
}

/** What the firewall has to know of a network. */
export function filteredNetwork(network: Network, forwards: readonly Forward[]): FilteredNetwork {
  const { bridge, subnet, six, internal, masquerade, masquerade6 } = network;
  const subnets = [formatSubnet(subnet), ...(six === undefined ? [] : [six.subnet])];
  return { bridge, subnets, internal, masquerade, masquerade6, forwards };
}

const size = (mtu: number | undefined) => mtu === undefined ? "" : ` mtu ${mtu}`;

/**
 * How the bridge of a network is made.
 * @param forwards ports of the host that lead into it
 */
export function networkSetup(network: Network, forwards: readonly Forward[] = []): NetworkSetup {
  const { name, bridge, subnet, gateway, six, mtu } = network;
  const ofBridge = `/proc/sys/net/ipv6/conf/${bridge}`;
  return {
    name,
    bridge,
    bridgeCommands: [
      `link add ${bridge} address ${hardwareAddress(gateway)}${size(mtu)} type bridge`,
      `address add ${formatAddress(gateway)}/${subnet.prefix} brd + dev ${bridge}`,
      // nobody else has it: an address that the kernel still asks others for cannot be used yet
      ...(six === undefined ? [] : [`address add ${six.gateway}/${six.prefix} dev ${bridge} nodad`]),
      `link set ${bridge} up`,
    ],
    filtered: filteredNetwork(network, forwards),
    sysctls: [
      // a container must not become the host's router by sending advertisements (CVE-2020-13401)
      { path: `${ofBridge}/accept_ra`, value: "0" },
      // nor send with addresses that are elsewhere, as those of a name server; a host's "all" may still say 2, which lets them (ip-sysctl.rst)
      { path: `/proc/sys/net/ipv4/conf/${bridge}/rp_filter`, value: "1" },
      { path: "/proc/sys/net/ipv4/ip_forward", value: "1" },
      // without IPv6 there are no rules for it
      { path: `${ofBridge}/disable_ipv6`, value: six === undefined ? "1" : "0" },
      ...(six === undefined ? [] : [{ path: "/proc/sys/net/ipv6/conf/all/forwarding", value: "1" }]),
    ],
  };
}

/** Makes both ends of a veth pair: a command for the container's network namespace, which knows no bridge of the host. */
function vethCommand({ network: { mtu }, hardwareAddress, interface: name, link }: Endpoint): string {
  return `link add ${link} netns ${HOST}${size(mtu)} type veth ` +
    `peer name ${name} address ${hardwareAddress}${size(mtu)}`;
}

/** Makes the container's end of a connection to what a link of the host is connected to: a command for the host's. */
function sharingCommand({ network, hardwareAddress, interface: name }: Endpoint): string {
  const { driver, bridge, mtu, mode } = network;
  // links of an ipvlan have the hardware address of their parent
  const own = driver === "macvlan" ? ` address ${hardwareAddress}` : "";
  return `link add link ${bridge} name ${name} netns ${CHILD}${own}${size(mtu)} type ${driver} mode ${
    mode ?? (driver === "macvlan" ? "bridge" : "l2")
  }`;
}

/** The addresses of one end in the container. */
function addressCommands({ network, address, address6, interface: name }: Endpoint): string[] {
  const { subnet, six } = network;
  return [
    `address add ${formatAddress(address)}/${subnet.prefix} brd + dev ${name}`,
    ...(six === undefined || address6 === undefined
      ? []
      : [`address add ${address6}/${six.prefix} dev ${name} nodad`]),
    `link set ${name} up`,
  ];
}

/**
 * Whoever is in the same network must not become a container's router by sending advertisements. Where it has no IPv6, that is switched off,
 * as docker does. What shares a link of the host has the routers of that one.
 */
function routerGuards({ network, address6, interface: name }: Endpoint): { path: string; value: string }[] {
  const folder = `/proc/sys/net/ipv6/conf/${name}`;
  if (address6 === undefined) return [{ path: `${folder}/disable_ipv6`, value: "1" }];
  return network.driver === "bridge" ? [{ path: `${folder}/accept_ra`, value: "0" }] : [];
}

/**
 * The first network that leads elsewhere is the way to everywhere else.
 * @param all networks that a container is in
 * @param added those of them of which it has no routes yet
 */
function defaultRoutes(all: readonly Endpoint[], added: readonly Endpoint[]): string[] {
  const outward = all.filter(({ network }) => !network.internal);
  const four = outward[0];
  const six = outward.find(({ network }) => network.six !== undefined);
  return [
    ...(four === undefined || !added.includes(four)
      ? []
      : [`route replace default via ${formatAddress(four.network.gateway)}`]),
    ...(six === undefined || !added.includes(six)
      ? []
      : [`route replace default via ${six.network.six!.gateway} dev ${six.interface}`]),
  ];
}

/**
 * The steps that connect a container whose first process waits, or which runs.
 * @param added the places that it is to have
 * @param all of them, with those that it has already
 * @param ports of the host that lead to it
 */
export function connectSteps(
  added: readonly Endpoint[],
  all: readonly Endpoint[] = added,
  ports: readonly PublishedPort[] = [],
): HostStep[] {
  if (added.length === 0) return [];
  const bridged = added.filter(({ network }) => network.driver === "bridge");
  const sharing = added.filter(({ network }) => network.driver !== "bridge");
  const names = (endpoints: readonly Endpoint[]) =>
    endpoints.map(({ network: { bridge } }) => bridge).join(", ");
  const routes = defaultRoutes(all, added);
  const published = bridged.filter(({ network }) => forwardsInto(network.name, ports, all).length > 0);
  return [
    ...bridged.map(({ network }): HostStep => ({
      do: "make-network",
      why: `make the bridge ${network.bridge} and its rules, unless they are there`,
      setup: networkSetup(network, forwardsInto(network.name, ports, all)),
    })),
    ...(sharing.length === 0 ? [] : [
      {
        do: "ip",
        why: `connect the container to the network of the host's link ${names(sharing)}`,
        namespace: "host",
        commands: sharing.map(sharingCommand),
      } as const,
    ]),
    {
      do: "ip",
      why: `${
        bridged.length === 0 ? "" : "make a veth pair to the host, and "
      }give the container its address${routes.length === 0 ? "" : " and default route"}`,
      namespace: "container",
      commands: [...bridged.map(vethCommand), ...added.flatMap(addressCommands), ...routes],
      // before its links join a bridge
      sysctls: added.flatMap(routerGuards),
    },
    ...bridged.map(({ network: { bridge }, link }): HostStep => ({
      do: "join-bridge",
      why: `connect the container to the bridge ${bridge}`,
      bridge,
      link,
    })),
    ...(published.length === 0 ? [] : [
      {
        do: "reflect",
        why: "lead the container's ports to itself as well",
        links: published.map(({ link }) => link),
      } as const,
    ]),
  ];
}

/**
 * What has a running container leave a network: commands for its network namespace. The link of a bridge goes with its end on the host.
 * @param rest its places in other networks
 * @param isLinked whether the container's end is there
 */
export function disconnectCommands(
  endpoint: Endpoint,
  rest: readonly Endpoint[],
  isLinked = true,
): string[] {
  const { network: { driver }, interface: name } = endpoint;
  // the routes of the link go with it; what was second is first now
  const before = [...rest, endpoint].toSorted((one, other) => order(one) - order(other));
  const routes = defaultRoutes(rest, rest).filter((route) => !defaultRoutes(before, before).includes(route));
  return driver === "bridge" || !isLinked ? routes : [`link delete ${name}`, ...routes];
}

const order = ({ interface: name }: Endpoint) => Number(name.replace(/^\D+/, ""));
