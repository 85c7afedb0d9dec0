/** The user namespace that dhow runs in for an ordinary user, seen from in it. Who makes it: src/rootless/enter.ts. */
import { readIfThere } from "./read.ts";

/** Set for a dhow that has entered it. It says nothing by itself: see ownNamespace. */
export const MARKER = "DHOW_USER_NAMESPACE";

/** A line of /proc/PID/uid_map (user_namespaces(7)). */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

export interface UserNamespace {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

export function parseIdMap(text: string): IdRange[] {
  return text.split("\n").flatMap((line) => {
    const [inside, outside, count] = line.trim().split(/\s+/).map(Number);
    return count === undefined ? [] : [{ inside: inside!, outside: outside!, count }];
  });
}

/** What the first user namespace has: all ids as they are. */
const isInitial = ([first]: readonly IdRange[]) =>
  first !== undefined && first.inside === 0 && first.outside === 0 && first.count === 2 ** 32 - 1;

let known: UserNamespace | null | undefined;

/** @returns undefined for root, whatever its environment says; and for an ordinary user who has not entered */
export function ownNamespace(): UserNamespace | undefined {
  if (known === undefined) {
    known = null;
    if (Deno.env.get(MARKER) === undefined || Deno.uid() !== 0) return undefined;
    const [uids, gids] = ["uid_map", "gid_map"].map((file) =>
      parseIdMap(readIfThere(`/proc/self/${file}`) ?? "")
    );
    if (uids!.length > 0 && !isInitial(uids!)) known = { uids: uids!, gids: gids! };
  }
  return known ?? undefined;
}

/** Whether an ordinary user runs this. */
export const isRootless = (): boolean => ownNamespace() !== undefined;

/** Whether it has one user only, its root, who is the user that runs this. */
export const isSingle = ({ uids }: UserNamespace): boolean => uids.length === 1 && uids[0]!.count === 1;

/** The last of the ids that follow upon each other from 0 on. */
export function lastInRow(ranges: readonly IdRange[]): number {
  return ranges.reduce((next, { inside, count }) => inside === next ? next + count : next, 0) - 1;
}

export const isMapped = (ranges: readonly IdRange[], id: number): boolean =>
  ranges.some(({ inside, count }) => id >= inside && id < inside + count);
