import type { Clock } from "../../clock.ts";
import { HostError } from "../../errors.ts";
import { TransientError } from "./retry.ts";

/** Ends an exchange in which nothing moves any more. To be disposed of when the exchange is over. */
export class StallGuard implements Disposable {
  readonly #over = new AbortController();
  readonly #stalled = new AbortController();
  #lastSign: number;
  /** Aborted when nothing has moved for too long, with a TransientError, or by the caller's own signal. */
  readonly signal: AbortSignal;

  /**
   * @param what how the error names the exchange: `cannot download layer ...`
   * @param patience how long nothing may move, in ms
   */
  constructor(readonly what: string, readonly clock: Clock, readonly patience: number, signal: AbortSignal) {
    this.#lastSign = clock.now();
    this.signal = AbortSignal.any([signal, this.#stalled.signal]);
    void this.#watch();
  }

  /** Something has moved. */
  touch(): void {
    this.#lastSign = this.clock.now();
  }

  async #watch(): Promise<void> {
    try {
      while (true) {
        const left = this.#lastSign + this.patience - this.clock.now();
        if (left <= 0) break;
        await this.clock.sleep(left, this.#over.signal);
      }
    } catch {
      return; // the exchange is over
    }
    const why = `nothing has come for ${this.patience / 1000} seconds`;
    this.#stalled.abort(new TransientError(new HostError({ what: this.what, why, hint: CONNECTION_HINT })));
  }

  [Symbol.dispose](): void {
    this.#over.abort();
  }
}

const CONNECTION_HINT = "check the connection to the registry, and try again";
