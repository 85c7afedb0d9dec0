import { Arena } from "./arena.ts";
import { POLLIN } from "./constants.ts";
import { EINTR } from "./errno.ts";
import { CallTable } from "./table.ts";

/** What a poll can wait at most, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * Waits until one of some descriptors can be read, or its other end is closed (poll(2)); JavaScript goes on meanwhile.
 * @param milliseconds how long at most
 * @returns those of them; none when the time is over, or a signal has come
 */
export async function poll(fds: readonly number[], milliseconds: number): Promise<ReadonlySet<number>> {
  const arena = new Arena(4096 + 8 * fds.length);
  try {
    const request = arena.integers(fds.flatMap((fd) => [fd, POLLIN]));
    const table = new CallTable(arena, 1);
    const wait = Math.min(Math.max(Math.ceil(milliseconds), 0), LONGEST);
    table.call("poll", [request, fds.length, wait], { tolerate: [EINTR] });
    await table.runBlocking();
    return new Set(fds.filter((_, index) => arena.int(request + 8 * index + 4) >>> 16 !== 0));
  } finally {
    arena.release();
  }
}
