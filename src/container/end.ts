/** The end of a container's process by force. */
import { SIGNALS } from "../../ffi/constants.ts";
import { ESRCH } from "../../ffi/errno.ts";
import { tryLibcCall } from "../../ffi/table.ts";
import type { ControllerFolder } from "../limits/controllers.ts";
import { Freezers, thawFolder } from "../limits/freezer.ts";
import { killProcessesOf } from "../limits/processes.ts";
import { eachCgroup } from "../plan/cgroup_tree.ts";
import { isRootless } from "../state/user_namespace.ts";
import type { ProcessHandle } from "../state/process_end.ts";

/** How long to wait before all is tried again, at first and at last; in milliseconds. */
const FIRST_WAIT = 100;
const LONGEST_WAIT = 1000;

/**
 * Kills a process, and waits until it has ended, whatever the container does against that. On cgroup v1 no signal reaches a process
 * that is frozen, be it by the container itself in a cgroup of its own; and one that traces another may stop it on the way to its end
 * (PTRACE_O_TRACEEXIT, ptrace(2)), until it is killed itself: a pid namespace takes its processes along only after that.
 * @param cgroup the container's, as cgroupName gives it
 */
export async function killForSure(cgroup: string, process: ProcessHandle): Promise<void> {
  const freezers = new Freezers();
  process.signal(SIGNALS.SIGKILL);
  freezers.thaw(cgroup);
  for (let wait = FIRST_WAIT; !await process.ended(wait); wait = Math.min(2 * wait, LONGEST_WAIT)) {
    process.signal(SIGNALS.SIGKILL);
    if (isRootless()) await killWithoutCgroup(process);
    killProcessesOf(cgroup);
    thawAll(freezers.folder(cgroup));
  }
}

/** An ordinary user's container may have no cgroup that tells which processes it has. */
async function killWithoutCgroup({ identity }: ProcessHandle): Promise<void> {
  const { processesWith } = await import("./processes.ts");
  for (const pid of processesWith(identity.pid)) tryLibcCall([ESRCH], "kill", pid, SIGNALS.SIGKILL);
}

/** Lets all of a container go on, also what it has frozen itself. */
function thawAll(folder: ControllerFolder | undefined): void {
  if (folder !== undefined) eachCgroup(folder.path, (path) => thawFolder({ ...folder, path }));
}
