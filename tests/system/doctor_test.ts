import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runBusybox } from "../support/containers.ts";
import { DHOW, type Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { firewallsFrom } from "../support/firewalls.ts";
import { systemTest } from "../support/system_test.ts";

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly text: string;
  readonly instead?: string;
  readonly mend?: string;
}

interface Report {
  readonly code: number;
  readonly canRun: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Runs `dhow doctor --json` after a script that takes something away, in a mount namespace of their own.
 * @param become a command before dhow's, which runs it
 */
async function doctorAfter(
  host: Host,
  script = "",
  args: readonly string[] = [],
  become = "",
): Promise<Report> {
  const shell = `${script}\nexec ${become} "$@"`;
  const argv = ["unshare", "--mount", "sh", "-euc", shell, "sh", DHOW, ...args, "doctor", "--json"];
  const { code, stdout, stderr } = await host.run(argv);
  assertEquals(stderr, "");
  return { code, ...JSON.parse(stdout) };
}

function findingOf({ findings }: Report, check: string): Finding {
  const found = findings.filter((finding) => finding.check === check);
  assertEquals(found.length, 1, `${check} is there once`);
  return found[0]!;
}

/** What is wrong after a script is told, and the command that it names mends it. */
async function isMended(
  host: Host,
  script: string,
  check: string,
  status: "broken" | "limited",
  args: string[] = [],
) {
  const report = await doctorAfter(host, script, args);
  const finding = findingOf(report, check);
  assertEquals([finding.status, report.code], [status, status === "broken" ? 1 : 0], JSON.stringify(finding));
  const after = await doctorAfter(host, `${script}\n${finding.mend}`, args);
  assertEquals([findingOf(after, check).status, after.code], ["works", 0], finding.mend);
}

systemTest(
  "doctor on a host that has everything: containers can run, and nothing is left of what it tried",
  async (host) => {
    const report = await doctorAfter(host);
    assertEquals([report.code, report.canRun], [0, true]);
    const others = report.findings.filter(({ check, status }) =>
      status !== "works" && !/^(rootless\.|storage\.images)/.test(check)
    );
    assertEquals(others, []);
    // EROFS takes no files on the tmpfs that this host has its state on
    assertEquals(findingOf(report, "storage.images").instead, "loop devices are used");
    const { code, stdout, stderr } = await host.dhow(["doctor"]);
    assertEquals([code, stderr], [0, ""]);
    const lines = stdout.trimEnd().split("\n");
    assertEquals(lines.length, report.findings.length + 2);
    assertMatch(lines.at(-1)!, /^Containers can run here/);
  },
);

systemTest("doctor on a host where dhow never ran makes nothing of dhow's", async (host) => {
  await host.shell("rm -rf /var/lib/dhow/* /run/dhow");
  const before = await host.shell("find /var/lib /run /tmp | sort");
  assertEquals((await doctorAfter(host)).code, 0);
  assertEquals(await host.shell("find /var/lib /run /tmp | sort"), before);
  await host.dhow(["images"]);
});

systemTest("doctor without ip and iptables: only the network is limited", async (host) => {
  await host.hide("ip", "iptables*", "ip6tables*", "xtables*", "nft");
  const report = await doctorAfter(host);
  assertEquals(report.code, 0);
  for (const [check, name] of [["network.ip", "iproute2"], ["network.iptables", "iptables"]] as const) {
    const { status, instead, mend } = findingOf(report, check);
    assertEquals([status, mend], ["limited", `apt-get install ${name}`]);
    assertStringIncludes(instead!, "--network none");
  }
  assertEquals(findingOf(report, "network.bridge").status, "unseen");
  assertEquals(findingOf(report, "network.nat").status, "unseen");
  assertEquals((await runBusybox(host, ["true"])).code, 0);
});

systemTest("doctor without iptables, but with nft: the network works", async (host) => {
  await host.hide("iptables*", "ip6tables*", "xtables*");
  const report = await doctorAfter(host);
  for (const check of ["network.iptables", "network.nat", "network.firewalld"]) {
    assertEquals(findingOf(report, check).status, "works", findingOf(report, check).text);
  }
  assertStringIncludes(findingOf(report, "network.iptables").text, "/nft");
}, firewallsFrom);

systemTest("doctor without cgroups tells the command that mounts them", async (host) => {
  await isMended(
    host,
    "while grep -q ' - cgroup' /proc/self/mountinfo; do umount -R /sys; done; mount -t sysfs sysfs /sys",
    "cgroup.version",
    "broken",
  );
});

systemTest("doctor with /sys hidden", async (host) => {
  const report = await doctorAfter(host, "mount -t tmpfs tmpfs /sys");
  assertEquals([report.code, findingOf(report, "cgroup.version").status], [1, "broken"]);
});

systemTest("doctor where a controller is not mounted tells how to mount it", async (host) => {
  if (!(await host.shell("cat /proc/self/mountinfo")).includes("/sys/fs/cgroup/pids")) return;
  await isMended(host, "umount /sys/fs/cgroup/pids", "cgroup.controllers", "limited");
});

for (const [kind, status] of [["uts", "broken"], ["net", "limited"], ["time", "limited"]] as const) {
  systemTest(`doctor where no ${kind} namespaces are allowed tells the sysctl`, async (host) => {
    // limits belong to a user namespace: this is root of one. That may mount no EROFS, and its groups are not its own.
    const inside = `unshare --user --map-root-user sh -euc 'LIMIT; exec "$@"' sh`;
    const limit = (commands: string) => inside.replace("LIMIT", commands);
    const none = `echo 0 >/proc/sys/user/max_${kind}_namespaces`;
    const { mend, ...finding } = findingOf(await doctorAfter(host, "", [], limit(none)), `namespace.${kind}`);
    assertEquals(finding.status, status);
    assertStringIncludes(finding.text, `user.max_${kind}_namespaces is 0`);
    assertMatch(mend!, /^sysctl -w user\.max_/);
    const after = await doctorAfter(host, "", [], limit(`${none}; ${mend} >/dev/null`));
    assertEquals(findingOf(after, `namespace.${kind}`).status, "works");
  });
}

systemTest("doctor of root without CAP_SYS_ADMIN", async (host) => {
  const report = await doctorAfter(host, "", [], "setpriv --bounding-set -sys_admin --inh-caps -sys_admin");
  assertEquals([report.code, findingOf(report, "user").status], [1, "broken"]);
  assertMatch(findingOf(report, "user").text, /CAP_SYS_ADMIN/);
  assertEquals(findingOf(report, "storage.overlay").status, "broken");
});

systemTest("doctor with the state on an overlay, which carries no overlay", async (host) => {
  const report = await doctorAfter(host, "", ["--root", "/etc/dhow"]);
  const { status, mend, text } = findingOf(report, "storage.overlay");
  assertEquals([report.code, status], [1, "broken"], text);
  assertMatch(mend!, /--root/);
});

systemTest("doctor with the state on a read-only file system tells how to make it writable", async (host) => {
  const place = host.file("ro");
  const script = `mkdir -p ${place}; mount -t tmpfs -o ro tmpfs ${place}`;
  await isMended(host, script, "storage.place", "broken", ["--root", `${place}/a/b`]);
});

systemTest("doctor with little room", async (host) => {
  const place = host.file("small");
  const script = `mkdir -p ${place}; mount -t tmpfs -o size=5m tmpfs ${place}`;
  const { status, text } = findingOf(await doctorAfter(host, script, ["--root", place]), "storage.room");
  assertEquals([status, text.slice(0, 10)], ["limited", "only 5 MiB"]);
});

systemTest(
  "noexec, nodev and nosuid of the state's file system have no effect in containers, as doctor says",
  async (host) => {
    const place = host.file("strict");
    const script = `mkdir -p ${place}; mount -t tmpfs -o noexec,nodev,nosuid tmpfs ${place}`;
    const { status, text } = findingOf(await doctorAfter(host, script, ["--root", place]), "storage.place");
    assertEquals(status, "works");
    assertStringIncludes(text, "of no effect");
    const { code, stdout, stderr } = await host.run([
      "unshare",
      "--mount",
      "sh",
      "-euc",
      `${script}\nexec "$@"`,
      "sh",
      ...[DHOW, "--root", place, "run", "--network", "none", await busyboxArchive()],
      ...[
        "sh",
        "-c",
        "mkdir /own && cp /bin/busybox /own/echo && /own/echo ran && echo >/dev/null && grep ' / ' /proc/mounts",
      ],
    ]);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^ran\n/);
    assert(!/noexec|nosuid|nodev/.test(stdout), stdout);
  },
);

