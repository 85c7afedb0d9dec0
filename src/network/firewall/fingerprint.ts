import { legacyTable, nftGeneration } from "../../../ffi/netfilter.ts";
import type { Backend } from "./backend.ts";

/**
 * What differs once somebody has changed the host's rules: for nf_tables, the number of the last change; for the older iptables,
 * the sizes of its tables, which tell almost all changes. undefined where it cannot be seen.
 */
export type Fingerprint = number | string | undefined;

export function fingerprint(backend: Backend): Fingerprint {
  if (backend !== "iptables-legacy") return nftGeneration();
  const tables = (["mangle", "filter", "nat"] as const).flatMap((table) =>
    [false, true].map((isIpv6) => legacyTable(table, isIpv6))
  );
  return tables.every((table) => table === undefined) ? undefined : tables.join(";");
}

/**
 * What there is to remember after changes of one's own.
 * @param commits how many they were at most: what changes nothing is none to the kernel
 * @returns null when somebody else must have changed something in between
 */
export function afterOwnChanges(
  before: Fingerprint,
  after: Fingerprint,
  commits: number,
): number | string | null {
  if (after === undefined) return null;
  if (typeof after !== "number" || typeof before !== "number") return after;
  return after >= before && after <= before + commits ? after : null;
}
