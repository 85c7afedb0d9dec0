import type { Database } from "../../state/database.ts";
import { type Backend, BACKENDS } from "./backend.ts";
import { type Fingerprint, fingerprint } from "./fingerprint.ts";
import type { Family } from "./network.ts";

/** What was made for a bridge, or is about to be: written down before it is. */
interface Filtered {
  readonly families: readonly Family[];
  /** Whether it was put into firewalld's zone. */
  readonly isTrusted: boolean;
  /** The rules of iptables that lead ports of the host to containers, as they were written last; undefined where that is not known. */
  readonly ports?: PortRules;
}

export type PortRules = Readonly<Partial<Record<Family, readonly string[]>>>;

/** What this store has in the host's firewall. */
export interface FirewallState {
  /** While there is a bridge, its rules and those of the next stay where they are. */
  readonly backend: Backend;
  /** As it was when all was in order; null when that is not known. */
  readonly fingerprint: Exclude<Fingerprint, undefined> | null;
  readonly bridges: Readonly<Record<string, Filtered>>;
}

const KEY = "firewall";

export function readState(database: Database): FirewallState | undefined {
  const row = database.get<{ value: string }>("SELECT value FROM host_facts WHERE key = ?", KEY);
  const state = row === undefined ? undefined : JSON.parse(row.value) as FirewallState;
  return state !== undefined && BACKENDS.includes(state.backend) ? state : undefined;
}

export function writeState(database: Database, state: FirewallState): void {
  if (Object.keys(state.bridges).length === 0) {
    database.run("DELETE FROM host_facts WHERE key = ?", KEY);
  } else {
    const sql = "INSERT OR REPLACE INTO host_facts (key, value) VALUES (?, ?)";
    database.run(sql, KEY, JSON.stringify(state));
  }
}

/**
 * Whether nobody has changed the host's rules since dhow did, or saw that its own are in order. For every command while a network is
 * made: it runs no program.
 */
export function isFirewallUntouched(database: Database): boolean {
  const state = readState(database);
  return state !== undefined && isUntouched(state);
}

export function isUntouched(state: FirewallState): boolean {
  return state.fingerprint !== null && state.fingerprint === fingerprint(state.backend);
}
