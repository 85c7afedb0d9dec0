/** What is different for containers in user namespaces: one of their own, or the one that an ordinary user's dhow is in itself. */
import { HostError } from "../errors.ts";
import type { ResolvedUser } from "../security/user.ts";
import { isMapped, isRootless, isSingle, ownNamespace } from "../state/user_namespace.ts";
import type { RunOptions } from "./options.ts";

/**
 * Whether a container's file tree is mounted in a user namespace. There overlay has its records in attributes `user.overlay.*`,
 * EROFS cannot be mounted, and no device be made.
 */
export function isMountedByUser({ userNamespace }: Pick<RunOptions, "userNamespace">): boolean {
  return userNamespace || isRootless();
}

/** A user, and whether groups can be set at all: not where the user's own is the only one. */
export interface PossibleUser extends Omit<ResolvedUser, "additionalGids"> {
  readonly additionalGids: readonly number[] | undefined;
}

/**
 * A container's user, as far as an ordinary user's namespace has it; for root as it is.
 * @throws {HostError} when it does not exist there
 */
export function possibleUser(user: ResolvedUser): PossibleUser {
  const namespace = ownNamespace();
  if (namespace === undefined) return user;
  const groups = [user.gid, ...user.additionalGids];
  const missing = isMapped(namespace.uids, user.uid)
    ? groups.find((gid) => !isMapped(namespace.gids, gid) && (gid === user.gid || !isSingle(namespace)))
    : user.uid;
  if (missing === undefined) return { ...user, additionalGids: isSingle(namespace) ? undefined : user.additionalGids };
  throw new HostError({
    what: `cannot run as user ${user.uid}, group ${user.gid}`,
    why: isSingle(namespace)
      ? "this host gives you no other ids than your own, which is the container's root"
      : `your ranges in /etc/subuid and /etc/subgid have no ${missing}`,
    hint: isSingle(namespace)
      ? "the administrator can give you some, see: dhow doctor; or run as root with --user 0"
      : "the administrator can give you more",
  });
}
