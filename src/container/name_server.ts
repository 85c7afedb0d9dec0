/** The name server of a container that runs: one that comes to its first network of a user's, or whose server was killed. */
import { libcCall } from "../../ffi/table.ts";
import { endpointsOf } from "../network/endpoints.ts";
import { stepDone } from "../plan/fault.ts";
import type { Database } from "../state/database.ts";
import { containerRun, type Paths } from "../state/paths.ts";
import { identify, isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { recordUndo } from "./journal.ts";
import { isNamed, nameStep } from "./naming.ts";
import { isRunning, lookUpContainer } from "./records.ts";

interface Context {
  readonly database: Database;
  readonly paths: Paths;
}

/**
 * Starts a running container's name server, unless it has one. What it reads is there already.
 * @throws {HostError} when it does not start
 */
export async function startNameServer({ database, paths }: Context, id: string): Promise<void> {
  const record = lookUpContainer(database, id);
  if (record === undefined || !isRunning(record) || !claim(database, id)) return;
  const { config: { options }, process } = record;
  const endpoints = endpointsOf(database, id);
  stepDone();
  const { pid } = process!;
  const pidfd = libcCall("pidfd_open", pid, 0);
  try {
    if (!isAlive(process)) return; // it has ended, and the pid may be somebody else's
    const { serveNames } = await import("../plan/names/start.ts");
    await serveNames(
      nameStep(paths, id, options, endpoints, containerRun(paths, id)),
      { pid, pidfd },
      (started) => recordUndo(database, id, { undo: "kill", ...started, isNameServer: true }),
    );
  } catch (error) {
    if (!isAlive(process)) return; // it has ended meanwhile, and what it is needed for with it
    // each command to come would fail as well
    database.run("UPDATE containers SET name_server = NULL WHERE id = ?", id);
    throw error;
  } finally {
    libcCall("close", pidfd);
  }
  stepDone();
}

/** Has nobody else start it meanwhile. @returns whether this process is to do it */
function claim(database: Database, id: string): boolean {
  return database.transaction(() => {
    const sql = "SELECT name_server AS server FROM containers WHERE id = ?";
    const { server = null } = database.get<{ server: string | null }>(sql, id) ?? {};
    if (server !== null && isAlive(JSON.parse(server) as ProcessIdentity)) return false;
    const self = JSON.stringify(identify(Deno.pid));
    database.run("UPDATE containers SET name_server = ? WHERE id = ?", self, id);
    return true;
  });
}

/**
 * Starts the name server of a container anew that was killed. What it reads is where it was, as long as the container is in a network.
 * @throws {HostError} when it does not start: it is not tried again before the container comes to another network
 */
export async function reviveNameServer(context: Context, id: string): Promise<void> {
  const { database } = context;
  const record = lookUpContainer(database, id);
  if (record === undefined || !isRunning(record)) return; // it has ended with the container
  if (isNamed(endpointsOf(database, id))) return await startNameServer(context, id);
  // it has left all networks that it was for
  database.run("UPDATE containers SET name_server = NULL WHERE id = ?", id);
}
