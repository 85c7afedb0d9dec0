/** Ranges of ids of the host that containers with a user namespace have for themselves. */
import { HostError } from "../errors.ts";
import type { IdMapping, IdMappings } from "../plan/step.ts";
import { fillMappings, idsNeeded, mappedFromZero, mappingFault } from "../security/id_mappings.ts";
import type { Database } from "../state/database.ts";
import { readIfThere } from "../state/read.ts";
import { commonParts, type IdRange, parseSubordinateIds } from "../state/subordinate_ids.ts";
import { isRootless, ownNamespace } from "../state/user_namespace.ts";
import type { ResolvedImage } from "./image.ts";
import type { AutoIds, RunOptions } from "./options.ts";

/** As many as make all ids that are in use in images, `nobody` too, ids of the container. */
export const DEFAULT_SIZE = 65536;

/** The user whose ranges in /etc/subuid and /etc/subgid are for containers, as for podman. */
const OWNER = "containers";

/**
 * Where ranges come from if /etc/subuid says nothing of containers: neither useradd nor systemd give ids away there
 * (SUB_UID_MAX in login.defs(5); "Users, Groups, UIDs and GIDs on systemd Systems").
 */
export const DEFAULT_RANGE: IdRange = { start: 0x7000_0000, size: 0x1000_0000 };

/**
 * The first gap that is large enough.
 * @param within where to look
 * @param taken what is somebody else's
 */
export function findGap(
  size: number,
  within: readonly IdRange[],
  taken: readonly IdRange[],
): number | undefined {
  const sorted = taken.toSorted((a, b) => a.start - b.start);
  for (const range of within) {
    let start = range.start;
    for (const other of sorted) {
      if (other.start < start + size && start < other.start + other.size) start = other.start + other.size;
    }
    if (start + size <= range.start + range.size) return start;
  }
  return undefined;
}

/** Which ids the host gives to whom: texts of /etc/subuid and /etc/subgid. */
export interface SubordinateIds {
  readonly uids: string;
  readonly gids: string;
}

/**
 * Chooses a container's ids.
 * @param taken ranges of other containers
 * @throws {HostError} when there is no range left
 */
export function chooseRange(
  { size = DEFAULT_SIZE, uids, gids }: AutoIds,
  { uids: subuid, gids: subgid }: SubordinateIds,
  taken: readonly IdRange[],
): IdMappings {
  const [users, groups] = [parseSubordinateIds(subuid), parseSubordinateIds(subgid)];
  const own = (list: typeof users) => list.filter(({ owner }) => owner === OWNER);
  // uids and gids are given as one range
  const isConfigured = own(users).length > 0 || own(groups).length > 0;
  const within = isConfigured ? commonParts(own(users), own(groups)) : [DEFAULT_RANGE];
  const others = [...users, ...groups].filter(({ owner }) => owner !== OWNER);
  const hint = isConfigured
    ? `remove other containers, add a line ${OWNER}:START:COUNT to /etc/subuid and /etc/subgid, or ask for ` +
      "less with --userns auto:size=N"
    : "remove other containers, or ask for less with --userns auto:size=N";
  return choose({ size, uids, gids }, within, [...taken, ...others], hint);
}

/**
 * The same for an ordinary user's container, which has its ids from the user's.
 * @param own the user's namespace, whose id 0 is the user
 * @throws {HostError} when there is no range left
 */
export function chooseRangeOfUser(
  { size = DEFAULT_SIZE, uids, gids }: AutoIds,
  own: IdMappings,
  taken: readonly IdRange[],
): IdMappings {
  const count = Math.min(mappedFromZero(own.uids), mappedFromZero(own.gids)) - 1;
  const hint =
    `you have ${count} in /etc/subuid and /etc/subgid: remove other containers, or ask for less with ` +
    "--userns auto:size=N";
  return choose({ size, uids, gids }, [{ start: 1, size: count }], taken, hint);
}

function choose(
  { size, uids, gids }: Required<AutoIds>,
  within: readonly IdRange[],
  taken: readonly IdRange[],
  hint: string,
): IdMappings {
  const start = findGap(Math.max(idsNeeded(uids, size), idsNeeded(gids, size)), within, taken);
  if (start === undefined) {
    throw new HostError({
      what: "cannot give the container ids of its own",
      why: `no ${size} ids in a row are free`,
      hint,
    });
  }
  return { uids: fillMappings(uids, size, start), gids: fillMappings(gids, size, start) };
}

/**
 * The options with the ids that the container will have. To be called in the transaction that makes it.
 * @param database absent for a container that is only imagined
 * @throws {HostError} when there is no range left, or what was forced into it does not fit
 */
export function withIds(options: RunOptions, database?: Database): RunOptions {
  const { autoIds } = options;
  if (autoIds === undefined) return options;
  const taken = database?.all<{ start: number; size: number }>("SELECT start, size FROM id_ranges") ?? [];
  const own = ownNamespace();
  const ids = own === undefined
    ? chooseRange(autoIds, {
      uids: readIfThere("/etc/subuid") ?? "",
      gids: readIfThere("/etc/subgid") ?? "",
    }, taken)
    : chooseRangeOfUser(autoIds, own, taken);
  const why = mappingFault(ids.uids) ?? mappingFault(ids.gids);
  if (why !== undefined) throw new HostError({ what: "cannot give the container ids of its own", why });
  return { ...options, ids };
}

/**
 * Keeps a container's ids from others until it is removed, and says what it may need a copy of. To be called when it is on record, in the
 * same transaction.
 */
export function claimIds(
  database: Database,
  container: string,
  { ids, autoIds }: RunOptions,
  image: Pick<ResolvedImage, "content">,
): void {
  if (ids === undefined) return;
  database.run("UPDATE containers SET content = ? WHERE id = ?", image.content(), container);
  // of the few that an ordinary user has, those are kept that were chosen so that nobody else has them
  if (isRootless() && autoIds === undefined) return;
  const claim = (kind: "uid" | "gid", mappings: readonly IdMapping[]) => {
    for (const { hostID, size } of mappings) {
      const sql = "INSERT INTO id_ranges (container, kind, start, size) VALUES (?, ?, ?, ?)";
      database.run(sql, container, kind, hostID, size);
    }
  };
  claim("uid", ids.uids);
  claim("gid", ids.gids);
}
