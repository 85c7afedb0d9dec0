import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import { busyboxWith } from "../support/images.ts";

interface Health {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly { Start: string; End: string; ExitCode: number; Output: string }[];
}

/** What inspect shows of a container's health; null when it was never checked. */
async function health(it: Detached, container: string): Promise<Health | null> {
  return JSON.parse(await it.dhow("inspect", "-f", "{{json .State.Health}}", container));
}

/** Waits until the health of a container is as it should be. */
async function healthBecomes(
  it: Detached,
  container: string,
  check: (health: Health) => void,
): Promise<void> {
  await eventually(async () => check((await health(it, container))!));
}

const becomes = (it: Detached, container: string, status: string) =>
  healthBecomes(it, container, ({ Status }) => assertEquals(Status, status));

const status = async (it: Detached, container: string) =>
  (await it.ask(container, "{{.Status}}")).replace(/^Up [^(]*/, "Up ").trim();

/** Processes of the host by what they run. */
const running = (it: Detached, pattern: RegExp) =>
  it.host.processes().filter(({ command }) => pattern.test(command)).map(({ command }) => command);

/** dhow's processes of a probe, and those that it has started. */
const PROBING = /dhow probe|dhow-exec|^sleep 2\d\d\d$/;

const often = (milliseconds: number) => ["--health-interval", `${milliseconds}ms`];

detachedTest(
  "a container is starting, unhealthy, healthy; ps, inspect and events say so, and no dhow stays between probes",
  async (it) => {
    const probe = "echo $A $(id -u) $(pwd) $TERM; echo error >&2; exit $(cat /tmp/code || echo 4)";
    const own = ["--name", "it", "-e", "A=b", "-u", "33", "-w", "/tmp", "--restart", "always"];
    const flags = [...own, "--health-cmd", probe, ...often(500), "--health-retries", "2"];
    const id = await it.start(["sleep", "1000"], flags);
    assertEquals(await status(it, id), "Up (health: starting)");
    assertEquals(await it.dhow("ps", "-q", "--no-trunc", "--filter", "health=starting"), id);
    assertEquals(
      await it.dhow("inspect", "-f", "{{.Config.Healthcheck.Interval}} {{.State.Health.Log}}", id),
      "500ms []",
    );
    await becomes(it, id, "unhealthy");
    const { FailingStreak, Log } = (await health(it, id))!;
    assert(FailingStreak >= 2);
    assertEquals(Log[0]!.ExitCode, 4);
    assertMatch(Log[0]!.Output, /^b 33 \/tmp\nerror\ncat: .*\n$/);
    assert(Date.parse(Log[0]!.Start) <= Date.parse(Log[0]!.End));
    assertEquals(await status(it, id), "Up (unhealthy)");
    // also while it probes again and again, there are moments in which only the monitor is there
    await eventually(() => assertEquals(running(it, /dhow/), [`dhow-monitor ${id}`]));
    await it.dhow("exec", "it", "sh", "-c", "echo 0 >/tmp/code");
    await becomes(it, id, "healthy");
    await healthBecomes(it, id, ({ FailingStreak, Log }) => {
      assertEquals([FailingStreak, Log.length], [0, 5]);
      assert(Log.every(({ Start }, index) => index === 0 || Start > Log[index - 1]!.End));
    });
    assertEquals(await it.dhow("ps", "-q", "--no-trunc", "--filter", "health=healthy"), id);
    const events = await it.dhow(
      "events",
      "--since",
      "1h",
      "--until",
      "0s",
      "--filter",
      "event=health_status",
      "--format",
      "{{.Action}}",
    );
    assertEquals(events, "health_status: unhealthy\nhealth_status: healthy");
    const log = (await health(it, id))!.Log;
    await it.dhow("restart", "-t", "0", "it");
    const after = (await health(it, id))!;
    assertEquals([after.Status, after.FailingStreak], ["starting", 0]);
    assert(
      after.Log.some(({ Start }) => Start === log.at(-1)!.Start),
      "what was found before is there still",
    );
    await becomes(it, id, "healthy");
    await it.dhow("stop", "-t", "0", "it");
    assertEquals((await health(it, id))!.Status, "unhealthy");
    assertEquals(await it.status(id), "Exited (137)");
    await eventually(() => assertEquals(running(it, /dhow/), []));
    assertFailure(
      await it.host.dhow(["ps", "--filter", "health=well"]),
      1,
      /Unrecognised filter value for health: well/,
    );
  },
);

detachedTest(
  "what takes too long is killed with all that it has started, and so is what others must not wait for",
  async (it) => {
    const probe = "echo hello; setsid sleep 2000 & sleep 2001; echo never";
    const id = await it.start(["sh", "-c", "sleep 1000"], [
      ...[
        "--init",
        "--health-cmd",
        probe,
        ...often(700),
        "--health-timeout",
        "300ms",
        "--health-retries",
        "1",
      ],
    ]);
    await becomes(it, id, "unhealthy");
    const [first] = (await health(it, id))!.Log;
    assertEquals([first!.ExitCode, first!.Output], [-1, "Health check exceeded timeout (300ms): hello\n"]);
    await eventually(() => assertEquals(running(it, PROBING), []));
    await it.dhow("rm", "-f", id);
    // what stays and holds the output is not waited for; output beyond 4096 bytes is cut
    const flood = "(sleep 1001 &); head -c 100000 /dev/zero | tr '\\0' x";
    const loud = await it.start(["sleep", "1000"], ["--health-cmd", flood, ...often(700)]);
    await healthBecomes(
      it,
      loud,
      ({ Status, Log }) => assertEquals([Status, Log[0]?.Output], ["healthy", "x".repeat(4096) + "..."]),
    );
    await it.dhow("rm", "-f", loud);
    const excused = ["--health-start-period", "1h", "--health-retries", "1", "--health-cmd", "false"];
    const starting = await it.start(["sleep", "1000"], [...excused, ...often(10)]);
    await healthBecomes(
      it,
      starting,
      ({ Status, FailingStreak, Log }) =>
        assertEquals([Status, FailingStreak, Log.length], ["starting", 0, 5]),
    );
  },
);

detachedTest(
  "probes end with their container, whatever ends it, and one that is killed is followed by the next",
  async (it) => {
    const flags = ["--health-cmd", "sleep 2000; :", ...often(100)];
    const probe = (id: string) => `${DHOW} probe ${id}`;
    const probes = async (id: string, sleep = "sleep 2000") =>
      [await it.host.pidOf(probe(id)), await it.host.pidOf(sleep)] as const;
    const nothingIsLeft = () => eventually(() => assertEquals(running(it, PROBING), []));
    const id = await it.start(["sleep", "1000"], flags);
    const [first, sleep] = await probes(id);
    // asked for by somebody else, nothing is probed
    assertEquals(await it.dhow("probe", id), "");
    assertEquals((await health(it, id))!.Log, []);
    await it.host.succeed(["kill", "-KILL", `${first}`]);
    await eventually(async () => {
      const [second, next] = await probes(id);
      assert(second !== first && next !== sleep);
      assertEquals(running(it, /dhow probe/), [probe(id)]);
    });
    assertEquals(await it.dhow("stop", "-t", "0", id), id);
    await nothingIsLeft();
    assertEquals((await health(it, id))!.Log, []);
    for (const end of ["kill", "monitor", "program"]) {
      await it.dhow("start", id);
      await probes(id);
      if (end === "kill") await it.dhow("kill", id);
      else {
        const pid = await (end === "monitor" ? it.monitor(id) : it.host.pidOf("sleep 1000"));
        await it.host.succeed(["kill", "-KILL", `${pid}`]);
      }
      await it.becomes(id, end === "monitor" ? "Exited (255)" : "Exited (137)");
      await nothingIsLeft();
      assertEquals((await health(it, id))!.Log, [], end);
    }
    await it.dhow("rm", "-f", id);
    await nothingIsLeft();
    for (const kind of [["--pid", "host"], ["--userns"], ["-t"]]) {
      const other = await it.start(["sleep", "1000"], [...kind, ...flags]);
      await probes(other);
      await it.dhow("rm", "-f", other);
      await nothingIsLeft();
    }
  },
);

detachedTest("a paused container is not probed", async (it) => {
  const id = await it.start(["sleep", "1000"], ["--health-cmd", "true", ...often(50)]);
  await becomes(it, id, "healthy");
  await it.dhow("pause", id);
  assertEquals(await status(it, id), "Up (Paused)");
  assertEquals(await it.dhow("ps", "-q", "--no-trunc", "--filter", "health=unhealthy"), id);
  /** Waits until another process looks whether there is something to be probed. */
  const seen = new Set<number>();
  const another = () =>
    eventually(() => {
      const probers = it.host.processes().filter(({ command }) => command === `${DHOW} probe ${id}`);
      const fresh = probers.find(({ pid }) => !seen.has(pid));
      assert(fresh !== undefined);
      seen.add(fresh.pid);
    });
  await another();
  await another();
  const { Log } = (await health(it, id))!;
  await another();
  await another();
  assertEquals((await health(it, id))!.Log, Log);
  await it.dhow("unpause", id);
  await healthBecomes(it, id, (now) => assert(now.Log.at(-1)!.Start > Log.at(-1)!.Start));
});

detachedTest("an image's HEALTHCHECK is heeded, changed option by option, and kept by commit", async (it) => {
  const Healthcheck = { Test: ["CMD", "/nothing"], Interval: 1e8, Timeout: 5e9, Retries: 2 };
  const archive = await it.host.write("image.tar", busyboxWith({ Healthcheck, Cmd: ["sleep", "1000"] }));
  assertSuccess(await it.host.dhow(["load", "-q", "-i", archive]));
  const config = async (subject: string) =>
    JSON.parse(await it.dhow("inspect", "-f", "{{json .Config.Healthcheck}}", subject));
  const run = (...flags: string[]) => it.dhow("run", "-d", "--network", "none", ...flags);
  const id = await run("--name", "it", "test");
  await becomes(it, id, "unhealthy");
  const [result] = (await health(it, id))!.Log;
  assertEquals(result!.ExitCode, -1);
  assertMatch(result!.Output, /cannot find the command "\/nothing"/);
  assertEquals(await config("it"), Healthcheck);
  await it.dhow("commit", "it", "same");
  assertEquals(await config("same"), Healthcheck);
  await run("--name", "other", "--health-cmd", "true", "--health-retries", "7", archive);
  const other = { ...Healthcheck, Test: ["CMD-SHELL", "true"], Retries: 7 };
  assertEquals(await config("other"), other);
  await becomes(it, "other", "healthy");
  await it.dhow("commit", "-c", "HEALTHCHECK --timeout=1s CMD false", "other", "changed");
  assertEquals(await config("changed"), { ...other, Test: ["CMD-SHELL", "false"], Timeout: 1e9 });
  await run("--name", "none", "--no-healthcheck", "test");
  assertEquals((await config("none")).Test, ["NONE"]);
  assertEquals(await health(it, "none"), null);
  assertEquals(await it.dhow("ps", "--filter", "health=none", "--format", "{{.Names}}"), "none");
  assertMatch(await it.dhow("ps", "--filter", "health=none", "--format", "{{.Status}}"), /^Up [^(]*$/);
  const wrong = await it.host.dhow(["create", "--health-interval", "often", "test"]);
  assertFailure(
    wrong,
    125,
    /invalid argument "often" for "--health-interval" flag: time: invalid duration "often"/,
  );
  assertFailure(
    await it.host.dhow(["create", "--health-timeout", "1us", "test"]),
    1,
    /cannot be less than 1ms/,
  );
});

detachedTest("a container in the foreground is probed as well, as long as it is there", async (it) => {
  const front = (...flags: string[]) =>
    it.host.spawnDhow(["run", "--name", "front", "--network", "none", ...flags, "busybox", "sleep", "1000"]);
  await using healthy = front("--health-cmd", "echo fine", ...often(100));
  await healthBecomes(
    it,
    "front",
    ({ Status, Log }) => assertEquals([Status, Log.at(-1)?.Output, Log.length], ["healthy", "fine\n", 5]),
  );
  assertMatch(await it.dhow("ps", "--format", "{{.Status}}"), /^Up .*\(healthy\)$/);
  await it.dhow("kill", "front");
  const { code, stdout, stderr } = await healthy.output();
  assertEquals({ code, stdout, stderr }, { code: 137, stdout: "", stderr: "" });
  for (const signal of ["TERM", "KILL"]) {
    await using hanging = front("--init", "--health-cmd", "sleep 2000; :", ...often(100));
    await it.host.pidOf("sleep 2000");
    await hanging.kill(signal);
    assertEquals((await hanging.output()).code, signal === "TERM" ? 143 : 137);
    await it.dhow("ps");
    await eventually(() => assertEquals(running(it, PROBING), []));
  }
});
