import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import type { Host } from "../support/host.ts";

/** A file of a container's cgroup in the hierarchy of one controller, which must be there. */
function cgroupFile(host: Host, controller: string, container: string, file: string, parent = ""): string {
  const path = `/sys/fs/cgroup/${controller}${parent}/dhow-${container}/${file}`;
  return Deno.readTextFileSync(host.path(path)).trim();
}

/** Keeps more memory than it may: a shell's variable. */
const GREEDY = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo ${#x}";

const LIMITS = [
  ..."-m 64m --memory-swap 128m --memory-reservation 32m --memory-swappiness 10".split(" "),
  ..."--cpu-shares 512 --cpu-period 50000 --cpu-quota 25000 --cpuset-cpus 0 --cpuset-mems 0".split(" "),
  ..."--pids-limit 20".split(" "),
];

const IN_FILES = [
  ["memory", "memory.limit_in_bytes", String(64 << 20)],
  ["memory", "memory.memsw.limit_in_bytes", String(128 << 20)],
  ["memory", "memory.soft_limit_in_bytes", String(32 << 20)],
  ["memory", "memory.swappiness", "10"],
  ["cpu", "cpu.shares", "512"],
  ["cpu", "cpu.cfs_period_us", "50000"],
  ["cpu", "cpu.cfs_quota_us", "25000"],
  ["cpuset", "cpuset.cpus", "0"],
  ["cpuset", "cpuset.mems", "0"],
  ["pids", "pids.max", "20"],
] as const;

function assertFiles(host: Host, container: string, wanted: readonly (readonly [string, string, string])[]) {
  const found = wanted.map(([controller, file]) => [
    controller,
    file,
    cgroupFile(host, controller, container, file),
  ]);
  assertEquals(found, wanted.map((row) => [...row]));
}

detachedTest(
  "limits are in the container's cgroups, in inspect, and there again after a restart",
  async (it, host) => {
    const container = await it.start(["sleep", "1000"], LIMITS);
    assertFiles(host, container, IN_FILES);
    // also in the hierarchy that a container without such a limit has no cgroup in
    assertMatch(await it.dhow("exec", container, "grep", "Cpus_allowed_list", "/proc/self/status"), /\t0$/);
    assertEquals(
      await it.inspect(
        container,
        "{{with .HostConfig}}{{.Memory}} {{.MemorySwap}} {{.MemoryReservation}} {{.MemorySwappiness}} {{.CpuShares}} {{.CpuPeriod}} {{.CpuQuota}} {{.CpusetCpus}} {{.CpusetMems}} {{.PidsLimit}}{{end}}",
      ),
      "67108864 134217728 33554432 10 512 50000 25000 0 0 20",
    );
    assertMatch(await it.dhow("stats", "--no-stream", "--format", "{{.MemUsage}}", container), / \/ 64MiB$/);
    await it.dhow("restart", "-t", "0", container);
    assertFiles(host, container, IN_FILES);
  },
);

detachedTest(
  "a container that takes more memory than it may is killed, and it is told why",
  async (it, host) => {
    const container = await it.script(GREEDY, ["-m", "24m", "--name", "greedy"]);
    await it.dhow("wait", container);
    assertEquals(await it.inspect(container, "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137");
    const events = await it.dhow(
      ..."events --since 1h --until 0s --filter container=greedy --format {{.Action}}".split(" "),
    );
    assertEquals(events.split("\n").filter((action) => action === "oom" || action === "die"), ["oom", "die"]);
    const other = await it.script("exit 137", ["-m", "24m"]);
    await it.dhow("wait", other);
    assertEquals(await it.inspect(other, "{{.State.OOMKilled}} {{.State.ExitCode}}"), "false 137");
    const attached = await host.dhow(
      ["run", "--network", "none", "--name", "front", "-m", "24m", "busybox", "sh", "-c", GREEDY],
    );
    assertEquals([attached.code, attached.stdout], [137, ""]);
    const actions = await it.dhow(
      ..."events --since 1h --until 0s --filter container=front --format {{.Action}}".split(" "),
    );
    // the other two come of one change
    assertEquals(actions.split("\n").slice(-3)[0], "oom");
  },
);

detachedTest(
  "a fork bomb ends at the limit of processes, and the container can still be stopped",
  async (it, host) => {
    // the shell that bombs ends when it cannot start another one; who waits for it does not
    const bomb = "sh -c 'while :; do sleep 1000 & done'; exec sleep 1000";
    const container = await it.script(bomb, ["--pids-limit", "15"]);
    const denied = () => Number(/max (\d+)/.exec(cgroupFile(host, "pids", container, "pids.events"))?.[1]);
    await eventually(() => Promise.resolve(assert(denied() > 0)));
    const current = Number(cgroupFile(host, "pids", container, "pids.current"));
    assert(current <= 15, String(current));
    await it.dhow("rm", "-f", container);
  },
);

detachedTest("--cpus bounds what is had of CPUs: the kernel throttles what wants more", async (it, host) => {
  const container = await it.script("while :; do :; done", ["--cpus", "0.1"]);
  assertFiles(host, container, [
    ["cpu", "cpu.cfs_period_us", "100000"],
    ["cpu", "cpu.cfs_quota_us", "10000"],
  ]);
  const throttled = () =>
    Number(/nr_throttled (\d+)/.exec(cgroupFile(host, "cpu", container, "cpu.stat"))?.[1]);
  await eventually(() => Promise.resolve(assert(throttled() > 0)));
  assertEquals(await it.inspect(container, "{{.HostConfig.NanoCpus}}"), "100000000");
});

/** A disk of this machine, as a path in the host and its number. */
async function disk(host: Host): Promise<{ path: string; number: string; hasWeights: boolean }> {
  const name = (await host.shell("ls /sys/block | grep -v -e loop -e ram | head -n 1")).trim();
  return {
    path: `/dev/${name}`,
    number: (await host.shell(`cat /sys/block/${name}/dev`)).trim(),
    hasWeights: (await host.shell(`cat /sys/block/${name}/queue/scheduler`)).includes("[bfq]"),
  };
}

detachedTest("reads and writes of a disk are bounded", async (it, host) => {
  const { path, number } = await disk(host);
  const container = await it.start(["sleep", "1000"], [
    ...["--device-read-bps", `${path}:1m`, "--device-write-bps", `${path}:2mb`],
    ...["--device-read-iops", `${path}:30`, "--device-write-iops", `${path}:40`],
  ]);
  assertFiles(host, container, [
    ["blkio", "blkio.throttle.read_bps_device", `${number} 1048576`],
    ["blkio", "blkio.throttle.write_bps_device", `${number} 2097152`],
    ["blkio", "blkio.throttle.read_iops_device", `${number} 30`],
    ["blkio", "blkio.throttle.write_iops_device", `${number} 40`],
  ]);
  assertEquals(
    await it.inspect(container, "{{json .HostConfig.BlkioDeviceReadBps}}"),
    `[{"Path":"${path}","Rate":1048576}]`,
  );
});

detachedTest(
  "what the kernel does not know is left out, with a warning in docker's words",
  async (_it, host) => {
    const run = (...flags: string[]) =>
      host.dhow(["run", "--network", "none", ...flags, "busybox", "echo", "hi"]);
    for (
      const [flags, warning] of [
        [["--kernel-memory", "50m"], /^dhow: warning: Specifying a kernel memory limit is deprecated/],
        [
          ["--oom-kill-disable"],
          /^dhow: warning: OOM killer is disabled for the container, but no memory limit/,
        ],
      ] as const
    ) {
      const { code, stdout, stderr } = await run(...flags);
      assertEquals(
        [code, stdout, warning.test(stderr), stderr.split("\n").length],
        [0, "hi\n", true, 2],
        stderr,
      );
    }
  },
);

detachedTest("a disk whose scheduler knows no weights is used without one", async (_it, host) => {
  const { path, hasWeights } = await disk(host);
  const flags = ["--network", "none", "--blkio-weight-device", `${path}:100`];
  const { code, stdout, stderr } = await host.dhow(["run", ...flags, "busybox", "echo", "hi"]);
  assertEquals([code, stdout], [0, "hi\n"], stderr);
  assertMatch(stderr, hasWeights ? /^$/ : /^dhow: warning: .* Weight-device discarded\.\n$/);
});

detachedTest("limits that make no sense are refused in docker's words", async (_it, host) => {
  for (
    const [flags, why] of [
      ["-m 5m", /Minimum memory limit allowed is 6MB/],
      ["--memory-swap 100m", /You should always set the Memory limit when using Memoryswap limit/],
      ["--cpus 1000", /Range of CPUs is from 0\.01 to \d+\.00, as there are only \d+ CPUs available/],
      ["--cpuset-cpus 4000", /Requested CPUs are not available - requested 4000, available: 0/],
      ["--cpu-rt-runtime 900000", /invalid argument \(EINVAL\) when "900000" was written to/],
      ["--device-read-bps /dev/nosuch:1m", /cannot limit the use of "\/dev\/nosuch": no such file/],
      ["--device-read-bps /dev/null:1m", /it is no block device/],
      [
        "--device /dev/nosuch",
        /error gathering device information while adding custom device "\/dev\/nosuch"/,
      ],
      ["--device /etc/passwd", /adding custom device "\/etc\/passwd": not a device node/],
    ] as const
  ) {
    assertFailure(
      await host.dhow(["run", "--network", "none", ...flags.split(" "), "busybox", "true"]),
      125,
      why,
    );
  }
});

detachedTest(
  "a container has the cgroups that --cgroup-parent says, and they go with the last one",
  async (it, host) => {
    const place = ["--cgroup-parent", "/outer/inner"];
    const first = await it.start(["sleep", "1000"], [...place, "-m", "64m", "--cpuset-cpus", "0"]);
    const second = await it.start(["sleep", "1000"], place);
    assertEquals(
      cgroupFile(host, "memory", first, "memory.limit_in_bytes", "/outer/inner"),
      String(64 << 20),
    );
    assertEquals(cgroupFile(host, "cpuset", first, "cpuset.cpus", "/outer/inner"), "0");
    // all that looks for a container's cgroup finds it there
    await it.dhow("pause", second);
    assertEquals(
      await it.inspect(second, "{{.State.Status}} {{.HostConfig.CgroupParent}}"),
      "paused /outer/inner",
    );
    await it.dhow("unpause", second);
    assertMatch(await it.dhow("top", second), /sleep 1000/);
    assertMatch(await it.dhow("exec", second, "echo", "joined"), /joined/);
    await it.dhow("rm", "-f", second, first);
    assertEquals(await host.shell("find /sys/fs/cgroup -name outer"), "");
  },
);

detachedTest("a container uses no devices but those that it was given", async (it) => {
  const container = await it.start(["sleep", "1000"], ["--cap-add=SYSLOG"]);
  const inside = (script: string) => it.dhow("exec", container, "sh", "-c", script);
  const tryOpen = (name: string, type: string, numbers: string) =>
    `rm -f /tmp/${name}; mknod /tmp/${name} ${type} ${numbers} && (: >/tmp/${name}) 2>&1 | grep -o "not permitted"; true`;
  assertEquals(await inside(tryOpen("kmsg", "c", "1 11")), "not permitted");
  assertEquals(await inside(tryOpen("disk", "b", "7 0")), "not permitted");
  assertEquals(await inside(tryOpen("fuse", "c", "10 229")), "not permitted");
  for (const name of ["null", "zero", "full", "random", "urandom"]) {
    assertEquals(await inside(`head -c 0 /dev/${name} && echo opened`), "opened");
  }
  assertEquals(await inside("echo lost >/dev/null && echo written"), "written");
});

detachedTest("--device and --device-cgroup-rule let it use others, for what they say", async (it) => {
  const rules = [
    "--device",
    "/dev/fuse:/dev/fuse:r",
    "--device-cgroup-rule",
    "c 1:11 rw",
    "--cap-add=SYSLOG",
  ];
  const container = await it.start(["sleep", "1000"], rules);
  const inside = (script: string) => it.dhow("exec", container, "sh", "-c", script);
  // to read it would need CAP_SYSLOG, too
  assertEquals(await inside("mknod /tmp/kmsg c 1 11 && : >/tmp/kmsg && echo opened"), "opened");
  assertEquals(await inside("mknod /tmp/fuse c 10 229 && : </tmp/fuse && echo read"), "read");
  assertMatch(await inside("(: >>/tmp/fuse) 2>&1; true"), /not permitted/);
  assertEquals(
    await it.inspect(container, "{{json .HostConfig.Devices}} {{json .HostConfig.DeviceCgroupRules}}"),
    '[{"PathOnHost":"/dev/fuse","PathInContainer":"/dev/fuse","CgroupPermissions":"r"}] ["c 1:11 rw"]',
  );
});

detachedTest("an image on loop devices is kept from them only when it is mounted", async (_it, host) => {
  const args = ["--storage", "loop", "run", "--network", "none", "--cap-add=SYSLOG", "busybox"];
  const output = await host.dhow([
    ...args,
    "sh",
    "-c",
    "mknod /tmp/kmsg c 1 11 && (: >/tmp/kmsg) 2>&1 | grep -o 'not permitted'",
  ]);
  assertSuccess(output);
  assertEquals(output.stdout, "not permitted\n");
});

async function updated(it: Detached, ...args: string[]): Promise<void> {
  const container = args.at(-1)!;
  assertEquals(await it.dhow("update", ...args), container);
}

detachedTest(
  "update changes limits of a container while it runs, and for its next start",
  async (it, host) => {
    const container = await it.start(["sleep", "1000"], ["--name", "changing"]);
    await updated(it, "-m", "64m", "--memory-swap", "64m", "--pids-limit", "30", "changing");
    await updated(
      it,
      "-m",
      "100m",
      "--memory-swap",
      "200m",
      "--cpus",
      "0.5",
      "--cpu-shares",
      "100",
      "changing",
    );
    await updated(it, "-m", "32m", "--memory-swap", "40m", "changing");
    // it had no cgroup for that: now all of it is in one
    await updated(it, "--cpuset-cpus", "0", "changing");
    const wanted = [
      ["memory", "memory.limit_in_bytes", String(32 << 20)],
      ["memory", "memory.memsw.limit_in_bytes", String(40 << 20)],
      ["cpu", "cpu.cfs_quota_us", "50000"],
      ["cpu", "cpu.shares", "100"],
      ["cpuset", "cpuset.cpus", "0"],
      ["pids", "pids.max", "30"],
    ] as const;
    assertFiles(host, container, wanted);
    assertMatch(await it.dhow("exec", container, "grep", "Cpus_allowed_list", "/proc/1/status"), /\t0$/);
    await it.dhow("stop", "-t", "0", "changing");
    assertEquals(await host.shell("find /sys/fs/cgroup -name 'dhow-*'"), "");
    await updated(it, "--pids-limit", "-1", "changing");
    await it.dhow("start", "changing");
    assertFiles(host, container, [...wanted.slice(0, -1), ["pids", "pids.max", "max"]]);
    assertEquals(
      await it.inspect("changing", "{{with .HostConfig}}{{.Memory}} {{.NanoCpus}} {{.PidsLimit}}{{end}}"),
      "33554432 500000000 0",
    );
  },
);

detachedTest(
  "update refuses what contradicts the limits there are, and what the kernel refuses",
  async (it, host) => {
    const container = await it.start(["sleep", "1000"], ["-m", "64m", "--cpus", "0.5", "--name", "kept"]);
    for (
      const [flags, why] of [
        ["-m 300m", /Memory limit should be smaller than already set memoryswap limit/],
        [
          "--cpu-quota 5000",
          /Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set/,
        ],
        ["-m 1m", /Minimum memory limit allowed is 6MB/],
        ["--cpuset-cpus 4000", /Requested CPUs are not available/],
        [
          "--memory-swap 10m",
          /Cannot update container .*: Minimum memoryswap limit should be larger than memory limit, see usage/,
        ],
        ["--pids-limit 99999999999", /invalid argument \(EINVAL\) when "99999999999" was written/],
        ["--restart always --cpus 0.25 nosuch", /No such container: nosuch/],
      ] as const
    ) {
      assertFailure(
        await host.dhow(["update", ...flags.split(" "), "kept"].slice(0, flags.includes("nosuch") ? -1 : 99)),
        1,
        why,
      );
    }
    assertFailure(await host.dhow(["update", "kept"]), 1, /you must provide one or more flags/);
    assertFiles(host, container, [["memory", "memory.limit_in_bytes", String(64 << 20)]]);
    assertEquals(
      await it.inspect("kept", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}"),
      "67108864 134217728",
    );
    assertEquals(await it.inspect("kept", "{{.HostConfig.PidsLimit}}"), "<nil>");
  },
);

detachedTest(
  "a cpuset in a narrower one of the user's has no more than that, from the start or by an update",
  async (it, host) => {
    const outer = "/sys/fs/cgroup/cpuset/outer";
    await host.shell(`mkdir ${outer}; echo 1 >${outer}/cpuset.cpus; echo 0 >${outer}/cpuset.mems`);
    try {
      const place = ["--cgroup-parent", "outer"];
      const first = await it.start(["sleep", "1000"], [...place, "--cpuset-mems", "0"]);
      assertEquals(cgroupFile(host, "cpuset", first, "cpuset.cpus", "/outer"), "1");
      const second = await it.start(["sleep", "1000"], place);
      await updated(it, "--cpuset-mems", "0", second);
      assertEquals(cgroupFile(host, "cpuset", second, "cpuset.cpus", "/outer"), "1");
      assertMatch(await it.dhow("exec", second, "grep", "Cpus_allowed_list", "/proc/1/status"), /\t1$/);
      await it.dhow("rm", "-f", first, second);
    } finally {
      await host.shell(`rmdir ${outer}`);
    }
  },
);

detachedTest(
  "a cgroup for CPUs that an update was killed in the middle of is completed by the next",
  async (it, host) => {
    const container = await it.start(["sleep", "1000"], []);
    await host.shell(`mkdir /sys/fs/cgroup/cpuset/dhow-${container}`);
    await updated(it, "--cpuset-cpus", "0", container);
    assertMatch(await it.dhow("exec", container, "grep", "Cpus_allowed_list", "/proc/1/status"), /\t0$/);
    await it.dhow("rm", "-f", container);
    await host.shell(`rmdir /sys/fs/cgroup/cpuset/dhow-${container}`); // it was made by nobody
  },
);
