import { join } from "@std/path";
import type { Paths } from "../state/paths.ts";

/** What this process does with networks: one thing after another, as it waits for other processes without letting go of its thread. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Holds networks still: one dhow command at a time makes or removes them, changes their rules, or writes their names. Released when the
 * process ends.
 */
export function withNetworkLock<T>(paths: Paths, work: () => Promise<T> | T): Promise<T> {
  const locked = async () => {
    Deno.mkdirSync(paths.run, { recursive: true, mode: 0o711 });
    using file = Deno.openSync(join(paths.run, "network.lock"), { create: true, write: true });
    file.lockSync(true);
    return await work();
  };
  const own = last.then(locked);
  last = own.catch(() => {}); // who has asked for it is told
  return own;
}
