import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, runBusybox } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { Docker } from "../support/docker.ts";
import { DHOW } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

/** What can be written to where a container's root is read-only. */
const WRITES = `
  for place in / /bin /etc /etc/hosts /dev /dev/shm /dev/mqueue /proc/sys /sys /tmp /data /new; do
    if [ -d $place ]; then file=$place/x; else file=$place; fi
    if (echo x >$file) 2>/dev/null; then echo $place; fi
  done
  pwd`;

systemTest("with --read-only a container writes where docker's does", async (host) => {
  await using docker = await Docker.start();
  const image = await busyboxArchive();
  assertEquals((await docker.docker("load", "-q", "-i", image)).code, 0);
  const flags = ["--network", "none", "--read-only", "--tmpfs", "/tmp", "-v", "/data", "-w", "/new"];
  const command = ["sh", "-c", WRITES];
  const theirs = await docker.docker("run", "--rm", ...flags, "busybox", ...command);
  const ours = await host.dhow(["run", ...flags, image, ...command]);
  assertEquals([ours.code, ours.stdout, ours.stderr], [theirs.code, theirs.stdout, theirs.stderr]);
  assertMatch(ours.stdout, /^\/dev\n\/dev\/shm\n.*\/data\n\/new\n$/s);
  const inUserNamespace = await host.dhow(["run", "--userns", ...flags, image, ...command]);
  assertEquals([inUserNamespace.code, inUserNamespace.stdout], [0, ours.stdout]);
});

detachedTest(
  "limits, settings and their like are the container's, also of what exec brings into it",
  async (detached) => {
    const { host } = detached;
    const flags = [
      ...[
        "--ulimit",
        "nofile=64:128",
        "--ulimit",
        "core=0",
        "--oom-score-adj",
        "500",
        "--shm-size",
        "1m",
        "--read-only",
      ],
      ...["--sysctl", "kernel.msgmax=9000", "--sysctl", "net.ipv4.ip_default_ttl=33", "--cgroupns", "host"],
    ];
    const id = await detached.start(["sleep", "1000"], flags);
    const inside = (script: string) => detached.dhow("exec", id, "sh", "-c", script);
    const limits = (file: string) => inside(`grep -E 'open files|core file' ${file} | sed 's/  */ /g'`);
    const expected = "Max core file size 0 0 bytes \nMax open files 64 128 files ";
    assertEquals(await limits("/proc/1/limits"), expected);
    assertEquals(await limits("/proc/self/limits"), expected);
    assertEquals(
      await inside(
        "cat /proc/1/oom_score_adj /proc/self/oom_score_adj /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_default_ttl",
      ),
      "500\n500\n9000\n33",
    );
    assertEquals(await inside("df -k /dev/shm | awk 'END { print $2 }'"), "1024");
    assertMatch(await inside("cat /proc/1/cgroup"), new RegExp(id));
    assertEquals(
      await detached.inspect(
        id,
        "{{.HostConfig.ShmSize}} {{.HostConfig.OomScoreAdj}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CgroupnsMode}} " +
          "{{json .HostConfig.Ulimits}} {{json .HostConfig.Sysctls}}",
      ),
      '1048576 500 true host [{"Name":"nofile","Hard":128,"Soft":64},{"Name":"core","Hard":0,"Soft":0}] ' +
        '{"kernel.msgmax":"9000","net.ipv4.ip_default_ttl":"33"}',
    );
    assertEquals((await host.shell("cat /proc/sys/kernel/msgmax")).trim() === "9000", false);
  },
);

systemTest(
  "a parameter that is not there, or a limit that cannot be raised, is told in one line",
  async (host) => {
    assertFailure(
      await runBusybox(host, ["true"], ["--sysctl", "net.ipv4.no_such_thing=1"]),
      125,
      /cannot set net\.ipv4\.no_such_thing in its namespace/,
    );
    const raised = await runBusybox(host, ["true"], ["--ulimit", "nofile=1073741817"]);
    assertFailure(raised, 125, /limit its processes: nofile/);
  },
);

/** Makes a session keyring with a key in it, and becomes a command; without one, looks for that key. */
const KEYS = `
import ctypes, os, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
keyctl, add_key = (219, 217) if platform.machine() == "aarch64" else (250, 248)
if len(sys.argv) > 1:
    libc.syscall(keyctl, 1, None)
    if libc.syscall(add_key, b"user", b"dhow-test", b"secret", 6, -3) < 0: sys.exit("cannot add a key")
    os.execv(sys.argv[1], sys.argv[1:])
print("found" if libc.syscall(keyctl, 10, -3, b"user", b"dhow-test", 0) >= 0 else "not found")
`;

systemTest("a container has a session keyring of its own, and none of its caller's keys", async (host) => {
  const program = await host.write("keys.py", KEYS);
  const look = ["python3", program];
  const withKey = (...command: string[]) => host.run(["python3", program, ...command]);
  assertEquals((await withKey("/usr/bin/env", ...look)).stdout, "found\n");
  // with the default filter nobody could ask for a key
  const flags = ["--network", "none", "-v", "/:/host", "--security-opt", "seccomp=unconfined"];
  const inside = ["chroot", "/host", ...look];
  const ran = await withKey(DHOW, "run", ...flags, await busyboxArchive(), ...inside);
  assertEquals([ran.code, ran.stdout, ran.stderr], [0, "not found\n", ""]);
  await host.succeed([DHOW, "run", "-d", "--name", "it", ...flags, await busyboxArchive(), "sleep", "1000"]);
  const joined = await withKey(DHOW, "exec", "it", ...inside);
  assertEquals([joined.code, joined.stdout, joined.stderr], [0, "not found\n", ""]);
  await host.succeed([DHOW, "rm", "-f", "it"]);
});

systemTest("the explained script sets the same limits and settings", async (host) => {
  const flags = [
    ...[
      "--network",
      "none",
      "--hostname",
      "x",
      "--read-only",
      "--ulimit",
      "nofile=64:128",
      "--shm-size",
      "2m",
    ],
    ...["--oom-score-adj", "300", "--sysctl", "kernel.msgmax=9001"],
  ];
  const script =
    "grep -E 'open files' /proc/self/limits; cat /proc/self/oom_score_adj /proc/sys/kernel/msgmax; " +
    "df -k /dev/shm; (echo x >/x) 2>&1";
  const args = [...flags, await busyboxArchive(), "sh", "-c", script];
  const ran = await host.dhow(["run", ...args]);
  const explained = await host.dhow(["explain", "run", ...args]);
  assertEquals([explained.code, explained.stderr], [0, ""]);
  const byHand = await host.run(["sh", await host.write("explained.sh", explained.stdout)]);
  assertEquals([byHand.stdout, byHand.code, byHand.stderr], [ran.stdout, ran.code, ran.stderr]);
  assertMatch(ran.stdout, /Read-only file system/);
});
