import { DhowError } from "../errors.ts";
import { Freezers } from "../limits/freezer.ts";
import { stepDone } from "../plan/fault.ts";
import { isAlive } from "../state/process_identity.ts";
import type { ContainerRecord } from "./records.ts";

/** @throws {DhowError} in docker's words, when it does not run or stands still already */
export async function pauseContainer(container: ContainerRecord): Promise<void> {
  const freezers = new Freezers();
  const { id } = container;
  assertRunning(container);
  if (freezers.isFrozen(id)) {
    throw new DhowError({ what: `cannot pause container ${id.slice(0, 12)}`, why: "it is already paused" });
  }
  try {
    await freezers.freeze(id);
  } catch (error) {
    // its cgroup has gone with it
    if (error instanceof Deno.errors.NotFound) assertRunning(container);
    throw error;
  }
  stepDone();
}

/** @throws {DhowError} in docker's words, when it does not stand still */
export function unpauseContainer(container: ContainerRecord): void {
  const freezers = new Freezers();
  const { id } = container;
  assertRunning(container);
  if (!freezers.isFrozen(id)) {
    throw new DhowError({ what: `cannot unpause container ${id.slice(0, 12)}`, why: "it is not paused" });
  }
  freezers.thaw(id);
  stepDone();
}

/** @throws {DhowError} when it stands still, in which what is to be done makes no sense */
export function refusePaused({ id, name }: Pick<ContainerRecord, "id" | "name">, what: string): void {
  if (!new Freezers().isFrozen(id)) return;
  throw new DhowError({
    what,
    why: `Container ${id} is paused`,
    hint: `let it go on first: dhow unpause ${name}`,
  });
}

function assertRunning({ id, status, process }: ContainerRecord): void {
  if (isRunning({ status, process })) return;
  throw new DhowError({
    what: `Container ${id.slice(0, 12)} is not running`,
    why: "only one that runs can be paused",
  });
}

/** Whether its first process is there. */
export function isRunning({ status, process }: Pick<ContainerRecord, "status" | "process">): boolean {
  return (status === "running" || status === "foreground") && isAlive(process);
}

/** A frozen process takes no signal on cgroup v1: after one that is to end it, it goes on, as with docker. */
export function letGoOn({ id }: Pick<ContainerRecord, "id">): void {
  new Freezers().thaw(id);
}
