import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { IDLE } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

const COUNT = "echo run >>/runs; cat /runs | wc -l";

detachedTest("on-failure tries again as often as was said, with the exit code at the end", async (it) => {
  const id = await it.script(`${COUNT}; exit 4`, ["--restart", "on-failure:2"]);
  assertEquals(await it.dhow("wait", id), "4");
  assertEquals((await it.host.dhow(["logs", id])).stdout, "1\n2\n3\n");
  assertEquals(await it.status(id), "Exited (4)");
  await it.dhow("start", id);
  assertEquals(await it.dhow("wait", id), "4");
  assertEquals((await it.host.dhow(["logs", "--tail", "3", id])).stdout, "4\n5\n6\n");
});

detachedTest("on-failure is content with 0", async (it) => {
  const id = await it.script(`${COUNT}; [ $(cat /runs | wc -l) = 2 ]`, ["--restart", "on-failure"]);
  assertEquals(await it.dhow("wait", id), "0");
  assertEquals(await it.dhow("logs", id), "1\n2");
});

detachedTest(
  "always goes on until somebody stops it, also while it waits; no Deno process waits with it",
  async (it) => {
    const id = await it.script(`${COUNT}; exit 1`, ["--restart", "always", "--name", "it"]);
    // each wait is twice as long as the one before: soon most of the time is waiting
    await eventually(async () =>
      assertMatch(await it.dhow("ps", "--format", "{{.Status}}"), /^Restarting \(1\) .* ago$/)
    );
    await it.host.pidOf(`dhow-sleeper resume ${id}`);
    assertFailure(await it.host.dhow(["rm", "it"]), 1, /You cannot remove a (restarting|running) container/);
    assertEquals(await it.dhow("stop", "it"), "it");
    assertEquals(await it.status(id), "Exited (1)");
    assert(!it.host.processes().some(({ command }) => /sleeper|resume/.test(command)));
  },
);

detachedTest("stop and kill end a container whatever its policy; another signal does not", async (it) => {
  for (const policy of ["always", "unless-stopped", "on-failure"]) {
    for (const verb of [["stop", "-t", "0"], ["kill"], ["rm", "-f"]]) {
      const id = await it.start(["sleep", "1000"], ["--restart", policy]);
      await it.dhow(...verb, id);
      if (verb[0] === "kill") await it.dhow("wait", id);
      assertEquals(await it.status(id), verb[0] === "rm" ? "" : "Exited (137)", `${policy} ${verb[0]}`);
    }
  }
});

detachedTest(
  "a container that is killed from outside comes back, and so does one whose monitor is",
  async (it) => {
    const id = await it.start(["sleep", "1000"], ["--restart", "always"]);
    const first = await it.host.pidOf("sleep 1000");
    await it.host.succeed(["kill", "-KILL", `${first}`]);
    const isNew = (old: number) => {
      const pids = it.host.processes().filter(({ command }) => command === "sleep 1000").map(({ pid }) =>
        pid
      );
      assert(pids.length === 1 && pids[0] !== old, `${pids}`);
      return pids[0]!;
    };
    const second = await eventually(() => isNew(first));
    await it.host.succeed(["kill", "-KILL", `${await it.monitor(id)}`]);
    await it.dhow("ps"); // any command finds it
    await eventually(() => isNew(second));
    await it.becomes(id, "Up");
  },
);

detachedTest(
  "dhow killed while it starts a container again: the next command has it tried again",
  async (it) => {
    for (const step of [1, 3, 5]) {
      const args = [
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "it",
        "--restart",
        "on-failure:1",
        "busybox",
        "false",
      ];
      assertSuccess(await it.host.dhow(args, { env: { DHOW_FAULT_LATER: `kill-after:${step}` } }));
      assertEquals(await it.dhow("wait", "it"), "1", `kill-after:${step}`);
      await it.dhow("rm", "it");
    }
  },
);

