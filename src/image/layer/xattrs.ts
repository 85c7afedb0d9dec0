import type { ByteString } from "../tar/byte_string.ts";
import type { TarEntry } from "../tar/decoder.ts";

/** Attributes with these names are the own language of overlay, and of fuse-overlayfs; an image must not speak it. */
const OVERLAY_XATTRS = [
  "trusted.overlay.",
  "user.overlay.",
  "user.fuseoverlayfs.",
  "user.containers.override_stat",
];

/** The extended attributes of an entry that an image may have, wherever its layers are kept. */
export function* keptXattrs({ type, xattrs }: TarEntry): Generator<readonly [ByteString, Uint8Array]> {
  if (xattrs === undefined) return;
  for (const [key, value] of xattrs) {
    if (OVERLAY_XATTRS.some((prefix) => key.startsWith(prefix))) continue;
    // "user" attributes are for files and directories only (xattr(7))
    if (key.startsWith("user.") && type !== "file" && type !== "directory") continue;
    yield [key, value];
  }
}
