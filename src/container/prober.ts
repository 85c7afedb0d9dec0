/** Who has the health of a container probed, and writes down what comes of it. */
import { messagesOf } from "../errors.ts";
import type { Probing } from "../image/healthcheck.ts";
import { log } from "../log.ts";
import type { Database } from "../state/database.ts";
import { beginHealth, probingIn, recordProbe } from "./health.ts";
import { probe } from "./probe.ts";
import { type ContainerRecord, lookUpContainer, STOPPED } from "./records.ts";

/** Probes a container that runs, unless somebody has asked it to end. */
export async function probeOnce(
  database: Database,
  container: ContainerRecord,
  signal?: AbortSignal,
): Promise<void> {
  const probing = probingIn(container);
  if (probing === undefined || container.stopped === STOPPED.forGood) return;
  const result = await probe(database, container, probing, signal);
  if (result !== undefined) recordProbe(database, container, result, probing);
}

/** setTimeout takes no longer time, in milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1;

/** Probes a container in the foreground, whose dhow is there anyway, until that is stopped. */
export class ForegroundProber {
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;

  private constructor(database: Database, id: string, probing: Probing) {
    this.#done = this.#probe(database, id, Math.min(probing.interval / 1e6, LONGEST_WAIT));
  }

  /** @returns undefined when there is nothing to be checked, or it has gone */
  static begin(database: Database, id: string): ForegroundProber | undefined {
    const container = lookUpContainer(database, id);
    const probing = container && probingIn(container);
    if (probing === undefined) return undefined;
    beginHealth(database, id);
    return new ForegroundProber(database, id, probing);
  }

  async #probe(database: Database, id: string, milliseconds: number): Promise<void> {
    const { signal } = this.#stopped;
    while (true) {
      await rest(milliseconds, signal);
      if (signal.aborted) return;
      const container = lookUpContainer(database, id);
      if (container === undefined) return;
      try {
        await probeOnce(database, container, signal);
      } catch (error) {
        // the container is more important
        for (const message of messagesOf(error)) log.warn(`cannot check the container's health: ${message}`);
      }
    }
  }

  /** @returns once nothing is left of a probe */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
  }
}

/** Waits for a time, or until it is broken off. */
async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  const wake = () => resolve();
  signal.addEventListener("abort", wake);
  if (!signal.aborted) await promise;
  signal.removeEventListener("abort", wake);
  clearTimeout(timer);
}
