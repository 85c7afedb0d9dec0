import { assertEquals } from "@std/assert";
import { eventsAfter, lastEvent } from "../../../src/container/events.ts";
import {
  afterProbe,
  allHealth,
  beginHealth,
  type Health,
  healthOf,
  type HealthStatus,
  type ProbeResult,
  recordProbe,
} from "../../../src/container/health.ts";
import { getContainer, STOPPED } from "../../../src/container/records.ts";
import type { Probing } from "../../../src/image/healthcheck.ts";
import type { Database } from "../../../src/state/database.ts";
import { identify } from "../../../src/state/process_identity.ts";
import { TemporaryState } from "../state/temporary.ts";
import { insertContainer } from "./container_sample.ts";
import { ID } from "./sample.ts";

const PROBING: Probing = { command: ["x"], interval: 1e9, timeout: 1e9, startPeriod: 0, retries: 2 };
const STARTED = 1000;

const result = (exitCode: number, start = STARTED): ProbeResult => ({
  start,
  end: start + 1,
  exitCode,
  output: `it was ${exitCode}`,
});

/** What becomes of a container's health, one exit code after another. */
function story(exitCodes: readonly number[], probing: Probing = PROBING): [HealthStatus, number][] {
  let health: Health = { status: "starting", streak: 0, log: [] };
  return exitCodes.map((code, index) => {
    health = afterProbe(health, result(code, STARTED + index * 1000), probing, STARTED);
    return [health.status, health.streak];
  });
}

Deno.test("a container is healthy after one success, and unhealthy after so many failures one after another", () => {
  assertEquals(story([1, 0, 1, 0, -1, 137, 1, 0]), [
    ["starting", 1],
    ["healthy", 0],
    ["healthy", 1],
    ["healthy", 0],
    ["healthy", 1],
    ["unhealthy", 2],
    ["unhealthy", 3],
    ["healthy", 0],
  ]);
  assertEquals(story([1, 1]), [["starting", 1], ["unhealthy", 2]]);
});

Deno.test("in its start period failures do not count, until one probe has succeeded", () => {
  const probing = { ...PROBING, startPeriod: 2e9 };
  assertEquals(story([1, 1, 1, 1], probing), [
    ["starting", 0],
    ["starting", 0],
    ["starting", 1],
    ["unhealthy", 2],
  ]);
  assertEquals(story([0, 1], probing), [["healthy", 0], ["healthy", 1]]);
});

Deno.test("the last five results are kept", () => {
  let health: Health = { status: "starting", streak: 0, log: [] };
  for (let code = 1; code <= 7; code++) health = afterProbe(health, result(code), PROBING, STARTED);
  assertEquals(health.log.map(({ exitCode }) => exitCode), [3, 4, 5, 6, 7]);
});

/** A container that runs: its first process is this one. */
function insertRunning(database: Database): void {
  insertContainer(database, ID, { status: "running" });
  const process = JSON.stringify(identify(Deno.pid));
  database.run("UPDATE containers SET process = ?, started = ? WHERE id = ?", process, STARTED, ID);
  beginHealth(database, ID);
}

Deno.test("results are written down, and what they change becomes an event", () => {
  using state = new TemporaryState();
  const database = state.open();
  insertRunning(database);
  assertEquals(healthOf(database, ID), { status: "starting", streak: 0, log: [] });
  const last = lastEvent(database);
  const container = getContainer(database, ID);
  for (const code of [1, 1, 1, 0, 0]) recordProbe(database, container, result(code), PROBING);
  assertEquals(healthOf(database, ID), {
    status: "healthy",
    streak: 0,
    log: [1, 1, 1, 0, 0].map((code) => result(code)),
  });
  assertEquals([...allHealth(database)], [[ID, "healthy"]]);
  assertEquals(
    eventsAfter(database, last).map(({ type, action, actor }) => [type, action, actor]),
    [["container", "health_status: unhealthy", ID], ["container", "health_status: healthy", ID]],
  );
});

Deno.test("a new start begins anew, without an event, but what was found stays to be read", () => {
  using state = new TemporaryState();
  const database = state.open();
  insertRunning(database);
  const container = getContainer(database, ID);
  for (const code of [1, 1]) recordProbe(database, container, result(code), PROBING);
  const last = lastEvent(database);
  beginHealth(database, ID);
  assertEquals(healthOf(database, ID), { status: "starting", streak: 0, log: [result(1), result(1)] });
  assertEquals(lastEvent(database), last);
});

Deno.test("what speaks of another run, of one that ends, or of a container that has gone is not written down", () => {
  using state = new TemporaryState();
  const database = state.open();
  insertRunning(database);
  const container = getContainer(database, ID);
  const isIgnored = (what: string, found = container) => {
    recordProbe(database, found, result(1), PROBING);
    assertEquals(healthOf(database, ID)?.log ?? [], [], what);
  };
  isIgnored("another run", { ...container, process: { ...container.process!, startTime: 1 } });
  database.run("UPDATE containers SET stopped = ?", STOPPED.forGood);
  isIgnored("somebody stops it");
  database.run("UPDATE containers SET stopped = 0, process = NULL");
  isIgnored("it has ended", { ...container, process: null });
  database.run("DELETE FROM containers");
  isIgnored("it is gone");
  assertEquals(database.all("SELECT * FROM health"), []);
});
