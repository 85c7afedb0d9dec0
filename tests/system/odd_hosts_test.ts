import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import type { Output } from "../support/process.ts";
import { systemTest } from "../support/system_test.ts";

/** Runs dhow in a mount namespace of its own, which a script has changed. */
function after(host: Host, script: string, args: readonly string[]): Promise<Output> {
  const setup = `${script}\nexec "$@"`;
  return host.run(["unshare", "--mount", "sh", "-euc", setup, "sh", DHOW, ...args]);
}

/** Commands that look at a container and end it: they need nothing of the host that these tests take away. */
async function canBeEnded(it: Detached, run: (...args: string[]) => Promise<Output>): Promise<void> {
  for (
    const args of [["ps"], ["logs", "box"], ["inspect", "box"], ["top", "box"], ["stats", "--no-stream"], [
      "info",
    ], ["stop", "-t", "0", "box"]]
  ) {
    const { code, stderr } = await run(...args);
    assertEquals({ args, code, stderr }, { args, code: 0, stderr: "" });
  }
  assertEquals(await it.inspect("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
}

systemTest("a container that has filled the disk can be looked at, ended and removed", async (host) => {
  const root = host.file("small");
  const archive = await busyboxArchive();
  await host.shell(`
    truncate -s 32M ${root}.img; mke2fs -q -t ext4 -m 0 ${root}.img
    mkdir ${root}; mount -n -o loop ${root}.img ${root}
  `);
  try {
    const dhow = (...args: string[]) => host.dhow(["--root", root, ...args]);
    const run = ["run", "-d", "--network", "none"];
    const fills =
      "trap 'exit 7' TERM; dd if=/dev/zero of=/big bs=4k; echo full; while :; do sleep 0.05; done";
    assertSuccess(
      await dhow(...run, "--name", "small", archive, "sh", "-c", "trap 'exit 5' TERM; sleep 1000 & wait"),
    );
    assertSuccess(await dhow(...run, "--name", "box", archive, "sh", "-c", fills));
    // blocks of 1 KiB: less than a page
    await eventually(async () => assertMatch(await host.shell(`stat -f -c %a ${root}`), /^[0-3]\n$/));
    const expect = async (expected: string, ...args: string[]) => {
      const { code, stdout, stderr } = await dhow(...args);
      assertEquals({ args, code, stdout, stderr }, { args, code: 0, stdout: expected, stderr: "" });
    };
    await expect("box\nsmall\n", "ps", "--format", "{{.Names}}");
    await expect("small\n", "stop", "small");
    await expect("5\n", "inspect", "-f", "{{.State.ExitCode}}", "small");
    await expect("box\n", "kill", "-s", "TERM", "box");
    await expect("7\n", "wait", "box");
    await expect("box\nsmall\n", "rm", "-f", "box", "small");
    assertSuccess(await dhow("run", "--network", "none", archive, "true"));
  } finally {
    await host.dhow(["--root", root, "rm", "-f", "box", "small"]);
    await host.shell(`umount -l ${root}`);
  }
});

const WITHOUT_CGROUPS =
  "while grep -q ' - cgroup' /proc/self/mountinfo; do umount -R /sys; done; mount -t sysfs sysfs /sys";
const CGROUP_MOUNTS = String
  .raw`sed -nE 's/^([^ ]+ ){4}([^ ]*) .* - cgroup2? .*$/\2/p' /proc/self/mountinfo`;
const READ_ONLY_CGROUPS = `for point in $(${CGROUP_MOUNTS}); do mount -o remount,bind,ro "$point"; done`;

for (
  const [what, script, why] of [
    ["without a cgroup file system", WITHOUT_CGROUPS, /no cgroup file system is mounted/],
    ["whose cgroups cannot be written to", READ_ONLY_CGROUPS, /read-only file system .*mounted and writable/],
  ] as const
) {
  detachedTest(`a host ${what}: what runs can be ended, and nothing is begun`, async (it, host) => {
    await it.named("box");
    const run = (...args: string[]) => after(host, script, args);
    const failure = async (code: number, ...args: string[]) => assertFailure(await run(...args), code, why);
    await failure(125, "run", "--network", "none", "busybox", "true");
    assertSuccess(await run("create", "--network", "none", "--name", "made", "busybox", "true"));
    await failure(1, "start", "made");
    assertFailure(await run("exec", "box", "true"), 1, /cannot join the container's cgroup/);
    assertFailure(await run("pause", "box"), 1, /cannot pause container/);
    await canBeEnded(it, run);
    await failure(1, "start", "box");
    assertEquals((await run("rm", "box", "made")).stderr, "");
  });
}

detachedTest("containers run, and cannot be paused, where no hierarchy has a freezer", async (it, host) => {
  const hasFreezer = await host.run(["test", "-e", "/sys/fs/cgroup/freezer"]);
  if (hasFreezer.code !== 0) return; // cgroup v2 always has one
  const run = (...args: string[]) => after(host, "umount /sys/fs/cgroup/freezer", args);
  assertSuccess(await run("run", "-d", "--network", "none", "--name", "box", "busybox", "sleep", "1000"));
  assertEquals((await run("exec", "box", "echo", "in")).stdout, "in\n");
  assertFailure(await run("pause", "box"), 1, /no cgroup hierarchy of this host has a freezer/);
  await canBeEnded(it, run);
});

/** Everything below a folder of the host but what SQLite makes. */
const listing = (host: Host) =>
  host.shell(
    "cd /var/lib/dhow; find . ! -name 'dhow.db*' ! -path ./spool | sort; ls -R /run/dhow/containers",
  );

detachedTest("a lost or damaged database loses nothing else, and can be put back", async (it, host) => {
  const id = await it.named("box", ["sh", "-c", "echo kept >/file; exec sleep 1000"]);
  await eventually(async () => assertMatch(await it.dhow("diff", "box"), /A \/file/));
  await it.dhow("volume", "create", "data");
  await host.shell("echo kept >/var/lib/dhow/volumes/data/_data/file; mkdir /run/kept");
  const before = await listing(host);
  const losses: readonly (readonly [string, RegExp])[] = [
    ["rm dhow.db*", /cannot begin a new database .*containers, layers, .*put dhow\.db back/],
    ["rm dhow.db-*; : >dhow.db", /cannot begin a new database/],
    ["rm dhow.db-*; yes | head -c 100000 >dhow.db", /not a database; put dhow\.db back/],
  ];
  await host.shell("cp -p /var/lib/dhow/dhow.db* /run/kept");
  for (const [loss, error] of losses) {
    await host.shell(`cd /var/lib/dhow; ${loss}`);
    for (const args of [["ps"], ["recover"], ["rm", "-f", "box"], ["stop", "box"], ["images"]]) {
      assertFailure(await host.dhow(args), 1, error);
    }
    assertEquals(await listing(host), before);
    await host.shell("cd /var/lib/dhow; rm -f dhow.db*; cp -p /run/kept/* .");
    assertEquals(await it.dhow("exec", "box", "cat", "/file"), "kept");
  }
  // an older database, or another state: the containers that it does not know are left alone while they run
  await host.shell("mkdir /run/state && mount --bind /run/state /var/lib/dhow");
  const { code, stderr } = await host.dhow(["ps"]);
  assertEquals(code, 0);
  assertMatch(
    stderr,
    new RegExp(`container ${id.slice(0, 12)}: it runs \\(process \\d+\\), but this is not`),
  );
  await host.shell("umount /var/lib/dhow; rm -r /run/state /run/kept");
  assertEquals(await listing(host), before);
  await it.dhow("rm", "-f", "box");
  await it.dhow("volume", "rm", "data");
});

detachedTest("closed standard streams are /dev/null to dhow, and to containers", async (it, host) => {
  await it.named("box");
  const script = (command: string) => `exec <&- >&- 2>&-; ${DHOW} ${command}`;
  for (
    const command of [
      "run --network none busybox sh -c 'cat && echo hi'",
      "run -i --network none busybox cat",
      "run -d --network none busybox true",
      "exec box sh -c 'cat && echo hi'",
      "exec -i box cat",
      "ps",
      "logs box",
      "stop -t 0 box",
      "start box",
    ]
  ) {
    assertEquals((await host.run(["bash", "-c", script(command)])).code, 0, command);
  }
  const fds = `${DHOW} run --network none busybox sh -c 'ls -l /proc/self/fd' <&-`;
  assertMatch(await host.shell(fds), /0 -> \/dev\/null/);
});

detachedTest("few descriptors are enough, and fewer are told as that", async (it, host) => {
  await it.named("box");
  const limited = (limit: string, ...args: string[]) =>
    host.run(["bash", "-c", `ulimit -n ${limit}; exec "$@"`, "bash", DHOW, ...args]);
  for (
    const args of [
      ["run", "--network", "none", "busybox", "true"],
      ["run", "--init", "--network", "none", "busybox", "true"],
      ["run", "-d", "--network", "none", "busybox", "sleep", "1000"],
      ["exec", "box", "true"],
      ["exec", "-t", "box", "true"],
    ]
  ) {
    assertEquals((await limited("64", ...args)).stderr, "", args.join(" "));
  }
  assertFailure(await limited("20", "exec", "box", "true"), 125, /too many open files .*ulimit -n/i);
});

detachedTest("a user who may have no more processes is told so, also with an init", async (_, host) => {
  const run = (...flags: string[]) =>
    host.run([
      "bash",
      "-c",
      'ulimit -u 1; exec "$@"',
      "bash",
      DHOW,
      ...["run", "--network", "none", "-u", "1000", ...flags, "busybox", "sh", "-c", "true & wait"],
    ]);
  assertMatch((await run()).stderr, /can't fork: Resource temporarily unavailable/);
  assertFailure(await run("--init"), 125, /cannot start the program as the init's child: .*EAGAIN/);
});

/** As if all that has happened had happened in an hour. */
const LATER = `
import sqlite3
database = sqlite3.connect("/var/lib/dhow/dhow.db")
database.execute("UPDATE events SET time = time + 3600000 WHERE action = 'create'")
database.execute("UPDATE containers SET created = created + 3600000, started = started + 3600000")
database.commit()
`;

detachedTest(
  "events, logs and ps tell of what is to happen later by a clock that was set back",
  async (it, host) => {
    const id = await it.named("box", ["sh", "-c", "echo said; exec sleep 1000"]);
    await eventually(async () => assertEquals(await it.dhow("logs", "box"), "said"));
    await host.succeed(["python3", "-c", LATER]);
    const events = await it.dhow("events", "--since", "1m", "--until", "0s", "--format", "{{.Action}}");
    assertEquals(events.split("\n").at(-1), "start");
    assertEquals(await it.ask(id, "{{.Status}}"), "Up Less than a second");
    assertEquals(await it.dhow("logs", "--since", "1m", "box"), "said");
    await it.dhow("stop", "-t", "0", "box");
    assertEquals(await it.status(id), "Exited (137)");
  },
);

systemTest("a host whose settings are read-only is told which one stands in the way", async (host) => {
  const readOnly = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys";
  const output = await after(host, readOnly, ["run", await busyboxArchive(), "true"]);
  assertFailure(
    output,
    125,
    /cannot set \/proc\/sys\/net\/\S+ to \d: Read-only file system/,
    /mount \/proc\/sys writable/,
  );
  const alone = ["run", "--network", "none", await busyboxArchive(), "true"];
  assertSuccess(await after(host, readOnly, alone));
});
