import { assertEquals, assertMatch } from "@std/assert";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer, busyboxWith } from "../support/images.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";

/** The script that explain prints gives the same output and exit code as run does, and leaves the host as it was. */
async function explainIsTrue(host: Host, args: readonly string[], stdin?: string): Promise<string> {
  const input = stdin === undefined ? {} : { stdin };
  const before = await snapshot(host);
  const ran = await host.dhow(["run", ...args], input);
  await sameAgain(host, before, ["layers"]);
  const explained = await host.dhow(["explain", "run", ...args]);
  assertEquals([explained.code, explained.stderr], [0, ""]);
  await sameAgain(host, before, ["layers"]);
  const script = await host.write("explained.sh", explained.stdout);
  const byHand = await host.run(["sh", script], input);
  assertEquals(
    [byHand.code, byHand.stdout, byHand.stderr],
    [ran.code, ran.stdout, ran.stderr],
    explained.stdout,
  );
  await sameAgain(host, before, ["layers"]);
  return ran.stdout;
}

const NO_NETWORK = ["--network", "none", "--hostname", "explained"];

systemTest("the explained script runs the same program in the same root", async (host) => {
  const script = `
    id; pwd; hostname; env | sort; cat /etc/hosts /etc/hostname /etc/resolv.conf
    awk '{ print $2, $3 }' /proc/self/mounts; ls -l /dev | awk '{ print $1, $5, $6 }'; ls /; echo $$; umask; exit 3
  `;
  await explainIsTrue(host, [...NO_NETWORK, await busyboxArchive(), "sh", "-c", script]);
});

systemTest("the explained script limits the container, and keeps it from devices", async (host) => {
  const limits = ["-m", "64m", "--pids-limit", "20", "--cpuset-cpus", "0"];
  const fuse = await host.write("fuse", "");
  await host.shell(`rm ${fuse} && mknod -m 640 ${fuse} c 10 229 && chown 0:6 ${fuse}`);
  const devices = ["--device", `${fuse}:/opt/a/fuse`, "--device", `${fuse}:/dev/a/fuse`];
  const script =
    "grep Cpus_allowed_list /proc/self/status; mknod /tmp/kmsg c 1 11; (: >/tmp/kmsg) 2>&1 | grep -o 'not permitted'; stat -c '%F %t:%T %a %u:%g' /opt/a/fuse /dev/a/fuse";
  const args = [...NO_NETWORK, ...limits, ...devices, await busyboxArchive(), "sh", "-c", script];
  const device = "character special file a:e5 640 0:6\n";
  assertEquals(
    await explainIsTrue(host, args),
    `Cpus_allowed_list:\t0\nnot permitted\n${device}${device}`,
  );
});

systemTest("the explained script makes the container's own clocks", async (host) => {
  const flags = ["--monotonic", "7", "--boottime", "86400"];
  const script = "awk '{ print $1, $2 }' /proc/self/timens_offsets";
  const seen = await explainIsTrue(host, [
    ...NO_NETWORK,
    ...flags,
    await busyboxArchive(),
    "sh",
    "-c",
    script,
  ]);
  assertEquals(seen, "monotonic 7\nboottime 86400\n");
});

systemTest("the explained script makes the same network", async (host) => {
  const flags = ["--hostname", "explained", "--ip", "100.100.1.9"];
  const script =
    "hostname -i; ip route; ping -c 1 -W 5 web.example.test >/dev/null && wget -qO- http://web.example.test/cgi-bin/address";
  const seen = await explainIsTrue(host, [...flags, await busyboxArchive(), "sh", "-c", script]);
  assertMatch(seen, /^100\.100\.1\.9\n[^]*\n198\.51\.100\.2\n$/);
});

systemTest(
  "the explained script reaches the internet where FORWARD drops what nobody accepts",
  async (host) => {
    await host.shell("iptables -P FORWARD DROP");
    await explainIsTrue(host, [
      await busyboxArchive(),
      "wget",
      "-qO-",
      "http://web.example.test/cgi-bin/address",
    ]);
    await host.shell("iptables -P FORWARD ACCEPT");
  },
);

