import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
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
  assertEquals(await host.succeed(["readlink", link]), `${path}\n`);
  assertSuccess(await host.dhow(["system", "install"]));
  assertEquals((await host.dhow(["system", "uninstall"])).stdout, `${path}\n`);
  assertSuccess(await host.dhow(["system", "uninstall"]));
  await host.shell(`[ ! -e ${path} ] && [ ! -L ${link} ]`);
  await host.shell(`echo mine >${path}`);
  assertFailure(await host.dhow(["system", "install"]), 1, /is not from dhow/);
  await host.shell(`rm -r ${path} /run/systemd`); // the folder is systemctl's and systemd-analyze's
});
