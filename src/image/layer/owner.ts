import { isMapped } from "../../security/id_mappings.ts";
import { ownNamespace } from "../../state/user_namespace.ts";

interface Owned {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/**
 * Whose a file of a layer can be. In the user namespace of an ordinary user some ids may not exist: such a file is its root's, and gives
 * nobody who runs it the rights of that.
 */
export function ownerHere({ uid, gid, mode }: Owned): Owned {
  const namespace = ownNamespace();
  if (namespace === undefined) return { uid, gid, mode };
  const [hasUser, hasGroup] = [isMapped(namespace.uids, uid), isMapped(namespace.gids, gid)];
  const cleared = (hasUser ? 0 : 0o4000) | (hasGroup ? 0 : 0o2000);
  return { uid: hasUser ? uid : 0, gid: hasGroup ? gid : 0, mode: mode & ~cleared };
}
