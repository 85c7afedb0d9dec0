import { assert, assertEquals } from "@std/assert";
import { assertFailure, busyboxOutput, runBusybox } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import type { Host } from "../support/host.ts";
import { systemTest } from "../support/system_test.ts";

const DAY = 86_400;

/** Seconds since boot, as the machine has them. */
const uptime = (text = Deno.readTextFileSync("/proc/uptime")) => Number(text.split(" ")[0]);

/** What a container's uptime is more than the host's: between these two, however long it took to look. */
async function ahead(look: () => Promise<string>): Promise<readonly [low: number, high: number]> {
  const before = uptime();
  const seen = uptime(await look());
  return [seen - uptime(), seen - before];
}

function assertAhead([low, high]: readonly [number, number], offset: number): void {
  // /proc/uptime has hundredths
  assert(low <= offset + 0.02 && high >= offset - 0.02, `${low} to ${high} is not around ${offset}`);
}

const look = (host: Host, ...flags: string[]) => () => busyboxOutput(host, ["cat", "/proc/uptime"], flags);
const namespaceOf = (host: Host, ...flags: string[]) =>
  busyboxOutput(host, ["readlink", "/proc/self/ns/time"], flags);

systemTest("a container has the host's clocks, or those that it was given", async (host) => {
  const machines = `${Deno.readLinkSync("/proc/self/ns/time")}\n`;
  assertEquals(await namespaceOf(host), machines);
  assertEquals(await namespaceOf(host, "--timens", "host"), machines);
  assert(await namespaceOf(host, "--timens", "private") !== machines);
  assertAhead(await ahead(look(host)), 0);
  assertAhead(await ahead(look(host, "--timens", "private")), 0);
  for (const more of [[], ["--init"], ["--userns"], ["--pid", "host"]]) {
    assertAhead(await ahead(look(host, "--boottime", String(DAY), ...more)), DAY);
  }
  const offsets = await busyboxOutput(host, ["cat", "/proc/self/timens_offsets"], [
    ...["--monotonic", "-1", "--boottime", "+2", "--timens", "private"],
  ]);
  assertEquals(offsets.trim().split("\n").map((line) => line.split(/\s+/)), [
    ["monotonic", "-1", "0"],
    ["boottime", "2", "0"],
  ]);
  assertEquals(Deno.readTextFileSync("/proc/self/timens_offsets").match(/-?\d+/g), ["0", "0", "0", "0"]);
});

detachedTest("clocks stay a container's own: for exec, and when it is started again", async (it) => {
  const container = await it.start(["sleep", "1000"], ["--boottime", String(DAY)]);
  const seen = () => it.dhow("exec", container, "cat", "/proc/uptime");
  assertAhead(await ahead(seen), DAY);
  const namespaces = () =>
    it.dhow("exec", container, "sh", "-c", "readlink /proc/1/ns/time; readlink /proc/self/ns/time");
  const [first, inExec] = (await namespaces()).split("\n");
  assertEquals(inExec, first);
  await it.dhow("restart", "-t", "0", container);
  assertAhead(await ahead(seen), DAY);
});

systemTest("--timens and its offsets are refused when they make no sense", async (host) => {
  for (
    const [flags, why] of [
      [["--timens", "mine"], /--timens: invalid mode/],
      [["--boottime", "1.5"], /invalid argument "1.5" for "--boottime" flag/],
      [["--monotonic", "x"], /invalid argument "x" for "--monotonic" flag/],
      [["--timens", "host", "--monotonic", "1"], /contradict each other/],
      // the kernel knows how long it has been up
      [["--boottime", "-9999999999"], /cannot make clocks of its own: .*ERANGE.*: choose other --monotonic/],
    ] as const
  ) {
    assertFailure(await runBusybox(host, ["true"], flags), 125, why);
  }
});
