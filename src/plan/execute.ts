import { log } from "../log.ts";
import { type DetachedChild, Execution, type RunningChild, type Surroundings } from "./executor.ts";
import { explainHostFailure } from "./failure.ts";
import { stepDone, stopsBetweenSteps } from "./fault.ts";
import { type FileStep, isFileStep, makeFiles } from "./files.ts";
import type { HostStep } from "./step.ts";

/**
 * Runs the steps of a plan in their order. When one fails, the child is ended and reaped before the error is thrown;
 * the rest is for the journal to undo.
 */
export async function execute(steps: readonly HostStep[], around: Surroundings): Promise<RunningChild> {
  const execution = new Execution(around);
  await performAll(execution, steps);
  return execution.running();
}

/** The same for a container under a monitor. @throws {DhowError} also when its program could not be executed */
export async function executeDetached(
  steps: readonly HostStep[],
  around: Surroundings,
): Promise<DetachedChild> {
  const execution = new Execution(around);
  await performAll(execution, steps);
  try {
    return await execution.detached();
  } catch (error) {
    await execution.abandon();
    throw error;
  }
}

async function performAll(execution: Execution, steps: readonly HostStep[]): Promise<void> {
  try {
    for (let at = 0; at < steps.length;) {
      const step = steps[at]!;
      if (isFileStep(step)) {
        const files = stopsBetweenSteps() ? [step] : filesFrom(steps, at);
        for (const { why } of files) log.debug(why);
        makeFiles(files);
        at += files.length;
      } else {
        log.debug(step.why);
        try {
          await execution.perform(step);
        } catch (error) {
          throw explainHostFailure(step, error);
        }
        at++;
      }
      stepDone();
    }
  } catch (error) {
    // what was to be done for a child that has failed cannot be done: its own reason is the one that tells
    const reason = execution.childFailure() ?? error;
    await execution.abandon();
    throw reason;
  }
}

/** The steps from `start` on that only make files: they are made together. */
function filesFrom(steps: readonly HostStep[], start: number): FileStep[] {
  const files: FileStep[] = [];
  for (let at = start; at < steps.length; at++) {
    const step = steps[at]!;
    if (!isFileStep(step)) break;
    files.push(step);
  }
  return files;
}
