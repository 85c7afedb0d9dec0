/** When and how soon a container that has ended is started again (docker's restartmanager). */
import { type ContainerRecord, STOPPED } from "./records.ts";

/** Of the first restart; each one after it is put off twice as long as the one before. In milliseconds. */
const FIRST_DELAY = 100;
const LONGEST_DELAY = 60_000;

/** A container that ran for so long is taken for one that works. In milliseconds. */
const LONG_RUN = 10_000;

type Ended = Pick<ContainerRecord, "config" | "stopped" | "restarts" | "restartDelay" | "started">;

/**
 * How long to wait before a container is started again.
 * @param end how and when it ended
 * @returns in milliseconds; undefined when it is not
 */
export function restartDelay(
  { config, stopped, restarts, restartDelay: last, started }: Ended,
  end: { readonly exitCode: number; readonly finished: number },
): number | undefined {
  const { name, retries } = config.options.restart;
  if (stopped === STOPPED.forGood || stopped === STOPPED.byShutdown) return undefined;
  const wanted = name === "always" || (name === "unless-stopped" && stopped === STOPPED.no) ||
    (name === "on-failure" && end.exitCode !== 0 && (retries === 0 || restarts < retries));
  if (!wanted) return undefined;
  if (last === 0 || end.finished - (started ?? 0) >= LONG_RUN) return FIRST_DELAY;
  return Math.min(2 * last, LONGEST_DELAY);
}

/** Whether `start --all` starts a container, as docker's daemon does when it starts. */
export function isStartedAtBoot(
  { config, status, started, stopped, restarts, exitCode }: ContainerRecord,
): boolean {
  if (status !== "exited" || started === null) return false;
  const { name, retries } = config.options.restart;
  if (name === "always") return true;
  if (stopped !== STOPPED.no && stopped !== STOPPED.byShutdown) return false;
  return name === "unless-stopped" ||
    (name === "on-failure" && exitCode !== 0 && (retries === 0 || restarts < retries));
}
