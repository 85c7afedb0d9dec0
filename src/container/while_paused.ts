/** A container that stands still for a moment, while its files are read. */
import { Arena } from "../../ffi/arena.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY, SIG_SETMASK, SIGNALS } from "../../ffi/constants.ts";
import { EINTR } from "../../ffi/errno.ts";
import { cloneWalking, makePipe } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { Freezers, type Thaw } from "../limits/freezer.ts";
import { pauseContainer } from "./pause.ts";
import { cgroupOf, type ContainerRecord } from "./records.ts";
import { hasCgroup } from "./user_namespace.ts";

/**
 * Does work while a container stands still.
 * @param pauses whether it is to be paused for that; one that is paused already stays so
 * @param mustPause whether it is an error when the host has no freezer
 */
export async function whilePaused<T>(
  container: ContainerRecord,
  pauses: boolean,
  mustPause: boolean,
  work: () => Promise<T>,
): Promise<T> {
  const freezers = new Freezers();
  if (
    !pauses || freezers.isFrozen(cgroupOf(container)) ||
    !(mustPause || (freezers.isThere && hasCgroup(container)))
  ) {
    return await work();
  }
  const thaw = freezers.thawing(cgroupOf(container));
  using _guard = thaw && new ThawGuard(thaw);
  await pauseContainer(container);
  try {
    return await work();
  } finally {
    freezers.thaw(cgroupOf(container));
  }
}

/**
 * Lets a container go on if this process dies before it has done so, by whatever signal: nobody would know of it, as nobody has paused
 * it. A child waits for the end of a pipe, which comes with the end of this process.
 */
class ThawGuard implements Disposable {
  readonly #pid: number;
  readonly #pipe: number;

  constructor({ path, word }: Thaw) {
    const { reader, writer } = makePipe();
    const arena = new Arena(256 * 1024);
    const table = new CallTable(arena, 16);
    // what ends this process, and all of its group or terminal, must not end that one
    table.call("sigprocmask", [SIG_SETMASK, arena.data(new Uint8Array(128).fill(0xff)), 0]);
    table.call("setsid", []);
    table.call("close", [writer]);
    const file = table.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
    table.call("read", [reader, arena.allocate(1), 1], { tolerate: [EINTR] });
    table.call("write", [file, word, word.length]);
    this.#pid = cloneWalking(table, 0);
    this.#pipe = writer;
    arena.release(); // the child has its own mapping of it
    libcCall("close", reader);
  }

  /** The container goes on by now; somebody else may pause it. */
  [Symbol.dispose](): void {
    libcCall("kill", this.#pid, SIGNALS.SIGKILL);
    libcCall("wait4", this.#pid, 0, 0, 0);
    libcCall("close", this.#pipe);
  }
}
