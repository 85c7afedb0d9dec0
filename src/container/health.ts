/** What is known of the health of containers: what the probes (probe.ts) have found. */
import { type Probing, probingOf } from "../image/healthcheck.ts";
import type { ProbeSetup } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { isAlive, isEnding, isSame } from "../state/process_identity.ts";
import { type ContainerRecord, lookUpContainer, STOPPED } from "./records.ts";

export type HealthStatus = "starting" | "healthy" | "unhealthy";

/** What one probe has found. */
export interface ProbeResult {
  /** In milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** Of its command, or 128 + the signal that ended it; -1 when it took too long, or could not be executed. */
  readonly exitCode: number;
  readonly output: string;
}

export interface Health {
  readonly status: HealthStatus;
  /** How many probes have failed one after another. */
  readonly streak: number;
  /** The last ones, the newest last. */
  readonly log: readonly ProbeResult[];
}

/** How a container's health is checked; undefined when it is not. */
export function probingIn({ config }: Pick<ContainerRecord, "config">): Probing | undefined {
  return probingOf(config.healthcheck, config.defaults.shell);
}

/**
 * How long a probe may take beyond its time-out before whoever has started it gives it up, in nanoseconds: it may have to wait for
 * the database, and for the end of what it has killed.
 */
const GRACE = 60e9;

/** @param command what probes once */
export function probeSetup({ interval, timeout }: Probing, command: readonly string[]): ProbeSetup {
  return { interval, limit: timeout + GRACE, command };
}

/** So many results are kept, as in docker. */
const KEPT = 5;

/**
 * What a probe makes of a container's health (moby: daemon/health.go, handleProbeResult).
 * @param started when the container was started, in milliseconds since 1970
 */
export function afterProbe(
  { status, streak, log }: Health,
  result: ProbeResult,
  { retries, startPeriod }: Probing,
  started: number,
): Health {
  const kept = [...log, result].slice(-KEPT);
  if (result.exitCode === 0) return { status: "healthy", streak: 0, log: kept };
  const isExcused = status === "starting" && (result.start - started) * 1e6 < startPeriod;
  if (isExcused) return { status, streak, log: kept };
  return { status: streak + 1 >= retries ? "unhealthy" : status, streak: streak + 1, log: kept };
}

interface Row {
  readonly container: string;
  readonly status: HealthStatus;
  readonly streak: number;
  readonly log: string;
}

/** A container has been started whose health will be checked. What earlier probes have found stays to be read. */
export function beginHealth(database: Database, id: string): void {
  database.run(
    `INSERT INTO health (container) VALUES (?)
     ON CONFLICT (container) DO UPDATE SET status = 'starting', streak = 0`,
    id,
  );
}

/** @returns undefined when it was never checked */
export function healthOf(database: Database, id: string): Health | undefined {
  const row = database.get<Row>("SELECT * FROM health WHERE container = ?", id);
  return row && { status: row.status, streak: row.streak, log: JSON.parse(row.log) };
}

/** All that are checked, or were, with what the last probes have found. */
export function allHealth(database: Database): ReadonlyMap<string, HealthStatus> {
  const rows = database.all<Pick<Row, "container" | "status">>("SELECT container, status FROM health");
  return new Map(rows.map(({ container, status }) => [container, status]));
}

/** Writes down what a probe has found, unless the run of the container that it speaks of has come to its end. */
export function recordProbe(
  database: Database,
  { id, process }: ContainerRecord,
  result: ProbeResult,
  probing: Probing,
): void {
  database.transaction(() => {
    const now = lookUpContainer(database, id);
    if (!isSame(now?.process, process)) return;
    // of what is being ended, or was asked to end, this says nothing
    if (now === undefined || now.stopped === STOPPED.forGood) return;
    if (!isAlive(now.process) || isEnding(now.process)) return;
    const before = healthOf(database, id);
    if (before === undefined) return;
    const { status, streak, log } = afterProbe(before, result, probing, now.started ?? now.created);
    database.run(
      "UPDATE health SET status = ?, streak = ?, log = ? WHERE container = ?",
      status,
      streak,
      JSON.stringify(log),
      id,
    );
  });
}
