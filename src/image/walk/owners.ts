/**
 * Owners of files of a container with ids of its own: a process of the host sees them as they are on the host. This says how the
 * container sees them, and the reverse, in file capabilities (capabilities(7)) and access control lists (acl(5)), too.
 */
import { HostError } from "../../errors.ts";
import type { IdMapping, IdMappings } from "../../plan/step.ts";
import { rootOnHost, toContainer, toHost } from "../../security/id_mappings.ts";
import { type ByteString, quoteName } from "../tar/byte_string.ts";
import type { TarEntry } from "../tar/decoder.ts";

type Xattrs = TarEntry["xattrs"];
/** From the ids of one side to those of the other. */
type Translate = (mappings: readonly IdMapping[], id: number) => number;

const CAPABILITY = "security.capability";
const ACL = /^system\.posix_acl_/;

/** struct vfs_ns_cap_data of linux/capability.h: the version in the upper byte of its first word, at its end the root that it is of. */
const VERSION_AT = 3;
const SIZE_V2 = 20;
const SIZE_V3 = 24;

/** struct posix_acl_xattr_entry after four bytes of version: a tag, permissions, an id. */
const ACL_HEADER = 4;
const ACL_ENTRY = 8;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;

/** As the container sees it. */
export function entryInside(entry: TarEntry, ids: IdMappings): TarEntry {
  return {
    ...entry,
    uid: toContainer(ids.uids, entry.uid),
    gid: toContainer(ids.gids, entry.gid),
    xattrs: translateXattrs(entry.xattrs, ids, toContainer, (value) => capabilityInside(value, ids)),
  };
}

/** As the host is to have it. @throws {HostError} for an owner that the container has not */
export function entryOnHost(entry: TarEntry, ids: IdMappings): TarEntry {
  const translate: Translate = (mappings, id) => {
    const found = toHost(mappings, id);
    if (found !== undefined) return found;
    throw new HostError({
      what: `cannot make ${quoteName(entry.name)} in the container`,
      why: `its user namespace has no id ${id}`,
      hint: "give it other owners, or make the container with a larger --userns auto:size=N",
    });
  };
  return {
    ...entry,
    uid: translate(ids.uids, entry.uid),
    gid: translate(ids.gids, entry.gid),
    xattrs: translateXattrs(entry.xattrs, ids, translate, (value) => capabilityOnHost(value, ids)),
  };
}

function translateXattrs(
  xattrs: Xattrs,
  ids: IdMappings,
  translate: Translate,
  capability: (value: Uint8Array) => Uint8Array,
): Xattrs {
  if (xattrs === undefined) return undefined;
  const translated = [...xattrs].map(([name, value]): [ByteString, Uint8Array] => [
    name,
    name === CAPABILITY ? capability(value) : ACL.test(name) ? translateAcl(value, ids, translate) : value,
  ]);
  return new Map(translated);
}

function translateAcl(value: Uint8Array, { uids, gids }: IdMappings, translate: Translate): Uint8Array {
  const copy = value.slice();
  const view = new DataView(copy.buffer);
  for (let at = ACL_HEADER; at + ACL_ENTRY <= copy.length; at += ACL_ENTRY) {
    const tag = view.getUint16(at, true);
    if (tag !== ACL_USER && tag !== ACL_GROUP) continue;
    view.setUint32(at + 4, translate(tag === ACL_USER ? uids : gids, view.getUint32(at + 4, true)), true);
  }
  return copy;
}

/** Of the root of the container's own user namespace they are as any program's on a host: without a root in them. */
function capabilityInside(value: Uint8Array, { uids }: IdMappings): Uint8Array {
  if (value.length !== SIZE_V3 || value[VERSION_AT] !== 3) return value;
  const copy = value.slice();
  const root = toContainer(uids, new DataView(copy.buffer).getUint32(SIZE_V2, true));
  new DataView(copy.buffer).setUint32(SIZE_V2, root, true);
  if (root !== 0) return copy;
  copy[VERSION_AT] = 2;
  return copy.slice(0, SIZE_V2);
}

function capabilityOnHost(value: Uint8Array, ids: IdMappings): Uint8Array {
  if (value.length !== SIZE_V2 || value[VERSION_AT] !== 2) return value;
  const copy = new Uint8Array(SIZE_V3);
  copy.set(value);
  copy[VERSION_AT] = 3;
  new DataView(copy.buffer).setUint32(SIZE_V2, rootOnHost(ids).uid, true);
  return copy;
}
