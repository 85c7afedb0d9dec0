/**
 * A network's rules for iptables(8) and ip6tables(8): chains of dhow's own for each bridge, each reached by jumps from chains of
 * the system.
 *
 * FORWARD's policy may be DROP (docker sets it, and ufw), or ACCEPT: neither has a say. What is accepted here is not looked at
 * by the rules after it; nor are dhow's, if they come after those of somebody who accepts: of docker's, of virtual machines, or of another
 * network of dhow's. So what must not be is dropped before, in the table "mangle".
 */
import { BRIDGE_PREFIX } from "../network.ts";
import type { FilteredNetwork, Forward } from "../../plan/step.ts";
import {
  boundTo,
  destinationOf,
  type Family,
  forwardsOf,
  hidesBehindHost,
  LOOPBACK,
  reachedDirectly,
  subnetsOf,
} from "./network.ts";

/** A chain, and from where it is reached: a chain of the system, and what a packet must be. */
export interface Chain {
  readonly name: string;
  readonly jumps: readonly (readonly [from: string, match: string])[];
  readonly rules: readonly string[];
}

export interface Table {
  readonly table: "mangle" | "filter" | "nat";
  readonly chains: readonly Chain[];
}

/** The names of a bridge's chains: of both tables, for what goes to the host itself, and for published ports. */
export function chainNames(bridge: string): { usual: string; input: string; ports: string } {
  // a chain's name has at most 28 characters, a bridge's 15
  return { usual: `DHOW-${bridge}`, input: `DHOW-${bridge}-IN`, ports: `DHOW-${bridge}-PORTS` };
}

export function tablesOf(network: FilteredNetwork, family: Family): Table[] {
  const names = chainNames(network.bridge);
  return [
    {
      table: "mangle",
      chains: [{ name: names.usual, jumps: [["FORWARD", ""]], rules: isolation(network, family) }],
    },
    {
      table: "filter",
      chains: [
        { name: names.usual, jumps: [["FORWARD", ""]], rules: forwarding(network, family) },
        ...(family === 4
          ? [{ name: names.input, jumps: [["INPUT", `-i ${network.bridge}`]] as const, rules: INPUT_RULES }]
          : []),
      ],
    },
    {
      table: "nat",
      chains: [
        { name: names.usual, jumps: [["POSTROUTING", ""]], rules: sources(network, family) },
        {
          name: names.ports,
          // Nobody else may reach what is bound to the host's loopback: the kernel refuses such packets only after this chain.
          jumps: [
            ["PREROUTING", `! -d ${LOOPBACK[family]} -m addrtype --dst-type LOCAL`],
            // IPv6 has no route_localnet: such a packet could not leave
            ["OUTPUT", `${family === 6 ? `! -d ${LOOPBACK[6]} ` : ""}-m addrtype --dst-type LOCAL`],
          ],
          rules: portRules(network, family),
        },
      ],
    },
  ];
}

/** What nobody else's rules can accept. */
function isolation(network: FilteredNetwork, family: Family): string[] {
  const { bridge, internal } = network;
  if (internal) return [`-i ${bridge} ! -o ${bridge} -j DROP`, `-o ${bridge} ! -i ${bridge} -j DROP`];
  return [
    // who pretends to be one of its containers would have answers let in to that one
    ...subnetsOf(network, family).map((subnet) => `-s ${subnet} ! -i ${bridge} -j DROP`),
    ...directly(network, family, "RETURN"),
    `-o ${bridge} ! -i ${bridge} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
  ];
}

/** Networks do not reach each other, and nobody from outside reaches containers but by their published ports. */
function forwarding(network: FilteredNetwork, family: Family): string[] {
  const { bridge, internal } = network;
  const among = `-i ${bridge} -o ${bridge} -j ACCEPT`;
  const inwards = `-o ${bridge} -j DROP`;
  if (internal) return [among, inwards, `-i ${bridge} -j DROP`];
  return [
    `-o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT`,
    among,
    ...directly(network, family, "ACCEPT"),
    inwards,
    // what goes to another bridge of dhow's is left to that one's chain
    `-i ${bridge} ! -o ${BRIDGE_PREFIX}+ -j ACCEPT`,
  ];
}

/** What comes to a published port by the container's own address. */
function directly(network: FilteredNetwork, family: Family, target: "ACCEPT" | "RETURN"): string[] {
  return reachedDirectly(network, family).map(({ protocol, address, containerPort }) =>
    `-o ${network.bridge} -d ${address} -p ${protocol} -m ${protocol} --dport ${containerPort} -j ${target}`
  );
}

/**
 * With route_localnet, packets with addresses of the host's loopback may come by the bridge. Only answers to the host's own
 * connections do (CVE-2020-8558).
 */
const INPUT_RULES = [
  `-s ${LOOPBACK[4]} -j DROP`,
  `-d ${LOOPBACK[4]} -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP`,
];

function sources(network: FilteredNetwork, family: Family): string[] {
  const { bridge, internal } = network;
  const subnets = subnetsOf(network, family);
  if (internal) return [];
  return [
    ...(hidesBehindHost(network, family)
      ? subnets.map((subnet) => `-s ${subnet} ! -o ${bridge} -j MASQUERADE`)
      : []),
    // a container that asks for another, or itself, by a port of the host: the answer must come back by the host
    ...subnets.map((subnet) => `-s ${subnet} -o ${bridge} -m conntrack --ctstate DNAT -j MASQUERADE`),
    // a container has no way back to the host's loopback
    ...(family === 4 ? [`-s ${LOOPBACK[4]} -o ${bridge} -j MASQUERADE`] : []),
  ];
}

/** Their order does not matter: no two are for the same port of the same address. */
export function portRules(network: FilteredNetwork, family: Family): string[] {
  return forwardsOf(network, family).map(translation);
}

function translation(forward: Forward): string {
  const { protocol, hostPort } = forward;
  const address = boundTo(forward);
  return [
    ...(address === undefined ? [] : [`-d ${address}`]),
    `-p ${protocol} -m ${protocol} --dport ${hostPort}`,
    `-j DNAT --to-destination ${destinationOf(forward)}`,
  ].join(" ");
}
