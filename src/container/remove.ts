import { SIGNALS } from "../../ffi/constants.ts";
import { DhowError } from "../errors.ts";
import { Freezers } from "../limits/freezer.ts";
import { stepDone } from "../plan/fault.ts";
import { removeTree } from "../plan/undo.ts";
import { containerState } from "../state/paths.ts";
import { isAlive } from "../state/process_identity.ts";
import { cgroupOf, type ContainerRecord, getContainer } from "./records.ts";
import { awaitRunsEnd, stopContainer, type StopContext } from "./stop.ts";
import { forgetContainer } from "./volume_records.ts";
import { removeOrphans } from "./volumes.ts";

/**
 * Removes a container: its record, its writable layer, its log.
 * @param isForced whether one that runs is killed
 * @param withVolumes whether the volumes go along that were made for it, and that nobody has named
 * @throws {DhowError} in docker's words, when it runs
 */
export async function removeContainer(
  context: StopContext,
  found: ContainerRecord,
  isForced: boolean,
  withVolumes = false,
): Promise<void> {
  const { database, paths } = context;
  const { id } = found;
  // one that has ended this moment does not run, even if that is not written down yet
  const hasEnded = found.process !== null && !isAlive(found.process);
  const container = hasEnded ? await awaitRunsEnd(context, found) : found;
  if (container === undefined) return;
  if (container.owner !== null) {
    if (!isForced && new Freezers().isFrozen(cgroupOf(container))) {
      throw new DhowError({
        what: `You cannot remove a paused container ${id}`,
        why: "Unpause and then stop the container before attempting removal or force remove",
      });
    }
    if (!isForced) {
      throw new DhowError({
        what: `You cannot remove a ${
          container.status === "restarting" ? "restarting" : "running"
        } container ${id}`,
        why: "Stop the container before attempting removal or force remove",
      });
    }
    await stopContainer(context, container, SIGNALS.SIGKILL, -1);
  }
  const isGone = database.transaction(() => {
    if (database.get("SELECT 1 FROM containers WHERE id = ?", id) === undefined) return true;
    if (getContainer(database, id).owner !== null) {
      throw new DhowError({
        what: `cannot remove container ${id.slice(0, 12)}`,
        why: "it was started meanwhile",
      });
    }
    forgetContainer(database, id, { withVolumes });
    return false;
  });
  stepDone();
  // should this process be killed now, recovery finds a folder without a row
  if (!isGone) removeTree(containerState(paths, id));
  if (withVolumes) removeOrphans(database, paths);
}