detachedTest(
  "a wait for a restart that is killed is begun again, and is not one more restart",
  async (it) => {
    const id = await it.script(`${COUNT}; exit 4`, ["--restart", "on-failure:5"]);
    const waiting = "5 restarting";
    // the longest of the waits: there is time to find it
    await eventually(async () =>
      assertEquals(await it.inspect(id, "{{.RestartCount}} {{.State.Status}}"), waiting)
    );
    await it.host.succeed(["kill", "-KILL", `${await it.host.pidOf(`dhow-sleeper resume ${id}`)}`]);
    assertEquals(await it.inspect(id, "{{.RestartCount}} {{.State.Status}}"), waiting);
    assertEquals(await it.dhow("wait", id), "4");
    assertEquals(await it.dhow("logs", id), "1\n2\n3\n4\n5\n6");
  },
);

detachedTest("a container whose image has gone is not started again, and says why", async (it) => {
  const archive = it.host.file("gone.tar");
  await it.host.succeed(["cp", await busyboxArchive(), archive]);
  const args = ["run", "-d", "--network", "none", "--restart", "always", archive, "sh", "-c", "exit 4"];
  const id = await it.dhow(...args);
  await it.host.succeed(["rm", archive]);
  await it.becomes(id, "Exited (125)");
  assertMatch(await it.inspect(id, "{{.State.Error}}"), /gone\.tar/);
  assert(!it.host.processes().some(({ command }) => /sleeper|resume/.test(command)));
});

/** The database says that all that runs was started in an earlier life of the machine. */
const REBOOT = `
import sqlite3
database = sqlite3.connect("/var/lib/dhow/dhow.db")
boot = open("/proc/sys/kernel/random/boot_id").read().strip()
for column in ["owner", "process", "undo"]:
    database.execute(f"UPDATE containers SET {column} = replace({column}, ?, ?)", (boot, "0" * 8 + boot[8:]))
database.commit()
`;

detachedTest("after a reboot nothing runs, and start --all starts what should", async (it) => {
  const ids: Record<string, string> = {};
  for (const policy of ["no", "always", "unless-stopped", "on-failure"]) {
    ids[policy] = await it.start(["sleep", "1000"], ["--restart", policy, "--name", policy]);
  }
  await it.start(["sleep", "1000"], ["--restart", "unless-stopped", "--name", "stopped"]);
  await it.dhow("stop", "-t", "0", "stopped");
  await it.dhow("create", "--restart", "always", "--name", "never", "--network", "none", "busybox", "true");
  // what a reboot does: all processes end at once
  for (const { pid, command } of it.host.processes()) {
    if (/^(dhow-monitor|sleep 1000)/.test(command)) await it.host.run(["kill", "-KILL", `${pid}`]);
  }
  await it.host.succeed(["python3", "-c", REBOOT]);
  assertEquals(await it.dhow("ps", "-q"), "");
  assertEquals(await it.status(ids["always"]!), "Exited (255)");
  assertEquals((await it.dhow("start", "--all")).split("\n").sort(), [
    "always",
    "on-failure",
    "unless-stopped",
  ]);
  assertEquals((await it.dhow("ps", "--format", "{{.Names}}")).split("\n").length, 3);
  assertEquals(await it.dhow("start", "--all"), "");
});

detachedTest("policies that cannot be are refused as docker refuses them", async (it) => {
  const run = (...flags: string[]) => it.host.dhow(["run", ...flags, "busybox", "true"]);
  assertFailure(await run("-d", "--restart", "never"), 125, /restart policy/);
  assertFailure(await run("-d", "--rm", "--restart", "always"), 125, /Conflicting options/);
  assertFailure(await run("--rm", "--restart", "always"), 125, /Conflicting options/);
});

