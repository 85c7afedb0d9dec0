// Containers that do not want to end, or to be removed. The means are taken from the host, which makes the same as their root could.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Detached, detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";

/** A script for Python, run in the host. */
const python = (it: Detached, script: string, ...args: string[]) =>
  it.host.succeed(["python3", "-c", script, ...args]);

/** Makes folders in one another, below the working directory, and waits nowhere. */
const NEST = `
import os, sys
os.chdir(sys.argv[1])
for _ in range(int(sys.argv[3])):
    os.mkdir(sys.argv[2])
    os.chdir(sys.argv[2])
`;

/** The container's cgroup in the hierarchy of a controller. */
const cgroupOf = (it: Detached, id: string, controller: string) =>
  it.host.shell(`for each in /sys/fs/cgroup/${controller} /sys/fs/cgroup; do
    [ ! -d $each/dhow-${id} ] || { echo $each/dhow-${id}; break; }
  done`).then((path) => path.trim());

detachedTest("folders that a container has made 20,000 deep are removed with it", async (it) => {
  const before = await snapshot(it.host);
  for (const flags of [["--name", "deep"], ["--name", "deep", "--rm"]]) {
    const id = await it.start(["sleep", "1000"], flags);
    const diff = `/var/lib/dhow/containers/${id}/diff`;
    await python(it, NEST, diff, "a", "20000");
    await python(it, NEST, `${diff}/a/a`, "\udcff".repeat(20), "5000");
    await it.dhow("rm", "-f", id);
    assertEquals(await it.dhow("ps", "-aq"), "");
    await sameAgain(it.host, before);
  }
});

detachedTest("cgroups nested deeper than a path can lead are looked into, and removed", async (it) => {
  const before = await snapshot(it.host);
  const id = await it.start(["sleep", "1000"]);
  await python(it, NEST, await cgroupOf(it, id, "pids"), "c".repeat(200), "40");
  assertMatch(await it.dhow("top", id), /sleep 1000/);
  await it.dhow("rm", "-f", id);
  await sameAgain(it.host, before);
});

const FREEZE = `
cd "$1"
mkdir inner
echo "$2" >inner/cgroup.procs
if [ -e inner/freezer.state ]; then echo FROZEN >inner/freezer.state; else echo 1 >inner/cgroup.freeze; fi
`;

/** Stops the process when it ends, and never lets it go on (ptrace(2)). */
const TRACE = `
import ctypes, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
PTRACE_SEIZE, PTRACE_O_TRACEEXIT = 0x4206, 0x40
if libc.ptrace(PTRACE_SEIZE, int(sys.argv[2]), 0, PTRACE_O_TRACEEXIT) != 0: sys.exit(ctypes.get_errno())
print("traced", flush=True)
signal.pause()
`;

const ENDS: readonly (readonly string[])[] = [["stop", "-t", "0"], ["kill"], ["rm", "-f"], [
  "restart",
  "-t",
  "0",
]];

detachedTest("a container that has frozen itself in a cgroup of its own can be ended", async (it) => {
  const before = await snapshot(it.host);
  for (const verb of ENDS) {
    const id = await it.start(["sleep", "1000"]);
    await it.host.succeed([
      "sh",
      "-euc",
      FREEZE,
      "sh",
      await cgroupOf(it, id, "freezer"),
      `${await it.host.pidOf("sleep 1000")}`,
    ]);
    await it.dhow(...verb, id);
    const expected = { rm: "", restart: "Up" }[verb[0]!] ?? "Exited (137)";
    assertEquals(await it.status(id), expected, verb[0]);
    if (verb[0] !== "rm") await it.dhow("rm", "-f", id);
  }
  await sameAgain(it.host, before);
});

detachedTest("a container whose first process is held on its way to its end can be ended", async (it) => {
  const before = await snapshot(it.host);
  for (const verb of ENDS) {
    const id = await it.start(["sleep", "1000"]);
    const pid = await it.host.pidOf("sleep 1000");
    await using tracer = it.host.spawn(["python3", "-c", TRACE, await cgroupOf(it, id, "pids"), `${pid}`]);
    await tracer.stdout.until(/traced/);
    await it.dhow(...verb, id);
    const expected = { rm: "", restart: "Up" }[verb[0]!] ?? "Exited (137)";
    assertEquals(await it.status(id), expected, verb[0]);
    if (verb[0] !== "rm") await it.dhow("rm", "-f", id);
  }
  await sameAgain(it.host, before);
});

