import type { Clock } from "../../src/clock.ts";

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

/** Time that passes when a test says so; what waits for less than `patience` waits no time at all, but is written down. */
export class FakeClock implements Clock {
  /** All short waits, in ms. */
  readonly waits: number[] = [];
  readonly #sleepers: Sleeper[] = [];
  #now = Date.UTC(2024, 0, 1);

  constructor(readonly patience = 60_000) {}

  now(): number {
    return this.#now;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (milliseconds < this.patience) {
      this.waits.push(milliseconds);
      this.#now += milliseconds;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#sleepers.push({ until: this.#now + milliseconds, wake: resolve });
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const { until, wake } of this.#sleepers) if (until <= this.#now) wake();
  }
}
