/** Which ids an ordinary user's containers may have: passwd(5), subuid(5), subgid(5). */
import { belongsTo, parseSubordinateIds } from "../state/subordinate_ids.ts";
import type { IdMapping } from "../state/user_namespace.ts";

/** A user of /etc/passwd. */
export interface UserEntry {
  readonly name: string;
  readonly home: string | undefined;
}

export function userEntry(passwd: string, uid: number): UserEntry | undefined {
  for (const line of passwd.split("\n")) {
    const [name = "", , id, , , home = ""] = line.split(":");
    if (name !== "" && id === String(uid)) return { name, home: home.startsWith("/") ? home : undefined };
  }
  return undefined;
}

/**
 * The user is root in it; the ids from 1 on are those of the user's ranges, one range after another.
 * @param subids the text of /etc/subuid or /etc/subgid
 * @param own the uid or gid that becomes 0
 */
export function mapIds(
  subids: string,
  owner: { name: string | undefined; uid: number },
  own: number,
): IdMapping[] {
  const map: IdMapping[] = [{ containerID: 0, hostID: own, size: 1 }];
  let containerID = 1;
  for (const range of parseSubordinateIds(subids)) {
    const { start: hostID, size } = range;
    if (!belongsTo(range, owner) || hostID === 0 || size === 0) continue;
    map.push({ containerID, hostID, size });
    containerID += size;
  }
  return map;
}
