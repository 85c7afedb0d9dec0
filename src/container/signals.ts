import { SIGNALS } from "../../ffi/constants.ts";
import { log } from "../log.ts";

/**
 * What dhow passes on to the container's program. Not those that stop and continue dhow itself, nor those that tell of
 * its own children, pipes and faults.
 */
const FORWARDED = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGWINCH",
] as const;
type Forwarded = (typeof FORWARDED)[number];

/** After so many requests to end, the program is ended by force: PID 1 ignores what it has no handler for. */
const PATIENCE = 3;

/**
 * Catches signals from the moment it is made, so that none of them ends dhow with work half done. Those that come
 * before there is a program to pass them to are kept for it.
 */
export class SignalForwarder {
  #target: ((signal: number) => void) | undefined;
  #requests = 0;
  readonly #early: Forwarded[] = [];
  readonly #listeners = new Map<Forwarded, () => void>();

  /** @param onSignal called for each one as well */
  constructor(onSignal: (signal: Forwarded) => void) {
    for (const signal of FORWARDED) {
      const listener = () => {
        onSignal(signal);
        this.#forward(signal);
      };
      Deno.addSignalListener(signal, listener);
      this.#listeners.set(signal, listener);
    }
  }

  /** From now on there is a program. @param target sends it a signal by number */
  begin(target: (signal: number) => void): void {
    this.#target = target;
    const ending = this.#early.find((signal) => ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP"].includes(signal));
    if (ending !== undefined) {
      // it has had no chance to install a handler, and would ignore the signal
      log.info(`${ending} came while the container was being made: ending it`);
      target(SIGNALS.SIGKILL);
    }
  }

  #forward(signal: Forwarded): void {
    if (this.#target === undefined) {
      this.#early.push(signal);
      return;
    }
    if (signal === "SIGINT" || signal === "SIGTERM") this.#requests++;
    if (this.#requests >= PATIENCE) {
      log.info(`the program ignored ${PATIENCE - 1} requests to end: killing it`);
      this.#target(SIGNALS.SIGKILL);
    } else {
      this.#target(SIGNALS[signal]);
    }
  }

  release(): void {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }
}
