import { S_IFDIR } from "../../ffi/constants.ts";
import { ENOENT, errnoOf } from "../../ffi/errno.ts";
import { libcCall } from "../../ffi/table.ts";
import { openFolder } from "../image/walk/directory.ts";
import { walk } from "../image/walk/walker.ts";

/**
 * What the files in a container's writable layer or in a volume hold, in bytes; a file with two names counts once. Containers may be
 * changing them: no link of theirs is followed.
 * @param folder overlay's upper folder, or the volume's; one that is not there is empty
 * @param warn told of what cannot be looked at
 */
export function writtenSize(folder: string, warn: (text: string) => void): number {
  let root: number;
  try {
    root = openFolder(folder);
  } catch (error) {
    if (errnoOf(error) === ENOENT) return 0;
    throw error;
  }
  const seen = new Set<string>();
  let size = 0;
  try {
    for (const { stat } of walk(root, warn)) {
      if (stat.type === S_IFDIR || (stat.links > 1 && seen.has(stat.identity))) continue;
      if (stat.links > 1) seen.add(stat.identity);
      size += stat.size;
    }
  } finally {
    libcCall("close", root);
  }
  return size;
}
