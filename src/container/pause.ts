import { DhowError, HostError } from "../errors.ts";
import { Freezers } from "../limits/freezer.ts";
import { stepDone } from "../plan/fault.ts";
import { cgroupOf, type ContainerRecord, isRunning } from "./records.ts";
import { hasCgroup, withoutCgroup } from "./user_namespace.ts";

/** @throws {DhowError} in docker's words, when it does not run or stands still already */
export async function pauseContainer(container: ContainerRecord): Promise<void> {
  const freezers = new Freezers();
  const { id } = container;
  assertRunning(container);
  if (!hasCgroup(container)) throw withoutCgroup(`cannot pause container ${id.slice(0, 12)}`);
  if (freezers.isFrozen(cgroupOf(container))) {
    throw new DhowError({ what: `cannot pause container ${id.slice(0, 12)}`, why: "it is already paused" });
  }
  try {
    await freezers.freeze(cgroupOf(container));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    assertRunning(container); // if it has ended, its cgroup has gone with it
    throw new HostError({
      what: `cannot pause container ${id.slice(0, 12)}`,
      why: "its cgroup is not to be seen from here",
      hint: "see that /sys/fs/cgroup is what it was when the container was started",
      cause: error,
    });
  }
  stepDone();
}

/** @throws {DhowError} in docker's words, when it does not stand still */
export function unpauseContainer(container: ContainerRecord): void {
  const freezers = new Freezers();
  const { id } = container;
  assertRunning(container);
  if (!freezers.isFrozen(cgroupOf(container))) {
    throw new DhowError({ what: `cannot unpause container ${id.slice(0, 12)}`, why: "it is not paused" });
  }
  freezers.thaw(cgroupOf(container));
  stepDone();
}

/** @throws {DhowError} when it stands still, in which what is to be done makes no sense */
export function refusePaused(container: ContainerRecord, what: string): void {
  if (!new Freezers().isFrozen(cgroupOf(container))) return;
  const { id, name } = container;
  throw new DhowError({
    what,
    why: `Container ${id} is paused`,
    hint: `let it go on first: dhow unpause ${name}`,
  });
}

function assertRunning(container: ContainerRecord): void {
  if (isRunning(container)) return;
  throw new DhowError({
    what: `Container ${container.id.slice(0, 12)} is not running`,
    why: "only one that runs can be paused",
  });
}

/** A frozen process takes no signal on cgroup v1: after one that is to end it, it goes on, as with docker. */
export function letGoOn(container: Pick<ContainerRecord, "id" | "config">): void {
  new Freezers().thaw(cgroupOf(container));
}
