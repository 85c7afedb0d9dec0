import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { HostError } from "../../../../src/errors.ts";
import type { TarEntry } from "../../../../src/image/tar/decoder.ts";
import { entryInside, entryOnHost } from "../../../../src/image/walk/owners.ts";

const IDS = {
  uids: [{ containerID: 0, hostID: 100_000, size: 1000 }],
  gids: [{ containerID: 0, hostID: 200_000, size: 1000 }],
};

function entry(uid: number, gid: number, xattrs?: Record<string, Uint8Array>): TarEntry {
  return {
    type: "file",
    name: "a",
    link: "",
    mode: 0o644,
    uid,
    gid,
    mtime: 0,
    mtimeNanoseconds: 0,
    major: 0,
    minor: 0,
    size: 0,
    sparse: undefined,
    xattrs: xattrs && new Map(Object.entries(xattrs)),
  };
}

const CAPABLE = new Uint8Array(20);
CAPABLE.set([1, 0, 0, 2, 0, 0x20]);
const CAPABLE_OF_ROOT = new Uint8Array(24);
CAPABLE_OF_ROOT.set([1, 0, 0, 3, 0, 0x20]);
new DataView(CAPABLE_OF_ROOT.buffer).setUint32(20, 100_000, true);

/** acl(5): the owner, user 7, the group, group 8, the mask, others. */
function acl(user: number, group: number): Uint8Array {
  const none = 0xffffffff;
  const entries = [[1, 7, none], [2, 6, user], [4, 5, none], [8, 4, group], [16, 7, none], [
    32,
    0,
    none,
  ]] as const;
  const bytes = new Uint8Array(4 + 8 * entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 2, true);
  entries.forEach(([tag, permissions, id], index) => {
    view.setUint16(4 + 8 * index, tag, true);
    view.setUint16(6 + 8 * index, permissions, true);
    view.setUint32(8 + 8 * index, id, true);
  });
  return bytes;
}

const ACL = "system.posix_acl_access";

Deno.test("owners, capabilities and access lists are translated to the container's ids and back", () => {
  const inside = entry(7, 8, { "security.capability": CAPABLE, [ACL]: acl(7, 8), "user.x": CAPABLE_OF_ROOT });
  const onHost = entry(100_007, 200_008, {
    "security.capability": CAPABLE_OF_ROOT,
    [ACL]: acl(100_007, 200_008),
    "user.x": CAPABLE_OF_ROOT,
  });
  assertEquals(entryOnHost(inside, IDS), onHost);
  assertEquals(entryInside(onHost, IDS), inside);
  assertEquals(entryInside(entry(0, 0), IDS), entry(65534, 65534));
});

Deno.test("capabilities of the root of another namespace stay those of one", () => {
  const other = CAPABLE_OF_ROOT.slice();
  new DataView(other.buffer).setUint32(20, 100_005, true);
  const seen = entryInside(entry(100_000, 200_000, { "security.capability": other }), IDS);
  const value = seen.xattrs?.get("security.capability");
  assertEquals([value?.length, value?.[3], value?.[20]], [24, 3, 5]);
});

Deno.test("an owner that the container has not is told", () => {
  const error = assertThrows(() => entryOnHost(entry(0, 1000), IDS), HostError);
  assertMatch(
    error.message,
    /^cannot make "a" in the container: its user namespace has no id 1000; .*--userns auto:size=N$/,
  );
});
