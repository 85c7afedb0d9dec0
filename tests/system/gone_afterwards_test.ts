import { assertEquals } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import type { Host, RunningInHost } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { differences, sameAgain, type Snapshot, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";

/** A container with all that a container can have on the host, and the state before it was there. */
async function start(host: Host): Promise<{ before: Snapshot; running: RunningInHost }> {
  const archive = await busyboxArchive();
  await host.dhow(["run", "--network", "none", archive, "true"]); // unpacked, and that stays
  const before = await snapshot(host);
  const script = "trap 'exit 9' TERM; echo up; sleep 1000 & wait $!";
  const running = host.spawnDhow(["run", "--name", "it", archive, "sh", "-c", script]);
  await running.stdout.until(/up/);
  const headings = new Set(differences(before, await snapshot(host)).map((line) => line.split(":")[0]));
  for (const heading of ["links", "rules", "cgroups", "files", "processes", "ip_forward"]) {
    assertEquals(headings.has(heading), true, `a container that runs shows under ${heading}`);
  }
  return { before, running };
}

systemTest("nothing is left of a container that ended by itself", async (host) => {
  const { before, running } = await start(host);
  await running.kill("TERM");
  assertEquals((await running.output()).code, 9);
  await sameAgain(host, before);
});

systemTest("nothing is left of a container whose program a signal ended", async (host) => {
  const { before, running } = await start(host);
  const program = await host.pidOf("sh -c trap");
  await host.succeed(["kill", "-KILL", `${program}`]);
  assertEquals((await running.output()).code, 137);
  await sameAgain(host, before);
});

systemTest("when dhow is killed its container ends with it, and the next command cleans up", async (host) => {
  const { before, running } = await start(host);
  await running.kill("KILL");
  assertEquals((await running.output()).code, 137);
  const { code, stderr } = await host.dhow(["images"]);
  assertEquals([code, stderr], [0, ""]);
  await sameAgain(host, before);
});

systemTest(
  "when dhow and the container's program are killed at once, the next command cleans up",
  async (host) => {
    const { before, running } = await start(host);
    const program = await host.pidOf("sh -c trap");
    await host.succeed(["kill", "-KILL", `${await running.hostPid()}`, `${program}`]);
    await running.output();
    await host.dhow(["images"]);
    await sameAgain(host, before);
  },
);

systemTest("processes that the program left behind end with it", async (host) => {
  const archive = await busyboxArchive();
  const { code, stdout } = await host.dhow([
    "run",
    archive,
    "sh",
    "-c",
    "sleep 1000 & setsid sleep 1001 & echo done",
  ]);
  assertEquals([code, stdout], [0, "done\n"]);
  assertEquals(host.processes().filter(({ command }) => command.startsWith("sleep 100")), []);
});

systemTest("a container that is busy with its own mounts and files is removed as well", async (host) => {
  const script =
    "mkdir -p /a/b && mount -t tmpfs t /a/b; head -c 1000000 /dev/zero >/a/file; chmod 0 /a; true";
  const { code } = await host.dhow([
    ...["run", "--cap-add", "SYS_ADMIN", await busyboxArchive(), "sh", "-c", script],
  ]);
  assertEquals(code, 0);
});

systemTest("one container's end leaves the others, and the network that they share", async (host) => {
  const { running } = await start(host);
  const { code } = await host.dhow([
    "run",
    await busyboxArchive(),
    "ping",
    "-c",
    "1",
    "-W",
    "5",
    "web.example.test",
  ]);
  assertEquals(code, 0);
  await eventually(async () => {
    const links = (await host.shell("ls /sys/class/net")).split("\n");
    assertEquals(
      links.filter((name) => /^(dhow|veth)/.test(name)).length,
      2,
      "the bridge, and one container's link",
    );
  });
  await running.kill("TERM");
  await running.output();
});
