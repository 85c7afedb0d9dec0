/** Which ids an ordinary user's containers may have: passwd(5), subuid(5), subgid(5). */
import {
  belongsTo,
  commonParts,
  type IdRange,
  parseSubordinateIds,
  partsBeside,
  type SubordinateIds,
} from "../state/subordinate_ids.ts";
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

/** Lines that one map of the kernel has at most (user_namespaces(7)). */
const MAX_LINES = 340;

/** All ids but the last, which stands for none. */
const IDS: IdRange = { start: 0, size: 2 ** 32 - 1 };

/**
 * The user is root in it; the ids from 1 on are those of the user's ranges, one range after another. What is given twice counts once, and
 * what there is no id for in the namespace that this process is in counts not at all: the kernel would refuse the whole map.
 * @param subids the text of /etc/subuid or /etc/subgid
 * @param own the uid or gid that becomes 0
 * @param available what this process's own namespace has
 */
export function mapIds(
  subids: string,
  owner: { name: string | undefined; uid: number },
  own: number,
  available: readonly IdMapping[],
): IdMapping[] {
  const here = commonParts(available.map(({ containerID: start, size }) => ({ start, size })), [IDS]);
  const taken: IdRange[] = [{ start: own, size: 1 }];
  const map: IdMapping[] = [{ containerID: 0, hostID: own, size: 1 }];
  let containerID = 1;
  // a line that gives root's id away is a mistake
  const isMeant = (range: SubordinateIds) => belongsTo(range, owner) && range.start !== 0;
  for (const range of parseSubordinateIds(subids).filter(isMeant)) {
    for (const { start: hostID, size } of commonParts(partsBeside(range, taken), here)) {
      if (map.length === MAX_LINES) return map;
      map.push({ containerID, hostID, size });
      containerID += size;
    }
    taken.push(range);
  }
  return map;
}
