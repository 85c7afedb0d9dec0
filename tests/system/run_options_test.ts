import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, busyboxOutput, busyboxShell, runBusybox } from "../support/containers.ts";
import { detachedTest, IDLE } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

systemTest("--env-file sets a file's variables as they are, and --env wins", async (host) => {
  const path = await host.write(
    "env",
    '# a comment\n\n  INDENTED=a \nQUOTED="b" # c\nEMPTY=\nCOLOUR=red\nFROM_CALLER\nNOT_THERE\n',
  );
  const { stdout } = await runBusybox(host, ["env"], ["--env-file", path, "-e", "COLOUR=blue"], {
    env: { FROM_CALLER: "x y" },
  });
  const lines = stdout.split("\n");
  for (const line of ["INDENTED=a ", 'QUOTED="b" # c', "EMPTY=", "COLOUR=blue", "FROM_CALLER=x y"]) {
    assert(lines.includes(line), `${line} is not in: ${stdout}`);
  }
  assert(!stdout.includes("NOT_THERE"), stdout);
  const wrong = await host.write("wrong", "A B=c\n");
  assertFailure(await runBusybox(host, ["env"], ["--env-file", wrong]), 125, /'A B' contains whitespaces/);
  assertFailure(
    await runBusybox(host, ["env"], ["--env-file", host.file("none")]),
    125,
    /cannot use the variables/,
  );
});

detachedTest(
  "--cidfile gets the id, is never written over, and goes when nothing was started",
  async (it, host) => {
    const path = host.file("cid");
    const read = () => host.shell(`cat ${path} 2>&1 || true`);
    assertEquals((await runBusybox(host, ["true"], ["--cidfile", path])).code, 0);
    assertMatch(await read(), /^[0-9a-f]{64}$/);
    assertFailure(await runBusybox(host, ["true"], ["--cidfile", path]), 125, /Container ID file found/);
    assertMatch(await read(), /^[0-9a-f]{64}$/);
    await host.shell(`rm ${path}`);
    assertEquals((await runBusybox(host, ["no-such-program"], ["--cidfile", path])).code, 127);
    assertMatch(await read(), /No such file/);
    const container = await it.start(IDLE, ["--cidfile", path]);
    assertEquals(await read(), container);
    await host.shell(`rm ${path}`);
    const created = await it.start(["true"], ["--cidfile", path], ["create"]);
    assertEquals(await read(), created);
  },
);

detachedTest(
  "--pid host shows the host's processes, and all that the container has started end with it",
  async (it, host) => {
    const namespaces = (flags: string[]) =>
      busyboxShell(host, "for kind in pid ipc uts; do readlink /proc/self/ns/$kind; done; hostname", flags);
    const own = await host.shell("for kind in pid ipc uts; do readlink /proc/self/ns/$kind; done; hostname");
    const [pid, ipc, uts, name] = own.trim().split("\n");
    const all = (await namespaces(["--pid", "host", "--ipc", "host", "--uts", "host"])).trim().split("\n");
    assertEquals(all, [pid, ipc, uts, name]);
    const none = (await namespaces(["--pid", "private", "--ipc", "shareable"])).trim().split("\n");
    assertEquals(none.filter((line, index) => line === [pid, ipc, uts, name][index]), []);
    await host.shell("echo shared >/dev/shm/dhow-test");
    assertEquals(await busyboxOutput(host, ["cat", "/dev/shm/dhow-test"], ["--ipc", "host"]), "shared\n");
    await host.shell("rm /dev/shm/dhow-test");
    const container = await it.start(["sh", "-c", "sleep 4321 & sleep 4321 & wait"], [
      "--pid",
      "host",
    ]);
    const left = () => host.processes().filter(({ command }) => command.startsWith("sleep 4321")).length;
    await eventually(() => assertEquals(left(), 2));
    await it.dhow("stop", "-t", "0", container);
    assertEquals(left(), 0);
    const both = ["--pid", "host", "--init"];
    assertEquals((await runBusybox(host, ["sh", "-c", "exit 9"], both)).code, 9);
  },
);

systemTest("options of namespaces that cannot be had are refused", async (host) => {
  const archive = await busyboxArchive();
  const refused = async (...flags: string[]) => await host.dhow(["run", ...flags, archive, "true"]);
  assertFailure(await refused("--pid", "container:x"), 125, /No such container: x/);
  assertFailure(await refused("--ipc", "other"), 125, /Invalid IPC mode: "other"/);
  assertFailure(await refused("--uts", "host", "--hostname", "x"), 125, /hostname and the UTS mode/);
  assertFailure(await refused("--userns", "--pid", "host"), 125, /contradict/);
});

systemTest("explain tells of an init and of shared namespaces, and its script works", async (host) => {
  const flags = ["--network", "none", "--init", "--pid", "host", "--uts", "host", "--ipc", "host"];
  const script = await host.succeed([
    DHOW,
    "explain",
    "run",
    ...flags,
    await busyboxArchive(),
    "echo",
    "works",
  ]);
  assertMatch(script, /becomes an init here/);
  assert(!/unshare .*--(pid|uts|ipc)/.test(script));
  await host.write("script", script);
  assertEquals(await host.shell(`sh ${host.file("script")}`), "works\n");
});
