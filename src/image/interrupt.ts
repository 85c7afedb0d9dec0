import { SIGNALS } from "../../ffi/constants.ts";
import { DhowError } from "../errors.ts";

/** The user, or the system, told dhow to stop. */
export class InterruptedError extends DhowError {
  override readonly name = "InterruptedError";
  /** As a shell counts a death by signal. */
  override readonly exitCode: number;

  constructor(what: string, signal: keyof typeof SIGNALS) {
    super({ what, why: `interrupted (${signal})` });
    this.exitCode = 128 + SIGNALS[signal];
  }
}

/**
 * Does work that must be undone when it is broken off: SIGINT, SIGTERM and SIGHUP then do not end the process, but abort the
 * work's signal, with an InterruptedError as the reason.
 * @param what how the error names the work: `cannot load "a.tar"`
 */
export async function interruptible<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const listeners = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => ({
    name,
    listener: () => controller.abort(new InterruptedError(what, name)),
  }));
  for (const { name, listener } of listeners) Deno.addSignalListener(name, listener);
  try {
    return await work(controller.signal);
  } finally {
    for (const { name, listener } of listeners) Deno.removeSignalListener(name, listener);
  }
}
