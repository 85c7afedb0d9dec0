import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, busyboxShell, runArchive, runBusybox } from "../support/containers.ts";
import { Docker } from "../support/docker.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";
import type { TarEntry } from "../support/tar.ts";

/** What of /proc and /sys is mounted over, and whether it can be written to: proc_pid_mountinfo(5). */
function covered(mountinfo: string): Map<string, "ro" | "rw"> {
  return new Map(
    mountinfo.split("\n").map((line) => line.split(" ")).flatMap(([, , , , point = "", options = ""]) =>
      /^\/(proc|sys)\/(?!fs\/cgroup)/.test(point)
        ? [[point, /\bro\b/.test(options) ? "ro" : "rw"] as const]
        : []
    ),
  );
}

/** Hidden by later versions of docker only. */
const LATER =
  /^\/(proc\/interrupts|sys\/devices\/virtual\/powercap|sys\/devices\/system\/cpu\/cpu\d+\/thermal_throttle)$/;

systemTest(
  "what docker hides of the kernel is hidden, and what it makes read-only is read-only",
  async (host) => {
    await using docker = await Docker.start();
    const image = await busyboxArchive();
    assertEquals((await docker.docker("load", "-q", "-i", image)).code, 0);
    const show = ["cat", "/proc/self/mountinfo"];
    const theirs = await docker.docker("run", "--rm", "--network", "none", "busybox", ...show);
    assertEquals(theirs.code, 0, theirs.stderr);
    for (const flags of [[], ["--userns"], ["--network", "host"], ["--userns", "--network", "host"]]) {
      const ours = covered((await runBusybox(host, show, flags)).stdout);
      const common = [...ours].filter(([path]) => !LATER.test(path));
      // a null device of the host's cannot be written to by its mount either
      const expected = [...covered(theirs.stdout)].map(([path, access]) =>
        [path, flags.includes("--userns") && access === "rw" ? "ro" : access] as const
      );
      assertEquals(common.toSorted(), expected.toSorted(), flags.join(" "));
      assert(expected.length >= 6);
    }
  },
);

systemTest(
  "hidden files are empty, hidden folders too, and settings of the kernel cannot be changed",
  async (host) => {
    const script = `
    for file in kcore keys latency_stats timer_list timer_stats sched_debug interrupts; do
      [ ! -e /proc/$file ] || [ "$(head -c 1 /proc/$file | wc -c)" = 0 ] || echo $file shows something
    done
    for folder in /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap; do
      [ ! -d $folder ] || [ -z "$(ls -A $folder)" ] || echo $folder shows something
      [ ! -d $folder ] || ! mkdir $folder/x 2>/dev/null || echo $folder takes something
    done
    for file in sys/kernel/core_pattern sys/vm/panic_on_oom sysrq-trigger irq/default_smp_affinity; do
      [ ! -e /proc/$file ] || ! echo x 2>/dev/null >/proc/$file || echo $file takes something
    done
    ! mkdir /sys/fs/cgroup/x 2>/dev/null || echo cgroups can be made
    cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range`;
    assertEquals(await busyboxShell(host, script), "0\n0\t2147483647\n");
  },
);

// CVE-2025-31133: what hides a file must be the null device itself
for (const [what, target] of [["a file of the host", "/run/host/files/secret"], ["/proc/sys", "/proc/sys"]]) {
  systemTest(`a /dev of the user's whose null is a link to ${what} hides what it should`, async (host) => {
    await host.write("secret", "of the host\n");
    await host.shell(
      `mkdir /run/host/files/dev && ln -s ${target} /run/host/files/dev/null && stat -c %a /dev/null`,
    );
    const script = `
      head -c 1 /proc/keys; stat -c '%F %t,%T' /proc/keys /proc/timer_list
      chmod 0 /proc/keys 2>&1 || true; echo x >/proc/timer_list; (echo x >/proc/sys/kernel/core_pattern) 2>&- || echo refused`;
    for (const flags of [[], ["--userns"]]) {
      const seen = await busyboxShell(host, script, ["-i", "-v", "/run/host/files/dev:/dev", ...flags]);
      assertMatch(
        seen,
        /^(character special file 1,3\n){2}chmod: \/proc\/keys: (Read-only file system|Operation not permitted)\nrefused\n$/,
      );
    }
    assertEquals(await host.shell("stat -c %a /dev/null; cat /run/host/files/secret"), "666\nof the host\n");
  });
}

systemTest("links of the image in the place of what is hidden lead nowhere", async (host) => {
  const links = ["proc/keys", "proc/sys", "sys/firmware", "dev/null"].map((path): TarEntry => ({
    path,
    type: "symlink",
    target: "/run/host/files/secret",
  }));
  const folders = ["proc/", "sys/", "dev/"].map((path): TarEntry => ({ path, type: "directory" }));
  await host.write("secret", "of the host\n");
  const image = archive({ layers: [[...busyboxLayer(), ...folders, ...links]] });
  const ran = await runArchive(host, image, [
    "sh",
    "-c",
    "cat /proc/keys; ls /sys/firmware; stat -c %F /dev/null",
  ]);
  assertEquals([ran.code, ran.stdout, ran.stderr], [0, "character special file\n", ""]);
});

