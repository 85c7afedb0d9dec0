import { SIGNALS } from "../../ffi/constants.ts";
import { log } from "../log.ts";
import type { RunningChild } from "../plan/executor.ts";
import { signalSet } from "./host.ts";

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

/** A container's first process. */
type SignalTarget = Pick<RunningChild, "pid" | "signal">;

/** Whether a process has a handler for a signal (proc(5), SigCgt). */
export function isCaught(pid: number, signal: number): boolean {
  return (signalSet(pid, "SigCgt") >> BigInt(signal - 1) & 1n) === 1n;
}

/**
 * Catches signals from the moment it is made, so that none of them ends dhow with work half done. Those that come
 * before there is a program: a request to end is carried out once there is one, the others mean nothing to it yet.
 */
export class SignalForwarder {
  #target: SignalTarget | undefined;
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

  /** From now on there is a program. */
  begin(target: SignalTarget): void {
    this.#target = target;
    const ending = this.#early.find((signal) => ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP"].includes(signal));
    if (ending !== undefined) {
      // it has had no chance to install a handler, and would ignore the signal
      log.info(`${ending} came while the container was being made: ending it`);
      target.signal(SIGNALS.SIGKILL);
    }
    this.#early.length = 0;
  }

  #forward(signal: Forwarded): void {
    if (this.#target === undefined) {
      this.#early.push(signal);
      return;
    }
    const isRequest = signal === "SIGINT" || signal === "SIGTERM";
    if (isRequest && !isCaught(this.#target.pid, SIGNALS[signal])) this.#requests++;
    if (this.#requests >= PATIENCE) {
      log.info(`the program ignored ${PATIENCE - 1} requests to end: killing it`);
      this.#target.signal(SIGNALS.SIGKILL);
    } else {
      this.#target.signal(SIGNALS[signal]);
    }
  }

  /** Nobody reads what the program writes to its terminal: it ends as a program does that writes into a closed pipe. */
  outputLost(): void {
    if (this.#target === undefined) return;
    const mayAct = isCaught(this.#target.pid, SIGNALS.SIGHUP);
    this.#target.signal(mayAct ? SIGNALS.SIGHUP : SIGNALS.SIGKILL);
  }

  release(): void {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }
}
