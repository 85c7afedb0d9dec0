import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { Detached, IDLE } from "../support/detached_container.ts";
import { eventually } from "../support/eventually.ts";
import { systemTest } from "../support/system_test.ts";

/** Writes a line again and again, as fast as it can without filling the disk. */
const TICKS = ["sh", "-c", "while :; do echo tick; sleep 0.01; done"];

systemTest("a paused container stands still until it is unpaused", async (host) => {
  await using container = await Detached.start(host, TICKS, ["--name", "clock"]);
  const lines = async () => (await container.dhow("logs", "clock")).length;
  await eventually(async () => assertEquals(await lines() > 0, true));
  assertEquals(await container.dhow("pause", "clock"), "clock\n");
  const pid = await container.inspect("{{.State.Pid}}");
  // what the monitor had yet to take is taken by the time it sleeps in poll again
  const before = await eventually(async () => {
    const first = await lines();
    await host.shell("sleep 0.1");
    assertEquals(await lines(), first);
    return first;
  });
  assertMatch(await host.shell(`cat /proc/${pid}/cgroup`), /dhow-/);
  assertEquals(
    await container.inspect("{{.State.Status}} {{.State.Paused}} {{.State.Running}}"),
    "paused true true",
  );
  assertMatch(
    await container.dhow("ps", "--format", "{{.State}} {{.Status}}"),
    /^paused Up .* \(Paused\)\n$/,
  );
  assertEquals(await container.dhow("ps", "-q", "--no-trunc", "-f", "status=paused"), `${container.id}\n`);
  assertEquals(await container.dhow("ps", "-q", "-f", "status=running"), "");
  assertFailure(await host.dhow(["pause", "clock"]), 1, /already paused/);
  assertFailure(await host.dhow(["rm", "clock"]), 1, /cannot remove a paused container/);
  assertFailure(await host.dhow(["exec", "clock", "true"]), 1, /is paused; let it go on first/);
  assertFailure(await host.dhow(["attach", "clock"]), 1, /is paused; let it go on first/);
  assertEquals(await container.dhow("unpause", "clock"), "clock\n");
  assertEquals(await container.dhow("exec", "clock", "echo", "moves"), "moves\n");
  await eventually(async () => assertEquals(await lines() > before, true));
  assertFailure(await host.dhow(["unpause", "clock"]), 1, /not paused/);
});

systemTest("stop lets a paused container go on, so that it can end in its own way", async (host) => {
  await using container = await Detached.start(host, IDLE);
  await container.dhow("pause", container.id);
  await container.dhow("stop", container.id);
  assertEquals(await container.inspect("{{.State.Status}} {{.State.ExitCode}}"), "exited 3");
  assertFailure(await host.dhow(["pause", container.id]), 1, /is not running/);
  assertFailure(await host.dhow(["unpause", container.id]), 1, /is not running/);
});

systemTest("kill ends a paused container", async (host) => {
  await using container = await Detached.start(host, IDLE);
  await container.dhow("pause", container.id);
  await container.dhow("kill", container.id);
  await container.dhow("wait", container.id);
  assertEquals(await container.inspect("{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
});

systemTest("rm -f removes a paused container", async (host) => {
  await using container = await Detached.start(host, IDLE);
  await container.dhow("pause", container.id);
  await container.dhow("rm", "-f", container.id);
  assertEquals(await container.dhow("ps", "-aq"), "");
});

systemTest("a paused container whose monitor was killed is ended by the next command", async (host) => {
  await using container = await Detached.start(host, IDLE);
  await container.dhow("pause", container.id);
  const monitor = host.processes().find(({ command }) => command.startsWith("dhow-monitor"));
  await host.shell(`kill -9 ${monitor!.pid}`);
  await eventually(async () =>
    assertEquals(await container.inspect("{{.State.Status}} {{.State.ExitCode}}"), "exited 255")
  );
});
