import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { detachedTest, IDLE } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";

/** Writes a line again and again, as fast as it can without filling the disk. */
const TICKS = ["sh", "-c", "while :; do echo tick; sleep 0.01; done"];

detachedTest("a paused container stands still until it is unpaused", async (it, host) => {
  const container = await it.start(TICKS, ["--name", "clock"]);
  const lines = async () => (await it.dhow("logs", "clock")).length;
  await eventually(async () => assertEquals(await lines() > 0, true));
  assertEquals(await it.dhow("pause", "clock"), "clock");
  const pid = await it.inspect(container, "{{.State.Pid}}");
  // what the monitor had yet to take is taken by the time it sleeps in poll again
  const before = await eventually(async () => {
    const first = await lines();
    await host.shell("sleep 0.1");
    assertEquals(await lines(), first);
    return first;
  });
  assertMatch(await host.shell(`cat /proc/${pid}/cgroup`), /dhow-/);
  assertEquals(
    await it.inspect(container, "{{.State.Status}} {{.State.Paused}} {{.State.Running}}"),
    "paused true true",
  );
  assertMatch(
    await it.dhow("ps", "--format", "{{.State}} {{.Status}}"),
    /^paused Up .* \(Paused\)$/,
  );
  assertEquals(await it.dhow("ps", "-q", "--no-trunc", "-f", "status=paused"), container);
  assertEquals(await it.dhow("ps", "-q", "-f", "status=running"), "");
  assertFailure(await host.dhow(["pause", "clock"]), 1, /already paused/);
  assertFailure(await host.dhow(["rm", "clock"]), 1, /cannot remove a paused container/);
  assertFailure(await host.dhow(["exec", "clock", "true"]), 1, /is paused; let it go on first/);
  assertEquals(await it.dhow("unpause", "clock"), "clock");
  assertEquals(await it.dhow("exec", "clock", "echo", "moves"), "moves");
  await eventually(async () => assertEquals(await lines() > before, true));
  assertFailure(await host.dhow(["unpause", "clock"]), 1, /not paused/);
});

detachedTest("stop lets a paused container go on, so that it can end in its own way", async (it, host) => {
  const container = await it.start(IDLE);
  await it.dhow("pause", container);
  await it.dhow("stop", container);
  assertEquals(await it.inspect(container, "{{.State.Status}} {{.State.ExitCode}}"), "exited 3");
  assertFailure(await host.dhow(["pause", container]), 1, /is not running/);
  assertFailure(await host.dhow(["unpause", container]), 1, /is not running/);
});

detachedTest("kill ends a paused container", async (it) => {
  const container = await it.start(IDLE);
  await it.dhow("pause", container);
  await it.dhow("kill", container);
  await it.dhow("wait", container);
  assertEquals(await it.inspect(container, "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
});

detachedTest("rm -f removes a paused container", async (it) => {
  const container = await it.start(IDLE);
  await it.dhow("pause", container);
  await it.dhow("rm", "-f", container);
  assertEquals(await it.dhow("ps", "-aq"), "");
});

detachedTest("a paused container whose monitor was killed is ended by the next command", async (it, host) => {
  const container = await it.start(IDLE);
  await it.dhow("pause", container);
  const monitor = host.processes().find(({ command }) => command.startsWith("dhow-monitor"));
  await host.shell(`kill -9 ${monitor!.pid}`);
  await eventually(async () =>
    assertEquals(await it.inspect(container, "{{.State.Status}} {{.State.ExitCode}}"), "exited 255")
  );
});