systemTest(
  "the explained script follows entrypoint, environment, working directory and user of the image",
  async (host) => {
    const config = {
      Entrypoint: ["sh", "-c", 'id; pwd; env | sort; echo "$@"', "sh"],
      Cmd: ["a", "b  c"],
      User: "app",
      WorkingDir: "/made/here",
      Env: ["A=it's", 'B="$HOME"'],
    };
    const path = await host.write("image.tar", busyboxWith(config));
    const seen = await explainIsTrue(host, [...NO_NETWORK, path]);
    assertMatch(seen, /uid=1000\(app\) gid=1001\(app\)[^]*\/made\/here\n[^]*A=it's\n[^]*a b {2}c\n$/);
    await explainIsTrue(host, [
      ...NO_NETWORK,
      "-u",
      "4711:4712",
      "-w",
      "/tmp",
      "-e",
      "C=line\nbreak $(id)",
      path,
      "*",
      "'",
      "\\",
    ]);
  },
);

systemTest("the explained script goes to a working directory that is a link of the image", async (host) => {
  const layer = [
    ...busyboxLayer(),
    { path: "data", type: "symlink", target: "/srv/real" } as const,
    {
      path: "srv/real/",
      type: "directory",
    } as const,
  ];
  const config = { Cmd: ["pwd"], WorkingDir: "/data" };
  const path = await host.write("image.tar", archive({ layers: [layer], config }));
  assertEquals(await explainIsTrue(host, [...NO_NETWORK, path]), "/srv/real\n");
});

systemTest("the explained script unpacks layers, whiteouts and opaque folders the same way", async (host) => {
  const image = archive({
    layers: [
      [...busyboxLayer(), { path: "a/", type: "directory" }, { path: "a/old", content: "1" }, {
        path: "gone",
        content: "",
      }],
      [{ path: ".wh.gone", content: "" }, { path: "a/", type: "directory" }, {
        path: "a/.wh..wh..opq",
        content: "",
      }],
      [{ path: "a/new", content: "2", uid: 5, gid: 6, mode: 0o4750 }, {
        path: "link",
        type: "symlink",
        target: "a/new",
      }],
    ],
  });
  for (const name of ["image.tar", "it's an image.tar"]) {
    const path = await host.write(name, image);
    const script = "find / -xdev | grep -v ^/bin | sort; stat -c '%n %a %u:%g %F' /a /a/new /link";
    await explainIsTrue(host, [...NO_NETWORK, path, "sh", "-c", script]);
  }
});

systemTest("the explained script unpacks the newer layout, and gzip", async (host) => {
  const image = busyboxWith({ Cmd: ["echo", "ran"] }, { layout: "oci", gzip: true });
  const path = await host.write("image.tar", image);
  assertEquals(await explainIsTrue(host, [...NO_NETWORK, path]), "ran\n");
});

systemTest("the explained script passes standard input on with -i, and not without", async (host) => {
  const path = await busyboxArchive();
  assertEquals(await explainIsTrue(host, [...NO_NETWORK, "-i", path, "cat"], "line\n"), "line\n");
  assertEquals(await explainIsTrue(host, [...NO_NETWORK, path, "cat"], "line\n"), "");
});

systemTest("the explained script runs an image of the store, and with --network host", async (host) => {
  await host.dhow(["load", "-q", "-i", await busyboxArchive()]);
  await explainIsTrue(host, [...NO_NETWORK, "busybox", "cat", "/etc/passwd"]);
  await explainIsTrue(host, ["--network", "host", "busybox", "ip", "-o", "-4", "addr"]);
});

systemTest("the explained script makes a user namespace with --userns", async (host) => {
  await explainIsTrue(host, [
    ...NO_NETWORK,
    "--userns",
    await busyboxArchive(),
    "sh",
    "-c",
    "cat /proc/self/uid_map; id -u; ls -ln /bin/sh",
  ]);
});

systemTest("the explained script gives a container ids of its own with --userns auto", async (host) => {
  const layer = [
    { path: "a", content: "1", uid: 5, gid: 6, mode: 0o4750 },
    { path: "gone", content: "" },
    { path: "d/", type: "directory", uid: 7, gid: 8, mode: 0o2711 },
  ] as const;
  const path = await host.write(
    "image.tar",
    archive({ layers: [busyboxLayer(), layer, [{ path: ".wh.gone" }]] }),
  );
  const script =
    `cat /proc/self/uid_map /proc/self/gid_map; id; stat -c '%n %u:%g %a' / /a /d /bin/sh /etc/hosts
    ls -d /gone 2>&1; echo x >/etc/hosts; echo y >/v/new; ls -ln /v | awk '{ print $3, $4, $NF }'`;
  const seen = await explainIsTrue(host, [
    ...[...NO_NETWORK, "--userns", "auto:size=3000", "-v", "/v", path],
    ...["sh", "-c", script],
  ]);
  assertMatch(seen, /^\/a 5:6 4750\n\/d 7:8 2711\n/m);
  await explainIsTrue(host, [...NO_NETWORK, "--uidmap", "0:200000:100", path, "cat", "/proc/self/gid_map"]);
  await explainIsTrue(host, [
    "--userns",
    "auto",
    "--hostname",
    "explained",
    path,
    "sh",
    "-c",
    "hostname -i; ip route",
  ]);
});

systemTest("the explained script of an image of many layers runs", async (host) => {
  const layers = Array.from({ length: 127 }, (_, index) => [{ path: "last", content: `${index}\n` }]);
  const path = await host.write("image.tar", archive({ layers: [busyboxLayer(), ...layers] }));
  assertEquals(await explainIsTrue(host, [...NO_NETWORK, path, "cat", "/last"]), "126\n");
});

systemTest(
  "explain changes nothing, says why of each step, and uses the tools of the tutorial",
  async (host) => {
    const before = await snapshot(host);
    const { code, stdout } = await host.dhow(["explain", "run", await busyboxArchive(), "true"]);
    assertEquals(code, 0);
    await sameAgain(host, before, ["layers"]);
    for (const tool of ["tar", "mount", "unshare", "pivot_root", "ip", "iptables"]) {
      assertMatch(stdout, new RegExp(`^[^#\\n]*\\b${tool}\\b`, "m"), `the script uses ${tool}`);
    }
    assertEquals((stdout.match(/^\s*#/gm)?.length ?? 0) >= 10, true, "it has comments");
  },
);

systemTest("a script that fails on its way takes back what it made", async (host) => {
  const { stdout } = await host.dhow(["explain", "run", await busyboxArchive(), "no-such-program"]);
  const { code } = await host.run(["sh", await host.write("explained.sh", stdout)]);
  assertEquals(code, 127);
});
