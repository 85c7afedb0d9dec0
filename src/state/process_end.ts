import { Arena } from "../../ffi/arena.ts";
import { POLLIN } from "../../ffi/constants.ts";
import { EINTR, ESRCH } from "../../ffi/errno.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";
import { isAlive, type ProcessIdentity } from "./process_identity.ts";

/** A process that cannot be mistaken for another, even if it ends and its pid is given again (pidfd_open(2)). */
export class ProcessHandle implements Disposable {
  private constructor(readonly identity: ProcessIdentity, readonly fd: number) {}

  /** @returns undefined when it has ended */
  static open(identity: ProcessIdentity | null): ProcessHandle | undefined {
    if (!isAlive(identity)) return undefined;
    const fd = tryLibcCall([ESRCH], "pidfd_open", identity!.pid, 0);
    if (fd < 0) return undefined;
    // only now is it certain that the descriptor means that process, and not another one with its pid
    if (isAlive(identity)) return new ProcessHandle(identity!, fd);
    libcCall("close", fd);
    return undefined;
  }

  /** Sends a signal; nothing happens when it has ended. */
  signal(number: number): void {
    tryLibcCall([ESRCH], "pidfd_send_signal", this.fd, number, 0, 0);
  }

  /**
   * Waits until it has ended: a zombie has.
   * @param milliseconds how long at most; undefined for ever
   * @returns whether it has
   */
  async ended(milliseconds?: number): Promise<boolean> {
    const deadline = milliseconds === undefined ? undefined : performance.now() + milliseconds;
    const arena = new Arena(4096);
    try {
      const table = new CallTable(arena, 1);
      const request = arena.integers([this.fd, POLLIN]);
      while (isAlive(this.identity)) {
        const left = deadline === undefined ? -1 : Math.max(0, Math.ceil(deadline - performance.now()));
        table.clear();
        const polled = table.call("poll", [request, 1, Math.min(left, 2 ** 31 - 1)], { tolerate: [EINTR] });
        await table.runBlocking();
        if (polled.result === 0 && left >= 0 && performance.now() >= deadline!) {
          return !isAlive(this.identity);
        }
      }
      return true;
    } finally {
      arena.release();
    }
  }

  [Symbol.dispose](): void {
    libcCall("close", this.fd);
  }
}