detachedTest("update --restart holds for a container that runs, and for one that does not", async (it) => {
  const id = await it.start(IDLE);
  const policy = () => it.dhow("inspect", "-f", "{{json .HostConfig.RestartPolicy}}", id);
  assertEquals(await it.dhow("update", "--restart", "always", id), id);
  assertEquals(await policy(), '{"Name":"always","MaximumRetryCount":0}');
  const process = await it.dhow("inspect", "-f", "{{.State.Pid}}", id);
  await it.host.shell(`kill -KILL ${process}`);
  await eventually(async () =>
    assertEquals(await it.dhow("inspect", "-f", "{{.RestartCount}} {{.State.Running}}", id), "1 true")
  );
  await it.dhow("update", "--restart", "no", id);
  await it.host.shell(`kill -KILL ${await it.dhow("inspect", "-f", "{{.State.Pid}}", id)}`);
  await it.becomes(id, "Exited (137)");
  await it.dhow("update", "--restart", "on-failure:3", id);
  assertEquals(await policy(), '{"Name":"on-failure","MaximumRetryCount":3}');
  assertEquals(await it.status(id), "Exited (137)");
  const removed = await it.start(IDLE, ["--rm"]);
  const update = (...args: string[]) => it.host.dhow(["update", ...args]);
  assertFailure(
    await update("--restart", "always", removed),
    1,
    /Restart policy cannot be updated because AutoRemove/,
  );
  assertFailure(await update("--restart", "bad", id), 1, /there is no restart policy "bad"/);
  assertFailure(await update("--restart", "always", "nobody"), 1, /No such container: nobody/);
  assertFailure(await update("--restart", "always", "-m", "64m", id), 1, /update the memoryswap/);
});

detachedTest("what stop --all has stopped is started by start --all, as its policy wants it", async (it) => {
  const policies = ["no", "always", "unless-stopped", "on-failure"];
  const names = ["none", "always", "unless", "failing"];
  for (const [index, name] of names.entries()) {
    await it.start(IDLE, ["--name", name, "--restart", policies[index]!]);
  }
  await it.start(IDLE, ["--name", "stopped", "--restart", "unless-stopped"]);
  await it.dhow("stop", "stopped");
  await it.start(["false"], ["--name", "waiting", "--restart", "always"]);
  await eventually(async () =>
    assertMatch(await it.dhow("inspect", "-f", "{{.RestartCount}}", "waiting"), /[^012]/)
  );
  assertEquals((await it.dhow("stop", "--all")).split("\n").sort(), [...names, "waiting"].sort());
  const up = async () =>
    (await it.dhow("ps", "--format", "{{.Names}}")).split("\n").filter((name) => name !== "waiting").sort();
  assertEquals(await it.dhow("ps", "-q"), "");
  assertEquals(await it.dhow("stop", "--all"), "");
  // their program ended with 3, which is a failure
  await it.dhow("start", "--all");
  assertEquals(await up(), ["always", "failing", "unless"]);
  // once it was started, its policy holds as before
  await it.dhow("stop", "unless");
  await it.dhow("stop", "--all");
  await it.dhow("start", "--all");
  assertEquals(await up(), ["always", "failing"]);
  assertFailure(await it.host.dhow(["stop", "--all", "always"]), 1, /--all takes no CONTAINER/);
});

systemTest("system install has systemd start containers, and uninstall takes it back", async (host) => {
  const printed = await host.dhow(["--root", "/var/lib/my root", "system", "install", "--print"]);
  assertSuccess(printed);
  const unit = await host.write("dhow-printed.service", printed.stdout);
  const verified = await host.run(["systemd-analyze", "verify", "--man=no", unit]);
  assertEquals([verified.code, verified.stderr], [0, ""]);
  const path = "/etc/systemd/system/dhow.service";
  const link = "/etc/systemd/system/multi-user.target.wants/dhow.service";
  assertEquals((await host.dhow(["system", "install"])).stdout.trim(), path);
  assertStringIncludes(Deno.readTextFileSync(host.path(path)), `ExecStart="${DHOW}" "start" "--all"`);
  assertStringIncludes(Deno.readTextFileSync(host.path(path)), `ExecStop="${DHOW}" "stop" "--all"`);
  assertEquals(await host.succeed(["readlink", link]), `${path}\n`);
  assertSuccess(await host.dhow(["system", "install"]));
  assertEquals((await host.dhow(["system", "uninstall"])).stdout, `${path}\n`);
  assertSuccess(await host.dhow(["system", "uninstall"]));
  await host.shell(`[ ! -e ${path} ] && [ ! -L ${link} ]`);
  await host.shell(`echo mine >${path}`);
  assertFailure(await host.dhow(["system", "install"]), 1, /is not from dhow/);
  await host.shell(`rm -r ${path} /run/systemd`); // the folder is systemctl's and systemd-analyze's
});
