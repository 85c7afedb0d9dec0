/** Which ids an ordinary user's containers may have: passwd(5), subuid(5), subgid(5). */
import type { IdRange } from "../state/user_namespace.ts";

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
): IdRange[] {
  const map: IdRange[] = [{ inside: 0, outside: own, count: 1 }];
  let inside = 1;
  for (const line of subids.split("\n")) {
    const [name, first, count] = line.trim().split(":");
    if (name === undefined || (name !== owner.name && name !== String(owner.uid))) continue;
    const [outside, size] = [Number(first), Number(count)];
    if (!(Number.isSafeInteger(outside) && outside > 0 && Number.isSafeInteger(size) && size > 0)) continue;
    map.push({ inside, outside, count: size });
    inside += size;
  }
  return map;
}
