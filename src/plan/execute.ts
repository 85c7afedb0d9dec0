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
        const files = stopsBetweenSteps() ? [step] : sequence(steps.slice(at), isFileStep);
        for (const { why } of files) log.debug(why);
        makeFiles(files);
        at += files.length;
      } else if (isConnecting(step) && !stopsBetweenSteps()) {
        const connecting = sequence(steps.slice(at), isConnecting);
        await connect(execution, connecting);
        at += connecting.length;
      } else {
        await performEach(execution, [step]);
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

async function performEach(
  execution: Execution,
  steps: readonly Exclude<HostStep, FileStep>[],
): Promise<void> {
  for (const step of steps) {
    log.debug(step.why);
    try {
      await execution.perform(step);
    } catch (error) {
      throw explainHostFailure(step, error);
    }
  }
}

const CONNECTING = ["make-network", "ip", "join-bridge", "reflect", "serve-names"] as const;
type Connecting = Extract<HostStep, { do: typeof CONNECTING[number] }>;

const isConnecting = (step: HostStep): step is Connecting => CONNECTING.some((kind) => kind === step.do);

/** Whoever makes links waits for other programs, and a name server needs no link to be started: so one is done beside the other. */
async function connect(execution: Execution, steps: readonly Connecting[]): Promise<void> {
  const isServing = (step: Connecting) => step.do === "serve-names";
  const linking = performEach(execution, steps.filter((step) => !isServing(step)));
  const serving = steps.some(isServing)
    // not before there is something to wait for
    ? new Promise((resolve) => setTimeout(resolve)).then(() =>
      performEach(execution, steps.filter(isServing))
    )
    : undefined;
  const ended = await Promise.allSettled([linking, serving]);
  const [failure, another] = ended.flatMap((one) => one.status === "rejected" ? [one.reason] : []);
  if (another !== undefined) log.debug(`failed as well: ${another}`);
  if (failure !== undefined) throw failure;
}

/** The steps at the beginning that are of a kind: they are done together. */
function sequence<Kind extends HostStep>(
  steps: readonly HostStep[],
  isOne: (step: HostStep) => step is Kind,
): Kind[] {
  const first: Kind[] = [];
  for (const step of steps) {
    if (!isOne(step)) break;
    first.push(step);
  }
  return first;
}
