/**
 * A network's rules for nft(8): a table for each family, with the bridge's name. They are those of iptables_rules.ts.
 *
 * A packet passes the chains of all tables, and each can drop it: what is accepted here, another table may still drop.
 */
import type { FilteredNetwork, Forward } from "../../plan/step.ts";
import {
  boundTo,
  BRIDGE_PREFIX,
  destinationOf,
  familiesOf,
  type Family,
  forwardsOf,
  hidesBehindHost,
  LOOPBACK,
  subnetsOf,
} from "./network.ts";

const NAMES: Readonly<Record<Family, string>> = { 4: "ip", 6: "ip6" };

/** Makes the tables, or replaces them, all at once. */
export function nftRules(network: FilteredNetwork): string {
  return familiesOf(network).flatMap((family) => tableOf(network, family)).join("\n") + "\n";
}

/** Has the tables, which are there, lead other ports to containers. */
export function nftPorts(network: FilteredNetwork): string {
  const { bridge } = network;
  return familiesOf(network).flatMap((family) => {
    const chain = `${NAMES[family]} ${bridge} ports`;
    return [`flush chain ${chain}`, ...portRules(network, family).map((rule) => `add rule ${chain} ${rule}`)];
  }).join("\n") + "\n";
}

/** Deletes the tables. What is not there is no error. */
export function nftRemoval(bridge: string, families: readonly Family[]): string {
  return families.flatMap((family) => emptied(bridge, family)).join("\n") + "\n";
}

/** To be deleted, a table must be there: naming it makes it (nft(8)). */
function emptied(bridge: string, family: Family): string[] {
  const table = `table ${NAMES[family]} ${bridge}`;
  return [table, `delete ${table}`];
}

function tableOf(network: FilteredNetwork, family: Family): string[] {
  const { bridge } = network;
  const ports = portRules(network, family);
  const ip = NAMES[family];
  return [
    ...emptied(bridge, family),
    `table ${ip} ${bridge} {`,
    ...chain("forward", "filter", "forward", 0, forwarding(network)),
    ...(family === 4 ? chain("input", "filter", "input", 0, inputRules(bridge)) : []),
    ...chain("postrouting", "nat", "postrouting", 100, sources(network, family)),
    ...["chain ports {", ...ports.map((rule) => `  ${rule}`), "}"].map((line) => `  ${line}`),
    ...chain("prerouting", "nat", "prerouting", -100, [
      `${ip} daddr != ${LOOPBACK[family]} fib daddr type local jump ports`,
    ]),
    ...chain("output", "nat", "output", -100, [
      `${family === 6 ? `ip6 daddr != ${LOOPBACK[6]} ` : ""}fib daddr type local jump ports`,
    ]),
    "}",
  ];
}

function chain(
  name: string,
  type: "filter" | "nat",
  hook: string,
  priority: number,
  rules: readonly string[],
): string[] {
  return [
    `  chain ${name} {`,
    `    type ${type} hook ${hook} priority ${priority}; policy accept;`,
    ...rules.map((rule) => `    ${rule}`),
    "  }",
  ];
}

function forwarding({ bridge, internal }: FilteredNetwork): string[] {
  const among = `iifname "${bridge}" oifname "${bridge}" accept`;
  const inwards = `oifname "${bridge}" drop`;
  if (internal) return [among, inwards, `iifname "${bridge}" drop`];
  return [
    `oifname "${bridge}" ct state related,established accept`,
    `oifname "${bridge}" ct status dnat accept`,
    among,
    inwards,
    `iifname "${bridge}" oifname != "${BRIDGE_PREFIX}*" accept`,
  ];
}

function inputRules(bridge: string): string[] {
  return [
    `iifname "${bridge}" ip saddr ${LOOPBACK[4]} drop`,
    `iifname "${bridge}" ip daddr ${LOOPBACK[4]} ct state != { related, established } drop`,
  ];
}

function sources(network: FilteredNetwork, family: Family): string[] {
  const { bridge, internal } = network;
  if (internal) return [];
  const ip = NAMES[family];
  const subnets = subnetsOf(network, family);
  return [
    ...(hidesBehindHost(network, family)
      ? subnets.map((subnet) => `${ip} saddr ${subnet} oifname != "${bridge}" masquerade`)
      : []),
    ...subnets.map((subnet) => `${ip} saddr ${subnet} oifname "${bridge}" ct status dnat masquerade`),
    ...(family === 4 ? [`ip saddr ${LOOPBACK[4]} oifname "${bridge}" masquerade`] : []),
  ];
}

function portRules(network: FilteredNetwork, family: Family): string[] {
  return forwardsOf(network, family).map((forward) => translation(forward, family));
}

function translation(forward: Forward, family: Family): string {
  const { protocol, hostPort } = forward;
  const address = boundTo(forward);
  const bound = address === undefined ? "" : `${NAMES[family]} daddr ${address} `;
  return `${bound}${protocol} dport ${hostPort} dnat to ${destinationOf(forward)}`;
}
