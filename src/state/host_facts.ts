/** What was found out about the host: tried once a boot, then remembered. */
import { log } from "../log.ts";
import type { Database } from "./database.ts";
import { bootId } from "./process_identity.ts";

/** By which boot, and why something cannot be done; null when it can. */
interface Finding {
  readonly bootId: string;
  readonly obstacle: string | null;
}

/**
 * Why something cannot be done on this host; null when it can.
 * @param key by which it is remembered
 * @param attempt tries it
 * @param forgetsObstacles whether what cannot be done is tried again the next time: it may depend on more than the host
 */
export async function obstacleTo(
  database: Database,
  key: string,
  attempt: () => string | null | Promise<string | null>,
  { forgetsObstacles = false } = {},
): Promise<string | null> {
  const row = database.get<{ value: string }>("SELECT value FROM host_facts WHERE key = ?", key);
  const known = row === undefined ? undefined : JSON.parse(row.value) as Finding;
  if (known?.bootId === bootId()) return known.obstacle;
  const obstacle = await attempt();
  log.debug(obstacle === null ? `this host can: ${key}` : `this host cannot: ${key} (${obstacle})`);
  if (obstacle !== null && forgetsObstacles) return obstacle;
  const finding: Finding = { bootId: bootId(), obstacle };
  database.run("INSERT OR REPLACE INTO host_facts (key, value) VALUES (?, ?)", key, JSON.stringify(finding));
  return obstacle;
}
