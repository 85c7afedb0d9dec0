/** The user namespace that dhow runs in for an ordinary user, seen from in it. Who makes it: src/rootless/enter.ts. */
import { readIfThere } from "./read.ts";

/** Set for a dhow that has entered it. Who is in it all the same was put there by somebody else: see isForeign. */
export const MARKER = "DHOW_USER_NAMESPACE";

/** A range of user or group ids of a user namespace (user_namespaces(7)), worded as in the OCI runtime specification. */
export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** Both kinds. Each has its root mapped. */
export interface IdMappings {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** @param text of /proc/PID/uid_map, or gid_map */
export function parseIdMap(text: string): IdMapping[] {
  return text.split("\n").flatMap((line) => {
    const [containerID, hostID, size] = line.trim().split(/\s+/).map(Number);
    return size === undefined ? [] : [{ containerID: containerID!, hostID: hostID!, size }];
  });
}

/** What the first user namespace has: all ids as they are. */
const isInitial = ([first]: readonly IdMapping[]) =>
  first !== undefined && first.containerID === 0 && first.hostID === 0 && first.size === 2 ** 32 - 1;

let known: IdMappings | null | undefined;

/**
 * The root of a user namespace is no more than an ordinary user, whoever has made it: what dhow has made for a user, a container that
 * dhow runs in, `unshare --map-root-user`.
 * @returns undefined for root, whatever its environment says; and for an ordinary user who has not entered
 */
export function ownNamespace(): IdMappings | undefined {
  if (known === undefined) {
    known = null;
    if (Deno.uid() !== 0) return undefined;
    const [uids, gids] = ["uid_map", "gid_map"].map((file) =>
      parseIdMap(readIfThere(`/proc/self/${file}`) ?? "")
    );
    if (uids!.length > 0 && !isInitial(uids!)) known = { uids: uids!, gids: gids! };
  }
  return known ?? undefined;
}

/** Whether an ordinary user runs this. */
export const isRootless = (): boolean => ownNamespace() !== undefined;

/** Whether the namespace is not dhow's own, so that other commands of its user are in others. */
export const isForeign = (): boolean => isRootless() && Deno.env.get(MARKER) === undefined;

/** Whether it has one user only, its root, who is the user that runs this. */
export const isSingle = ({ uids }: IdMappings): boolean => uids.length === 1 && uids[0]!.size === 1;
