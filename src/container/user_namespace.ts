/** What is different for containers in user namespaces: one of their own, or the one that an ordinary user's dhow is in itself. */
import { HostError } from "../errors.ts";
import type { OverlayDriver } from "../rootfs/overlay.ts";
import type { ResolvedUser } from "../security/user.ts";
import { isMapped } from "../security/id_mappings.ts";
import { isRootless, isSingle, ownNamespace } from "../state/user_namespace.ts";
import { hasOwnIds, type RunOptions } from "./options.ts";
import { pathExists } from "../../ffi/files.ts";
import { ControllerFolders } from "../limits/controllers.ts";
import { delegatedCgroup, NOT_DELEGATED } from "../limits/delegated.ts";
import { log } from "../log.ts";
import { cgroupOf, type ContainerRecord } from "./records.ts";

/**
 * Whether a container's file tree is mounted in a user namespace. There overlay has its records in attributes `user.overlay.*`,
 * EROFS cannot be mounted, and no device be made.
 */
export function isMountedByUser(options: Pick<RunOptions, "userNamespace" | "ids">): boolean {
  return (options.userNamespace && !hasOwnIds(options)) || isRootless();
}

/** What lays a container's layers over each other. */
export function driverOf(options: Pick<RunOptions, "userNamespace" | "ids" | "driver">): OverlayDriver {
  return options.driver ?? (isMountedByUser(options) ? "user" : "privileged");
}

/**
 * Whether a container of an ordinary user can be put into a cgroup from here: not where its user has none, and not from a session that
 * is beside it.
 */
export function canUseCgroup({ cgroupBase }: Pick<RunOptions, "cgroupBase">): boolean {
  return cgroupBase !== undefined && delegatedCgroup().path === cgroupBase;
}

/** Says that a container has no limits, for want of a cgroup. */
export function warnOfNoLimits(): void {
  const why = NOT_DELEGATED[delegatedCgroup().version];
  log.warn(`cannot limit what the container uses, which has no limits now: ${why}`);
}

/** Whether it has a cgroup, by which it can be paused and measured. */
export function hasCgroup(container: Pick<ContainerRecord, "id" | "config">): boolean {
  if (!isRootless()) return true;
  const folder = new ControllerFolders().find("freezer", cgroupOf(container));
  return folder !== undefined && pathExists(folder.path);
}

/** Why something cannot be done with one that has none. */
export function withoutCgroup(what: string): HostError {
  return new HostError({ what, why: `it has no cgroup: ${NOT_DELEGATED[delegatedCgroup().version]}` });
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
  if (missing === undefined) {
    return { ...user, additionalGids: isSingle(namespace) ? undefined : user.additionalGids };
  }
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