// CVE-2025-52881: what is written into /proc must reach no other file
systemTest(
  "a volume with a link into /proc does not lead dhow's own settings into another mount",
  async (host) => {
    const name = "ip_unprivileged_port_start";
    await host.shell(
      `mkdir -p /run/host/files/dev /run/host/files/trap && ln -s /proc/sys/net/ipv4 /run/host/files/dev/trap && echo mine >/run/host/files/trap/${name}`,
    );
    const { code, stderr } = await runBusybox(host, ["cat", `/proc/sys/net/ipv4/${name}`], [
      "-v",
      "/run/host/files/dev:/dev",
      "-v",
      "/run/host/files/trap:/dev/trap",
    ]);
    assertEquals([code, await host.shell(`cat /run/host/files/trap/${name}`)], [125, "mine\n"], stderr);
    assertMatch(stderr, /^dhow: cannot mount over "\/dev\/trap" of the image: .*\n$/);
  },
);

// CVE-2025-52565, CVE-2021-30465: a target that changes between its being looked at and its being mounted on
systemTest(
  "a volume whose folders another container swaps for links leads no mount past what is hidden",
  async (host) => {
    const image = await busyboxArchive();
    await host.write("secret", "of the host\n");
    await host.succeed(["mkdir", host.file("mine")]);
    const swap =
      "cd /v; mkdir real; while :; do ln -sfn /proc a; rm a; ln -s /sys a; rm a; ln -s ../../../run/host/files a; " +
      "rm a; mkdir -p a/fs; rm -r a; done 2>&-";
    const shared = ["-v", `${host.file("shared")}:/v`];
    const swapper = ["run", "-d", "--name", "swaps", "--network", "none", ...shared, image, "sh", "-c", swap];
    await host.succeed([DHOW, ...swapper]);
    await eventually(() => host.succeed(["test", "-d", host.file("shared/real")]));
    const look =
      "head -c 1 /proc/keys | wc -c; ls -A /sys/firmware; (echo x >/proc/sys/kernel/core_pattern) 2>&- || echo refused";
    for (let round = 0; round < 12; round++) {
      const flags = [...shared, "-v", `${host.file("mine")}:/v/a/fs`];
      const { code, stdout, stderr } = await runBusybox(host, ["sh", "-c", look], flags);
      assertEquals(code === 0 ? stdout : code, code === 0 ? "0\nrefused\n" : 125, stderr);
    }
    assertEquals(
      await host.shell(`ls ${host.file("mine")}; ls ${host.file("")}; cat ${host.file("secret")}`),
      "mine\nsecret\nshared\nof the host\n",
    );
    await host.succeed([DHOW, "rm", "-f", "swaps"]);
  },
);

systemTest(
  "what a /dev of the user's has for a null device neither holds dhow up nor is read",
  async (host) => {
    await host.shell("mkdir /run/host/files/dev");
    for (const make of ["mkfifo null", "mknod null c 5 1", "mkdir null", "ln -s /etc/passwd null", "true"]) {
      await host.shell(`cd /run/host/files/dev; ${make}`);
      const ran = await runBusybox(host, ["cat"], ["-v", "/run/host/files/dev:/dev"]);
      assertFailure(ran, 125, /cannot give it an empty standard input/);
      await host.shell("rm -rf /run/host/files/dev/null");
    }
  },
);

// CVE-2025-31133, CVE-2025-52565: what is mounted, and where, is not what another container has put there meanwhile
systemTest(
  "a /dev whose console and null another container swaps for links leads no mount past what is hidden",
  async (host) => {
    const image = await busyboxArchive();
    await host.write("secret", "of the host\n");
    await host.shell("mkdir -p /run/host/files/shared/pts; mknod /run/host/files/shared/null c 1 3");
    const swap =
      "cd /v; mkdir real; while :; do for to in /proc/keys /etc/hostname ../../../run/host/files/secret; do " +
      "ln -sfn $to console; ln -sfn $to other; mv other null; mknod other c 1 3; mv other null; rm console; >console; " +
      "rm console; done; done 2>&-";
    const shared = `${host.file("shared")}:`;
    const swapper = [
      "run",
      "-d",
      "--name",
      "swaps",
      "--network",
      "none",
      "-v",
      `${shared}/v`,
      image,
      "sh",
      "-c",
      swap,
    ];
    await host.succeed([DHOW, ...swapper]);
    await eventually(() => host.succeed(["test", "-d", host.file("shared/real")]));
    const look =
      `head -c 1 /proc/keys | wc -c; stat -c %t,%T /proc/keys; cut -d ' ' -f 5,9 /proc/self/mountinfo |
      grep devpts | sort; (echo x >/proc/sys/kernel/core_pattern) 2>/tmp/said || echo refused`;
    const seen = new Set<string>();
    for (let round = 0; round < 24; round++) {
      // the host's terminals, without which such a container could have none
      const flags = [...(round % 2 ? ["-t"] : ["-i"]), "-v", `${shared}/dev`, "-v", "/dev/pts:/dev/pts"];
      const { code, stdout, stderr } = await runBusybox(host, ["sh", "-c", look], flags);
      assert(code === 0 || code === 125, stderr);
      if (code === 0) seen.add(stdout.replaceAll("\r", "").replace(/^\/dev\/(console|pts) .*\n/gm, ""));
      else assertMatch(stderr, /^dhow: .*\n$/);
    }
    assertEquals([...seen], ["0\n1,3\nrefused\n"]);
    assertEquals(
      await host.shell("cat /run/host/files/secret; stat -c %a /run/host/files/secret"),
      "of the host\n644\n",
    );
    await host.succeed([DHOW, "rm", "-f", "swaps"]);
  },
);
