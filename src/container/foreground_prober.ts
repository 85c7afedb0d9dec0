/**
 * Has the health of a container in the foreground checked. Its dhow does what a monitor does for others (src/plan/monitor_prober.ts),
 * and like that leaves the probes to processes of their own: a container that makes one of them wait keeps nobody else waiting.
 */
import { log } from "../log.ts";
import type { ProbeSetup } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { beginHealth, probeSetup, probingIn } from "./health.ts";
import { laterEnvironment } from "./later.ts";
import { lookUpContainer } from "./records.ts";

/** setTimeout takes no longer time, in milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1;

export class ForegroundProber {
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;

  private constructor(setup: ProbeSetup) {
    this.#done = this.#probe(setup).catch((error) =>
      log.warn(`cannot check the container's health any more: ${error}`)
    );
  }

  /**
   * @param context with dhow's own command line, without a command
   * @returns undefined when there is nothing to be checked, or it has gone
   */
  static begin(
    { database, ownCommand }: { readonly database: Database; readonly ownCommand: readonly string[] },
    id: string,
  ): ForegroundProber | undefined {
    const container = lookUpContainer(database, id);
    const probing = container && probingIn(container);
    if (probing === undefined) return undefined;
    beginHealth(database, id);
    return new ForegroundProber(probeSetup(probing, [...ownCommand, "probe", id]));
  }

  async #probe({ interval, limit, command: [program = "", ...args] }: ProbeSetup): Promise<void> {
    const { signal: stopped } = this.#stopped;
    const environment = laterEnvironment().map((entry) => entry.split(/=(.*)/s).slice(0, 2));
    while (!stopped.aborted) {
      await atMost(interval, stopped);
      if (stopped.aborted) return;
      const child = new Deno.Command(program, {
        args,
        clearEnv: true,
        env: Object.fromEntries(environment),
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      const ended = new AbortController();
      const status = child.status.finally(() => ended.abort());
      await atMost(limit, AbortSignal.any([stopped, ended.signal]));
      if (!ended.signal.aborted) kill(child);
      await status;
    }
  }

  /** @returns once no probe is there any more */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // it has ended at this moment
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Waits for a time, or until that is broken off. */
async function atMost(nanoseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  const timer = setTimeout(wake, Math.min(nanoseconds / 1e6, LONGEST_WAIT));
  signal.addEventListener("abort", wake);
  await promise;
  signal.removeEventListener("abort", wake);
  clearTimeout(timer);
}
