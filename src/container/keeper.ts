/**
 * Making and deleting a bridge and rules costs more than the start of a container, and most containers are followed by
 * another one. So the last container to leave a network does not delete it: a keeper does, a little later, if nobody
 * came. The keeper sleeps in a call table, without JavaScript, and then becomes `dhow recover`. If it is killed, the
 * next dhow command does its work.
 */
import { Arena } from "../../ffi/arena.ts";
import { cloneWalking } from "../../ffi/process.ts";
import { CallTable } from "../../ffi/table.ts";
import { countEndpoints, networkRow } from "../network/records.ts";
import type { Database } from "../state/database.ts";
import { identify } from "../state/process_identity.ts";
import { intoBackground } from "./background.ts";
import { isKeeperAlive } from "./keeper_alive.ts";

/** How long an unused network stays. */
const LINGER_SECONDS = 2;

interface KeptRow {
  readonly idle_since: number | null;
  readonly keeper: string | null;
}

/**
 * To be called when a container has left its networks. Does nothing for those that are not there, so that no keeper waits in vain.
 * @param command this dhow's own command line for `recover`
 */
export function leaveNetworksBehind(
  database: Database,
  networks: readonly string[],
  command: readonly string[],
): void {
  if (networks.length === 0) return;
  database.transaction(() => {
    for (const network of networks) {
      const row = networkRow(database, network);
      if (row === undefined || row.made === null || countEndpoints(database, network) > 0) continue;
      database.run("UPDATE networks SET idle_since = ? WHERE name = ?", Date.now(), network);
      if (!isKeeperAlive(database)) startKeeper(database, network, command);
    }
  });
}

function startKeeper(database: Database, network: string, command: readonly string[]): void {
  const pid = copyThatSleeps(command);
  database.run("UPDATE networks SET keeper = ? WHERE name = ?", JSON.stringify(identify(pid)), network);
}

/**
 * The keeper's own work, once it is awake: which networks have been idle long enough. For one that has not, it leaves
 * a new keeper. It resigns in the same transaction in which it looks, so that a container that leaves right afterwards
 * does not count on it.
 */
export function idleNetworks(database: Database, command: readonly string[]): string[] {
  return database.transaction(() => {
    const rows = database.all<KeptRow & { name: string }>("SELECT * FROM networks WHERE made IS NOT NULL");
    return rows.filter(({ name, idle_since }) => {
      database.run("UPDATE networks SET keeper = NULL WHERE name = ?", name);
      if (countEndpoints(database, name) > 0) return false;
      const idle = Date.now() - (idle_since ?? 0);
      // less than nothing: the clock was set back
      if (idle >= LINGER_SECONDS * 1000 || idle < 0) return true;
      startKeeper(database, name, command);
      return false;
    }).map(({ name }) => name);
  });
}

/**
 * Starts a process that sleeps, and then executes a command. It is a copy of this one: for the short time that it lasts, that costs less
 * than a program that sleeps in a few kilobytes (later.ts), which would take the end of each such container a millisecond.
 */
function copyThatSleeps(command: readonly string[]): number {
  const arena = new Arena(256 * 1024);
  try {
    const table = new CallTable(arena, 16);
    intoBackground(table);
    table.call("close_range", [3, 0xffffffff, 0]);
    const time = arena.allocate(16);
    arena.setWord(time, LINGER_SECONDS);
    table.call("nanosleep", [time, 0]);
    const environment = ["PATH", "DENO_DIR", "HOME"].flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [`${name}=${value}`];
    });
    table.call("execve", [command[0] ?? "", arena.strings(command), arena.strings(environment)]);
    return cloneWalking(table, 0);
  } finally {
    arena.release(); // the child has its own mapping of it
  }
}
