import type { Database } from "../state/database.ts";
import { isAlive, type ProcessIdentity } from "../state/process_identity.ts";

/** Whether a keeper will look after unused networks. */
export function isKeeperAlive(database: Database): boolean {
  const rows = database.all<{ keeper: string }>("SELECT keeper FROM networks WHERE keeper IS NOT NULL");
  return rows.some(({ keeper }) => isAlive(JSON.parse(keeper) as ProcessIdentity));
}