systemTest("doctor tells of name servers that no container can reach", async (host) => {
  const report = async (text: string) =>
    findingOf(
      await doctorAfter(host, `printf '${text}' >/run/own; mount --bind /run/own /etc/resolv.conf`),
      "network.dns",
    );
  const alone = await report("nameserver 127.0.0.1\\n");
  assertEquals(alone.status, "limited");
  assertStringIncludes(alone.instead!, "8.8.8.8");
  assertEquals((await report("nameserver 192.0.2.53\\n")).text, "containers ask 192.0.2.53");
  await host.shell(
    "mkdir -p /run/systemd/resolve; echo nameserver 192.0.2.54 >/run/systemd/resolve/resolv.conf",
  );
  const resolved = await report("nameserver 127.0.0.53\\n");
  assertEquals(resolved.status, "works");
  assertStringIncludes(resolved.text, "192.0.2.54");
  await host.shell("rm -r /run/systemd /run/own");
});

systemTest(
  "doctor of an ordinary user says what it could not see, and how to get ranges of ids",
  async (host) => {
    // where everybody can execute it
    await host.shell(
      `cp ${DHOW} /run/dhow-binary && chmod 755 /run/dhow-binary && useradd --no-create-home sailor`,
    );
    await host.shell("sed -i /^sailor:/d /etc/subuid /etc/subgid");
    const doctor = async (): Promise<Report> => {
      const become = ["env", "HOME=/tmp", "setpriv", "--reuid=sailor", "--regid=sailor", "--clear-groups"];
      const { code, stdout, stderr } = await host.run([...become, "/run/dhow-binary", "doctor", "--json"]);
      assertEquals(stderr, "");
      return { code, ...JSON.parse(stdout) };
    };
    const report = await doctor();
    assertEquals([report.code, report.canRun, findingOf(report, "user").status], [0, true, "works"]);
    for (const check of ["storage.overlay", "storage.idmapped"]) {
      assertEquals(findingOf(report, check).status, "unseen", check);
    }
    const own = ["storage.images", "storage.place", "rootless.userns", "rootless.overlay"];
    for (const check of ["namespace.net", "network.bridge", ...own]) {
      assertEquals(findingOf(report, check).status, "works", check);
    }
    const { status, mend } = findingOf(report, "rootless.ids");
    assertEquals(status, "limited");
    await host.shell(mend!);
    assertEquals(findingOf(await doctor(), "rootless.ids").status, "works");
    await host.shell("rm /run/dhow-binary");
  },
);

systemTest("doctor tells of newuidmap without its rights, and how to give them", async (host) => {
  await host.shell(
    "for name in newuidmap newgidmap; do echo >/usr/bin/$name; chmod 755 /usr/bin/$name; done",
  );
  await isMended(host, "chmod u-s /usr/bin/new[ug]idmap", "rootless.mappers", "limited");
});
