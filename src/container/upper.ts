/** What a writable layer says in words of its driver: that something of the image is gone. */
import { S_IFCHR, S_IFDIR, S_IFREG } from "../../ffi/constants.ts";
import type { ByteString } from "../image/tar/byte_string.ts";
import type { Stat } from "../image/walk/stat.ts";
import type { FoundXattrs } from "../image/walk/xattrs.ts";
import type { OverlayDriver } from "../rootfs/overlay.ts";

export const WHITEOUT_PREFIX = ".wh.";
export const OPAQUE_MARK = ".wh..wh..opq";

/** fuse-overlayfs has a whiteout of a name that nothing has beside its mark. */
const FUSE_MARKS: readonly string[] = [OPAQUE_MARK, ".wh..opq"];

/** Before overlay's names of attributes (overlayfs.rst). fuse-overlayfs heeds those of others, and has files for what it says itself. */
const ATTRIBUTES: Readonly<Record<OverlayDriver, string>> = {
  "privileged": "trusted.overlay.",
  "user": "user.overlay.",
  "fuse-overlayfs": "user.overlay.",
};

type OverlayXattrs = Pick<FoundXattrs, "overlay">;

interface Entry {
  readonly path: ByteString;
  readonly stat: Pick<Stat, "type" | "major" | "minor">;
}

/**
 * The path of what an entry says is gone; undefined when it says nothing of the kind. fuse-overlayfs has a file for that where it may
 * make no device; and lets nobody in the container make one with such a name.
 */
export function whiteoutIn({ path, stat }: Entry, driver: OverlayDriver): ByteString | undefined {
  const slash = path.lastIndexOf("/") + 1;
  const name = path.slice(slash);
  if (isMark({ path }, driver)) return undefined;
  if (stat.type === S_IFCHR && stat.major === 0 && stat.minor === 0) return path;
  if (driver !== "fuse-overlayfs" || stat.type !== S_IFREG || !name.startsWith(WHITEOUT_PREFIX)) {
    return undefined;
  }
  return path.slice(0, slash) + name.slice(WHITEOUT_PREFIX.length);
}

/** Whether an entry only says something of the folder that it is in. */
export function isMark({ path }: Pick<Entry, "path">, driver: OverlayDriver): boolean {
  return driver === "fuse-overlayfs" && FUSE_MARKS.includes(path.slice(path.lastIndexOf("/") + 1));
}

/** Whether such an entry says that the folder hides what the image has in it. */
export const isOpaqueMark = ({ path }: Pick<Entry, "path">) => path.endsWith(`/${OPAQUE_MARK}`);

/** Whether a folder says the same by an attribute. */
export function isOpaque(
  { type }: Pick<Stat, "type">,
  xattrs: OverlayXattrs,
  driver: OverlayDriver,
): boolean {
  const value = xattrs.overlay.get(`${ATTRIBUTES[driver]}opaque`);
  return type === S_IFDIR && value?.length === 1 && value[0] === "y".charCodeAt(0);
}

/** The option of overlay by which an entry is only a reference to what is elsewhere; undefined for one that is whole. */
export function referenceIn(xattrs: OverlayXattrs, driver: OverlayDriver): string | undefined {
  if (driver === "fuse-overlayfs") return undefined; // it writes none
  const has = (name: string) => xattrs.overlay.has(`${ATTRIBUTES[driver]}${name}`);
  return has("redirect") ? "redirect_dir" : has("metacopy") ? "metacopy" : undefined;
}
