import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";
import { Docker } from "../support/docker.ts";

/** Devices, but for loop devices, which other tests make meanwhile, and terminals that others open. */
const DEVICES = "find /dev -path /dev/pts -prune -o ! -name 'loop[0-9]*' \\( -type b -o -type c \\) " +
  "-exec stat -c '%n %F %t:%T %a %u:%g' {} + | sort";

/** Its mounts of the kernel's file systems, by place, type and whether they can be written to. */
const MOUNTS = "awk '$2 ~ /^\\/(proc|sys)/ { split($4, o, \",\"); print $2, $3, o[1] }' /proc/mounts | sort";

const inside = (it: Detached, script: string, ...flags: string[]) =>
  it.dhow("run", "--network", "none", ...flags, "busybox", "sh", "-c", script);

detachedTest(
  "--privileged has the devices, and the parts of the kernel, that it has in docker",
  async (it) => {
    await using docker = await Docker.start();
    const image = await docker.loadBusybox();
    const inDocker = async (script: string, ...flags: string[]) => {
      const privileged = ["--privileged", "--runtime", "able", "--cgroupns", "private", "--network", "none"];
      const args = ["run", "--rm", ...privileged, ...flags, image, "sh", "-c", script];
      const { stdout, stderr } = await docker.docker(...args);
      assertEquals(stderr, "");
      return stdout.trimEnd();
    };
    for (const flags of [[], ["--device", "/dev/fuse:/dev/other:r"], ["--read-only"]]) {
      const devices = await inside(it, DEVICES, "--privileged", ...flags);
      assertEquals(devices, await inDocker(DEVICES, ...flags), flags.join(" "));
      assertMatch(devices, /^\/dev\/fuse character special file a:e5 /m);
      assertEquals(await inside(it, MOUNTS, "--privileged", ...flags), await inDocker(MOUNTS, ...flags));
    }
  },
);

detachedTest("--privileged can use what it has", async (it) => {
  const container = await it.start(["sleep", "1000"], ["--privileged"]);
  const exec = (script: string, ...flags: string[]) =>
    it.dhow("exec", ...flags, container, "sh", "-c", script);
  // no device is kept from it, nor from what exec brings in
  assertEquals(await exec("mknod /tmp/kmsg c 1 11 && : >/tmp/kmsg && : >/dev/kmsg && echo opened"), "opened");
  assertEquals(
    await exec("grep -c . /proc/keys >/dev/null && : >/proc/sys/kernel/domainname && echo seen"),
    "seen",
  );
  assertEquals(await exec("mount -t tmpfs none /tmp && umount /tmp && echo mounted"), "mounted");
  if (await exec("ls /sys/fs/cgroup/cgroup.controllers 2>/dev/null || echo v1") === "v1") {
    // its own cgroup is the topmost that it sees, and it can make others in it
    const script =
      "cd /sys/fs/cgroup/pids && mkdir inner && echo 5 >inner/pids.max && cat inner/pids.max && rmdir inner";
    assertEquals(await exec(script), "5");
    assertEquals(await exec("grep -cx 1 /sys/fs/cgroup/memory/cgroup.procs"), "1");
  }
});

detachedTest("in a user namespace --privileged brings no devices of the host", async (it) => {
  const names = await inside(it, "find /dev -type b -o -type c | sort", "--privileged", "--userns");
  const own = ["full", "null", "pts/ptmx", "random", "tty", "urandom", "zero"];
  assertEquals(names.split("\n"), own.map((name) => `/dev/${name}`));
});

detachedTest("systempaths=unconfined hides nothing, and changes nothing else", async (it) => {
  const script = "grep -c . /proc/keys >/dev/null && : >/proc/sys/kernel/domainname && echo written";
  const flags = ["--security-opt", "systempaths=unconfined"];
  const mounts = "awk '$2 ~ /^\\/(proc|sys)\\// { print $2 }' /proc/mounts | sort";
  const before = (await inside(it, mounts)).split("\n");
  const after = await inside(it, mounts, ...flags);
  assert(before.includes("/proc/sys") && before.includes("/proc/keys"));
  assertEquals(after.split("\n").filter((path) => /^\/(proc|sys\/firmware)/.test(path)), []);
  assertStringIncludes(await inside(it, script, ...flags), "written");
  assertMatch(
    await inside(it, "grep -E 'CapEff|Seccomp:' /proc/self/status", ...flags),
    /a80425fb\nSeccomp:\t2/,
  );
  assertMatch(await inside(it, "awk '$2 == \"/sys\"' /proc/mounts", ...flags), / ro,/);
  const id = await it.dhow("create", "--network", "none", ...flags, "busybox", "true");
  const shown =
    "{{json .HostConfig.MaskedPaths}} {{json .HostConfig.ReadonlyPaths}} {{json .HostConfig.SecurityOpt}}";
  assertEquals(await it.inspect(id, shown), "[] [] null");
});

detachedTest(
  "profiles and labels of modules that are not on are taken, as docker takes them",
  async (_it, host) => {
    await using docker = await Docker.start();
    const image = await docker.loadBusybox();
    const options = [
      ...[
        "apparmor=unconfined",
        "apparmor=nosuch",
        "apparmor:nosuch",
        "label=disable",
        "label=type:nosuch_t",
      ],
      ...["label:level:s0", "disable", "apparmor", "systempaths=other", "nosuch=1", "label"],
    ];
    const { stdout: modules } = await host.dhow(["doctor", "--json"]);
    assertMatch(modules, /neither SELinux nor AppArmor is on/);
    for (const option of options) {
      const args = ["--rm", "--network", "none", "--security-opt", option];
      const theirs = await docker.docker("run", ...args, image, "true");
      const ours = await host.dhow(["run", ...args, "busybox", "true"]);
      assertEquals([option, ours.code], [option, theirs.code]);
      if (ours.code !== 0) assertFailure(ours, 125, /invalid --security-opt/i);
    }
  },
);

detachedTest(
  "where a module is on, a profile or label that would have no effect is refused",
  async (_it, host) => {
    await host.shell(`
    mount -t tmpfs tmpfs /sys/module && mkdir -p /sys/module/apparmor/parameters
    echo Y >/sys/module/apparmor/parameters/enabled
    mount -t tmpfs tmpfs /sys/fs && mkdir /sys/fs/selinux && echo 0 >/sys/fs/selinux/enforce
  `);
    try {
      const create = (option: string) =>
        host.dhow(["create", "--network", "none", "--security-opt", option, "busybox", "true"]);
      for (const option of ["apparmor=mine", "label=type:mine_t"]) {
        assertFailure(await create(option), 1, /is not possible; /, /AppArmor|SELinux/, /leave it out/);
      }
      for (const option of ["apparmor=unconfined", "label=disable"]) assertSuccess(await create(option));
    } finally {
      await host.shell("umount /sys/fs /sys/module");
    }
  },
);