detachedTest(
  "rm and start of a container that is about to be started again do not wait for its last end",
  async (it) => {
    for (const verb of [["rm", "-f"], ["start"], ["rm"]]) {
      const id = await it.start(["sleep", "1000"], ["--restart", "always"]);
      const monitor = await it.monitor(id);
      await it.host.succeed(["kill", "-STOP", `${monitor}`]);
      await it.host.succeed(["kill", "-KILL", `${await it.host.pidOf("sleep 1000")}`]);
      // its process has ended, but nobody has written that down
      await using command = it.host.spawnDhow([...verb, id]);
      await command.hostPid();
      await it.host.succeed(["kill", "-CONT", `${monitor}`]);
      const { code, stderr } = await command.output();
      if (verb.length === 1 && verb[0] === "rm") {
        assertMatch(stderr, /You cannot remove a (restarting|running) container/);
      } else {
        assertEquals([code, stderr], [0, ""], verb.join(" "));
      }
      if (verb[0] === "start") await it.becomes(id, "Up");
      await it.host.dhow(["rm", "-f", id]);
      assertEquals(await it.status(id), "");
    }
  },
);

detachedTest(
  "a log on a disk that is full loses whole pieces, and goes on when there is space",
  async (it) => {
    const id = await it.dhow("create", "-i", "--network", "none", "busybox", "sh");
    const folder = `/var/lib/dhow/containers/${id}`;
    await it.host.shell(`mkdir -p ${folder}; mount -t tmpfs -o size=256k tmpfs ${folder}`);
    try {
      await it.dhow("start", id);
      await using input = it.host.spawnDhow(["attach", id]);
      await input.write("echo first\n");
      await input.stdout.until(/first/);
      // a page is left, and the record needs more: the beginning of it is written
      await it.host.shell(
        `dd if=/dev/zero of=${folder}/filler bs=4k 2>/dev/null || truncate -s -4k ${folder}/filler`,
      );
      // what follows on the next record, "second", looks like one: 1000 s, 0 ns, the first stream, 7 bytes
      const word = (bytes: string) => `${bytes}\\0\\0\\0\\0\\0\\0`;
      const forged = `${word("\\350\\003")}${word("\\0\\0")}${word("\\001\\0")}${word("\\007\\0")}forged\\n`;
      await input.write(`printf 'xxxxxxx${forged}' >/f; head -c 20000 /dev/zero | tr '\\0' x >>/f\n`);
      await input.write("cat /f; touch /tmp/ready\n");
      await eventually(async () =>
        assertEquals((await it.host.dhow(["exec", id, "ls", "/tmp/ready"])).code, 0)
      );
      await it.host.shell(`rm ${folder}/filler`);
      await input.write("echo second; exit\n");
      assertEquals(await it.dhow("wait", id), "0");
      const { stdout } = await it.host.dhow(["logs", id]);
      assertMatch(stdout, /^first\n(x*)second\n$/);
    } finally {
      await it.host.dhow(["rm", "-f", id]);
      await it.host.run(["umount", folder]);
      await it.host.run(["rmdir", folder]);
    }
  },
);

detachedTest(
  "somebody at a container sees what comes after its log has made way, or was removed",
  async (it) => {
    const id = await it.start(["sh"], ["-i", "--log-opt", "max-size=2k", "--log-opt", "max-file=2"]);
    await using first = it.host.spawnDhow(["attach", id]);
    for (let round = 1; round <= 3; round++) {
      await first.write(`head -c 3000 /dev/zero | tr '\\0' x; echo; echo round ${round}\n`);
      await first.stdout.until(new RegExp(`round ${round}`));
    }
    await it.host.shell(`rm /var/lib/dhow/containers/${id}/log*`);
    await using second = it.host.spawnDhow(["attach", id]);
    await second.write("head -c 3000 /dev/zero | tr '\\0' y; echo last; exit 3\n");
    assertEquals((await second.output()).code, 3);
  },
);

detachedTest("the last lines of a log take no more memory than one of them", async (it) => {
  const LINES = 300;
  const id = await it.script(
    `i=0; while [ $i -lt ${LINES} ]; do head -c 1000000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done`,
  );
  assertEquals(await it.dhow("wait", id), "0");
  const MEASURE = `
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
`;
  const { DHOW } = await import("../support/host.ts");
  const [few, many] = await Promise.all(
    ["1", "250"].map(async (tail) =>
      Number(await python(it, MEASURE, DHOW, "logs", "--tail", tail, id)) / 1024
    ),
  );
  assert(many! < 220, `${few} MiB for one line, ${many} MiB for 250`);
});
