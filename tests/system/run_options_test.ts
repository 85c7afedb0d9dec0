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

systemTest("--init: the program is a child of an init, whose exit code is the program's", async (host) => {
  const init = ["--init"];
  assertEquals(await busyboxShell(host, "echo $$; cat /proc/1/cmdline | head -c 9", init), "2\ndhow-init");
  const code = async (script: string) => (await runBusybox(host, ["sh", "-c", script], init)).code;
  assertEquals([await code("exit 0"), await code("exit 42"), await code("exit 255")], [0, 42, 255]);
  assertEquals([await code("kill -9 $$"), await code("kill -TERM $$"), await code("kill -ABRT $$")], [
    137,
    143,
    134,
  ]);
  const signals = await busyboxOutput(host, ["grep", "^Sig[BI]", "/proc/self/status"], init);
  assertEquals(signals, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  assertEquals(await busyboxOutput(host, ["ls", "/proc/self/fd"], init), "0\n1\n2\n3\n");
  assertFailure(await runBusybox(host, ["no-such-program"], init), 127, /cannot find the command/);
  assertFailure(await runBusybox(host, ["/etc"], init), 126, /cannot execute/);
});

systemTest("--init reaps what other processes leave behind", async (host) => {
  const script =
    'for i in 1 2 3; do (true & exec true) & wait; done; sleep 0.1; grep -l "^State:.Z" /proc/[0-9]*/status || true';
  assertEquals(await busyboxShell(host, script, ["--init"]), "");
});

detachedTest(
  "--init hands signals on, also to a program that a process 1 would not have heard of",
  async (it) => {
    const container = await it.start(["sleep", "1000"], ["--init", "--user", "1000"]);
    await it.dhow("kill", "-s", "TERM", container);
    assertEquals(await it.dhow("wait", container), "143");
    await it.dhow("start", container);
    await it.dhow("stop", "-t", "30", container);
    assertEquals(await it.inspect(container, "{{.State.ExitCode}} {{.HostConfig.Init}}"), "143 true");
  },
);

detachedTest("--init: what is typed at a terminal goes to the program, once", async (it, host) => {
  const script = "trap 'echo got' INT; trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
  const container = await it.start(["sh", "-c", script], ["--init", "-t"]);
  await eventually(async () => assertMatch(await it.dhow("logs", container), /ready/));
  const pid = await it.inspect(container, "{{.State.Pid}}");
  const status = await host.shell(`cat /proc/${pid}/stat`);
  const foreground = status.slice(status.lastIndexOf(")") + 2).split(" ")[5];
  const group = status.slice(status.lastIndexOf(")") + 2).split(" ")[2];
  assert(foreground !== group && foreground !== "-1", status);
  await it.dhow("kill", "-s", "INT", container);
  await eventually(async () => assertMatch(await it.dhow("logs", container), /got/));
  await it.dhow("stop", container);
  assertEquals((await it.dhow("logs", container)).match(/got/g)?.length, 1);
});

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
  assertFailure(await refused("--pid", "container:x"), 125, /cannot join another container/);
  assertFailure(await refused("--ipc", "none"), 125, /there is no --ipc "none"/);
  assertFailure(await refused("--uts", "host", "--hostname", "x"), 125, /contradict/);
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
