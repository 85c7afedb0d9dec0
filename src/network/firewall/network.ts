/** What both forms of the rules, iptables' and nft's, take from a network. */
import type { FilteredNetwork, Forward } from "../../plan/step.ts";

/** Of IP. */
export type Family = 4 | 6;

/** Addresses of the host itself: RFC 1122 and RFC 4291. */
export const LOOPBACK: Readonly<Record<Family, string>> = { 4: "127.0.0.0/8", 6: "::1/128" };

const familyOf = (address: string): Family => address.includes(":") ? 6 : 4;

export function subnetsOf({ subnets }: FilteredNetwork, family: Family): string[] {
  return subnets.filter((subnet) => familyOf(subnet) === family);
}

/** A network that ends at the host publishes nothing, as docker's. */
export function forwardsOf({ forwards, internal }: FilteredNetwork, family: Family): readonly Forward[] {
  return internal ? [] : forwards.filter(({ address }) => familyOf(address) === family);
}

/**
 * The families that a network needs rules of: those of its subnets. One that ends at the host does so in both, whatever addresses
 * its containers take.
 */
export function familiesOf(network: FilteredNetwork): Family[] {
  return ([4, 6] as const).filter((family) => network.internal || subnetsOf(network, family).length > 0);
}

/** Whether what leaves a network has the host's address. */
export function hidesBehindHost(
  { masquerade, masquerade6 = masquerade }: FilteredNetwork,
  family: Family,
): boolean {
  return family === 6 ? masquerade6 : masquerade;
}

/** The host's address that a forward is bound to; undefined for all of them. */
export function boundTo({ hostIp }: Forward): string | undefined {
  return ["", "0.0.0.0", "::"].includes(hostIp) ? undefined : hostIp;
}

/**
 * What is reached by the container's own address, too: where containers are not hidden behind the host, what is published at all of its
 * addresses.
 */
export function reachedDirectly(network: FilteredNetwork, family: Family): readonly Forward[] {
  if (hidesBehindHost(network, family)) return [];
  return forwardsOf(network, family).filter((forward) => boundTo(forward) === undefined);
}

/** `address:port`, as both firewalls take it. */
export function destinationOf({ address, containerPort }: Forward): string {
  return address.includes(":") ? `[${address}]:${containerPort}` : `${address}:${containerPort}`;
}

/** Whether a process of the host can reach a container by 127.0.0.1. */
export function isReachedByLoopback(network: FilteredNetwork): boolean {
  return forwardsOf(network, 4).some((forward) => {
    const address = boundTo(forward);
    return address === undefined || address.startsWith("127.");
  });
}
