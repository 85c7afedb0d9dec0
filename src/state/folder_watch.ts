import { Arena } from "../../ffi/arena.ts";
import {
  IN_CLOEXEC,
  IN_CREATE,
  IN_DELETE,
  IN_MODIFY,
  IN_MOVED_TO,
  IN_NONBLOCK,
  POLLIN,
} from "../../ffi/constants.ts";
import { EAGAIN, EINTR } from "../../ffi/errno.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";

const READ_SIZE = 4096;

/** poll(2) takes no longer time than that. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/**
 * Tells when files of a folder change (inotify(7)).
 *
 * Not Deno.watchFs: that opens and closes each file that it tells of. When a process closes a file, by whichever descriptor,
 * it loses all its POSIX locks on it (fcntl(2)); SQLite's on its database are of that kind, so another dhow would take
 * the database for unused, and truncate files that this one has mapped.
 */
export class FolderWatch implements Disposable {
  readonly #fd: number;

  /** @throws {SystemCallError} when the folder is not there, or the user has too many watches already */
  constructor(folder: string) {
    this.#fd = libcCall("inotify_init1", IN_NONBLOCK | IN_CLOEXEC);
    try {
      libcCall("inotify_add_watch", this.#fd, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Waits until something in the folder has changed since the last call, or since the watch began.
   * @param milliseconds how long at most; Infinity for ever
   * @param alsoWakes a descriptor that ends the wait as well, when it can be read
   * @returns whether something has changed
   */
  async changed(milliseconds = Infinity, alsoWakes = -1): Promise<boolean> {
    const arena = new Arena(2 * READ_SIZE);
    try {
      const table = new CallTable(arena, 2);
      const requests = arena.integers([this.#fd, POLLIN, alsoWakes, POLLIN]);
      const timeout = milliseconds === Infinity
        ? -1
        : Math.min(Math.max(Math.ceil(milliseconds), 0), LONGEST_WAIT_MS);
      table.call("poll", [requests, 2, timeout], { tolerate: [EINTR] });
      await table.runBlocking();
      let changed = false;
      const buffer = arena.allocate(READ_SIZE);
      while (tryLibcCall([EAGAIN], "read", this.#fd, buffer, READ_SIZE) > 0) changed = true;
      return changed;
    } finally {
      arena.release();
    }
  }

  [Symbol.dispose](): void {
    libcCall("close", this.#fd);
  }
}
