import { dirname } from "@std/path";
import { ENOENT, SystemCallError } from "../../ffi/errno.ts";
import { FolderWatch } from "../state/folder_watch.ts";
import type { ProcessHandle } from "../state/process_end.ts";
import { isAlive } from "../state/process_identity.ts";

/**
 * Looks at a container's log whenever there may be more of it, until the container's owner has ended, and once after that.
 * @param path the log's
 * @param look is to read what there is
 * @throws {SystemCallError} when the user has too many inotify watches already
 */
export async function followLog(
  path: string,
  owner: ProcessHandle,
  look: () => void,
): Promise<void> {
  // before the first look: what is written in between is an event for it
  using watch = watchUnlessGone(dirname(path));
  while (watch !== undefined && isAlive(owner.identity)) {
    look();
    await watch.changed(Infinity, owner.fd);
  }
  await owner.ended();
  look();
}

/** @returns undefined when the container was removed meanwhile */
function watchUnlessGone(folder: string): FolderWatch | undefined {
  try {
    return new FolderWatch(folder);
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === ENOENT) return undefined;
    throw error;
  }
}
