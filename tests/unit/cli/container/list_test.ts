import { assertEquals, assertThrows } from "@std/assert";
import { filterContainers } from "../../../../src/cli/container/list.ts";
import { containerRow, CONTAINERS, DEFAULT_FORMAT, statusOf } from "../../../../src/cli/container/rows.ts";
import type { HealthStatus } from "../../../../src/container/health.ts";
import { UsageError } from "../../../../src/errors.ts";
import { formatRows } from "../../../../src/cli/format/listing.ts";
import { sampleRecord } from "../../container/container_sample.ts";

const NOT_PAUSED = () => false;

const image = `sha256:${"b".repeat(64)}`;
const WEB = sampleRecord({ id: "1".repeat(64), name: "web", created: 30, image }, {
  image: "nginx",
  labels: { tier: "front", empty: "" },
});
const JOB = sampleRecord(
  { id: "2".repeat(64), name: "web-job", created: 20, status: "exited", exitCode: 3 },
  { image: "busybox:1.36", labels: { tier: "back" }, network: "none" },
);
const NEW = sampleRecord({ id: "12".repeat(32), name: "new", created: 10, status: "created" });
const ALL = [WEB, JOB, NEW];

const HEALTH = new Map<string, HealthStatus>([["web", "starting"], ["web-job", "healthy"]]);

function names(...filters: readonly [name: string, value: string][]): string[] {
  const map = new Map<string, string[]>();
  for (const [name, value] of filters) map.set(name, [...map.get(name) ?? [], value]);
  const find = (name: string) => {
    const found = ALL.find((each) => each.name === name);
    if (found === undefined) throw new Error(`No such container: ${name}`);
    return found;
  };
  return filterContainers(ALL, map, find, NOT_PAUSED, ({ name }) => HEALTH.get(name)).map(({ name }) => name);
}

Deno.test("filters of a container's own: state, exit code, id, name, network", () => {
  assertEquals(names(["status", "exited"]), ["web-job"]);
  assertEquals(names(["status", "exited"], ["status", "created"]), ["web-job", "new"]);
  assertEquals(names(["exited", "3"]), ["web-job"]);
  assertEquals(names(["exited", "0"]), []);
  assertEquals(names(["id", "1"]), ["web", "new"]);
  assertEquals(names(["name", "web"]), ["web", "web-job"]);
  assertEquals(names(["name", "^/web$"]), ["web"]);
  assertEquals(names(["name", "["]), []);
  assertEquals(names(["network", "none"]), ["web-job"]);
});

Deno.test("a container that was checked, and does not run, counts as unhealthy; one that was not as none", () => {
  assertEquals(names(["health", "starting"]), ["web"]);
  assertEquals(names(["health", "healthy"]), []);
  assertEquals(names(["health", "unhealthy"]), ["web-job"]);
  assertEquals(names(["health", "none"], ["health", "starting"]), ["web", "new"]);
  assertThrows(() => names(["health", "well"]), UsageError, "Unrecognised filter value for health: well");
});

Deno.test("filters by image take its name, with or without latest, and its id", () => {
  assertEquals(names(["ancestor", "nginx"]), ["web"]);
  assertEquals(names(["ancestor", "nginx:latest"]), ["web"]);
  assertEquals(names(["ancestor", "bbbb"]), ["web"]);
  assertEquals(names(["ancestor", image]), ["web"]);
  assertEquals(names(["ancestor", "busybox"]), []);
});

Deno.test("of labels all must fit, by name or by value; an own label only", () => {
  assertEquals(names(["label", "tier"]), ["web", "web-job"]);
  assertEquals(names(["label", "tier=back"]), ["web-job"]);
  assertEquals(names(["label", "tier"], ["label", "empty="]), ["web"]);
  assertEquals(names(["label", "tier=front"], ["label", "tier=back"]), []);
  assertEquals(names(["label", "constructor"]), []);
});

Deno.test("before and since name another container", () => {
  assertEquals(names(["before", "web"]), ["web-job", "new"]);
  assertEquals(names(["since", "new"]), ["web", "web-job"]);
  assertEquals(names(["since", "new"], ["before", "web"]), ["web-job"]);
  assertThrows(() => names(["since", "nobody"]), Error, "No such container: nobody");
});

Deno.test("the state is told in docker's words", () => {
  const NOW = 3 * 60_000;
  assertEquals(statusOf(WEB, NOW), "Up 3 minutes");
  assertEquals(statusOf({ ...JOB, finished: 60_000 }, NOW), "Exited (3) 2 minutes ago");
  assertEquals(statusOf({ ...JOB, exitCode: null, finished: null }, NOW), "Exited (255) 2 minutes ago");
  assertEquals(statusOf(NEW, NOW), "Created");
  assertEquals(statusOf({ ...WEB, status: "foreground" }, NOW), "Up 3 minutes");
  assertEquals(statusOf(WEB, NOW, false, "starting"), "Up 3 minutes (health: starting)");
  assertEquals(statusOf(WEB, NOW, false, "unhealthy"), "Up 3 minutes (unhealthy)");
  assertEquals(statusOf(WEB, NOW, true, "healthy"), "Up 3 minutes (Paused)");
  assertEquals(statusOf(NEW, NOW, false, "healthy"), "Created");
});

Deno.test("a row is shortened as docker does it, and whole with --no-trunc", () => {
  const long = { ...WEB, config: { ...WEB.config, command: ["sh", "-c", "echo a quite long command"] } };
  const print = (truncate: boolean) =>
    formatRows(
      CONTAINERS,
      [containerRow(long, { truncate, now: 60_000, isPaused: NOT_PAUSED })],
      DEFAULT_FORMAT,
    );
  assertEquals(
    print(true).split("\n")[1]?.split(/ {2,}/).slice(0, 3),
    ["1".repeat(12), "nginx", `"sh -c 'echo a quite…"`],
  );
  assertEquals(print(false).includes(`"sh -c 'echo a quite long command'"`), true);
  assertEquals(print(false).includes("1".repeat(64)), true);
});

Deno.test("labels are fields, one by one and together", () => {
  const row = containerRow(WEB, { truncate: true, now: 0, isPaused: NOT_PAUSED });
  const print = (format: string) => formatRows(CONTAINERS, [row], format).trimEnd();
  assertEquals(print('{{.Label "tier"}}|{{.Label "none"}}'), "front|");
  assertEquals(print("{{.Labels}}"), "tier=front,empty=");
});
