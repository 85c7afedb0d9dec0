/** An ordinary user's containers: what root's do, in a user namespace. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { killedAtEach } from "../support/faults.ts";
import { WEB_NAME } from "../support/host.ts";
import { PROMPT } from "../support/host_shell.ts";
import { archive } from "../support/image.ts";
import { busyboxLayer } from "../support/images.ts";
import { type Ids, type Kernel, Sailor, sailorTest, UID } from "../support/sailor.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";
import type { TarEntry } from "../support/tar.ts";
import { KEYS, Terminal } from "../support/terminal.ts";

const BOTH: readonly Ids[] = ["single", "ranges"];
const KERNELS: readonly Kernel[] = ["usual", "refuses overlay"];

for (const ids of BOTH) {
  sailorTest("runs a program, as root of the container, and gets its exit code", ids, async (sailor) => {
    const output = await sailor.dhowOutput(
      [
        "run",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "id -u; id -g; cat /proc/self/uid_map; touch /new; exit 7",
      ],
    );
    assertEquals([output.code, output.stderr], [7, ""]);
    const [uid, gid, ...map] = output.stdout.trim().split("\n").map((line) => line.trim().split(/\s+/));
    assertEquals([uid, gid], [["0"], ["0"]]);
    const own = ["0", `${UID}`, "1"];
    assertEquals(map, ids === "single" ? [own] : [own, ["1", "300000", "65536"]]);
  });

  sailorTest("has what a container has: devices, /proc, /sys, /dev/shm, host name", ids, async (sailor) => {
    const seen = await sailor.script(
      "head -c 4 /dev/zero | wc -c; echo x >/dev/null; ls /dev/pts/ptmx; echo y >/dev/shm/f; " +
        "test -d /sys/class/net; hostname; cat /etc/hostname; ls /proc/1/exe; ! echo 1 2>/dev/null >/proc/sysrq-trigger",
      "--hostname",
      "boat",
    );
    assertEquals(seen.split("\n"), ["4", "/dev/pts/ptmx", "boat", "boat", "/proc/1/exe"]);
  });

  sailorTest("has a terminal in the foreground, and interrupts from the keyboard", ids, async (sailor) => {
    await using terminal = new Terminal(
      sailor.host,
      sailor.become([sailor.dhowPath, "run", "-it", "--network", "none", "busybox", "sh"]),
    );
    await terminal.see(PROMPT);
    await terminal.type("tty\r", /\/dev\/pts\/0\r\n/);
    await terminal.type("sh -c 'echo start\"\"ed; sleep 1000'\r", /started\r\n/);
    await terminal.type(KEYS.controlC, PROMPT);
    await terminal.type("exit 4\r");
    assertEquals(await terminal.exitCode(), 4);
  });

  for (const kernel of KERNELS) {
    sailorTest("leaves containers alone, and comes back to them with all verbs", ids, async (sailor) => {
      await sailor.idle("box", "-v", "data:/data", "-v", `${sailor.home}:/home`);
      assertMatch(await sailor.dhow("ps", "--format", "{{.Names}} {{.Status}}"), /^box Up /);
      await eventually(async () => assertEquals(await sailor.dhow("logs", "box"), "ready"));
      const inside = "touch /data/kept /gone; rm /bin/wget; cat /proc/1/comm; ls /home";
      assertEquals((await sailor.dhow("exec", "box", "sh", "-c", inside)).split("\n"), ["sh", "busybox.tar"]);
      assertMatch(await sailor.dhow("top", "box"), /sleep 1000/);
      await sailor.dhow("cp", "busybox.tar", "box:/copied");
      await sailor.dhow("cp", "box:/copied", "back.tar");
      await sailor.host.succeed(["cmp", `${sailor.home}/busybox.tar`, `${sailor.home}/back.tar`]);
      const changes = (await sailor.dhow("diff", "box")).split("\n");
      for (const change of ["A /copied", "A /gone", "D /bin/wget"]) assert(changes.includes(change), change);
      await sailor.dhow("commit", "box", "changed");
      assertEquals(
        await sailor.dhow(
          "run",
          "--rm",
          "--network",
          "none",
          "changed",
          "sh",
          "-c",
          "ls /gone; ls /bin/wget 2>&1 | wc -l",
        ),
        "/gone\n1",
      );
      await sailor.dhow("restart", "box");
      await sailor.dhow("exec", "box", "ls", "/gone", "/data/kept");
      await sailor.dhow("stop", "box");
      assertEquals(await sailor.dhow("wait", "box"), "3");
      await sailor.dhow("start", "box");
      await sailor.dhow("kill", "box");
      assertEquals(await sailor.dhow("wait", "box"), "137");
      await sailor.dhow("export", "-o", "tree.tar", "box");
      assertStringIncludes(await sailor.host.succeed(["tar", "-tf", `${sailor.home}/tree.tar`]), "copied");
      await sailor.dhow("rm", "box");
      assertEquals(await sailor.dhow("volume", "ls", "-q"), "data");
      await sailor.dhow("volume", "rm", "data");
    }, kernel);
  }

  sailorTest("two first commands at once, and all others, share one user namespace", ids, async (sailor) => {
    const names = ["box1", "box2", "box3", "box4"];
    await Promise.all(names.map((name) => sailor.idle(name)));
    const namespaces = await Promise.all(names.map((name) => sailor.namespaceOf(name)));
    assertEquals(new Set(namespaces).size, 1);
    assertNotEquals(namespaces[0], await sailor.host.succeed(["readlink", "/proc/1/ns/user"]));
    // what belongs to one is joined by another
    const processes = ["--pid", "container:box2"];
    assertMatch(
      await sailor.dhow("run", "--rm", "--network", "none", ...processes, "busybox", "ps"),
      /sleep 1000/,
    );
    await sailor.idle(
      "joins",
      ...processes,
      "--restart",
      "on-failure",
      "--health-cmd",
      "test -e /proc/1",
      "--health-interval",
      "50ms",
    );
    assertMatch(await sailor.dhow("exec", "joins", "ps"), /echo ready/);
    await eventually(async () =>
      assertMatch(await sailor.dhow("ps", "--filter", "name=joins", "--format", "{{.Status}}"), /\(healthy\)/)
    );
    await sailor.dhow("restart", "-t", "0", "joins");
    await sailor.dhow("stop", "joins");
    assertEquals(await sailor.dhow("wait", "joins"), "3");
    await sailor.dhow("rm", "joins");
    await sailor.idle("shares", "--ipc", "shareable");
    await sailor.dhow("exec", "shares", "touch", "/dev/shm/shared");
    const flags = ["--network", "container:box1", "--ipc", "container:shares"];
    assertEquals(await sailor.dhow("run", "--rm", ...flags, "busybox", "ls", "/dev/shm"), "shared");
    await sailor.dhow("rm", "-f", "shares", ...names);
    // nobody is there to share one with any more
    await sailor.idle("later");
    assertNotEquals(
      await sailor.namespaceOf("later"),
      await sailor.host.succeed(["readlink", "/proc/1/ns/user"]),
    );
  });

  for (const kernel of KERNELS) {
    sailorTest("cleans up after what was killed", ids, async (sailor) => {
      const { host } = sailor;
      await sailor.idle("box", "--network", "pasta");
      const id = await sailor.inspect("box", "{{.Id}}");
      await host.succeed(["kill", "-KILL", `${await host.pidOf(`dhow-monitor ${id}`)}`]);
      await eventually(async () =>
        assertMatch(await sailor.dhow("ps", "-a", "--format", "{{.Status}}"), /^Exited \(255\)/)
      );
      {
        const flags = ["--network", "pasta", "--name", "front"];
        await using dhow = sailor.spawnDhow(["run", ...flags, "busybox", "sh", "-c", "echo up; sleep 1000"]);
        await dhow.stdout.until(/up/);
        await dhow.kill("KILL");
      }
      await eventually(async () =>
        assertEquals(await sailor.dhow("ps", "-aq", "--filter", "name=front"), "")
      );
      await eventually(() =>
        assertEquals(host.processes().filter(({ command }) => /pasta|dhow-network/.test(command)), [])
      );
    }, kernel);
  }

  for (const kernel of KERNELS) {
    sailorTest("starts a container again by its policy, and checks its health", ids, async (sailor) => {
      await sailor.dhow(
        ...["run", "-d", "--network", "none", "--name", "again", "--restart", "on-failure:1", "busybox"],
        ...["sh", "-c", "echo run; exit 5"],
      );
      await eventually(async () => {
        const template = "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}";
        assertEquals(await sailor.inspect("again", template), "1 exited 5");
      });
      assertEquals(await sailor.dhow("logs", "again"), "run\nrun");
      await sailor.idle("well", "--health-cmd", "test -e /proc/1", "--health-interval", "50ms");
      await eventually(async () =>
        assertMatch(await sailor.dhow("ps", "--format", "{{.Status}}"), /\(healthy\)/)
      );
    }, kernel);
  }
}

for (const flags of [[], ["-d"]]) {
  for (const kernel of KERNELS) {
    const way = flags.length === 0 ? "in the foreground" : "that is left alone";
    sailorTest(
      `dhow killed after any step of a run ${way}: the next command undoes it`,
      "ranges",
      async (sailor) => {
        const { host } = sailor;
        const before = await snapshot(host);
        await killedAtEach(5, async (step) => {
          const run = [
            "run",
            ...flags,
            "--rm",
            "--network",
            "pasta",
            "-v",
            "new:/new",
            "busybox",
            "sleep",
            "0.1",
          ];
          const fault = [`DHOW_FAULT=kill-after:${step}`];
          const { code } = await host.run(sailor.become([sailor.dhowPath, ...run], fault));
          assert([0, 137].includes(code), `step ${step}: exit code ${code}`);
          // one that was made stays until somebody removes it
          const made = flags.length === 0 ? [] : (await sailor.dhow("ps", "-aq")).split("\n");
          // which it may do itself meanwhile, and then it is not there any more
          const removed = await sailor.dhowOutput(["rm", "-f", ...made.filter((id) => id !== "")]);
          assertEquals(removed.code, 0);
          await eventually(async () => assertEquals(await sailor.dhow("ps", "-aq"), ""));
          await sailor.dhow("volume", "rm", "-f", "new");
          await sameAgain(host, before);
          return code === 137;
        });
      },
      kernel,
    );
  }
}

const LAYER: readonly TarEntry[] = [
  ...busyboxLayer(),
  { path: "etc/", type: "directory" },
  { path: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/:/bin/sh\n" },
  { path: "etc/group", content: "root:x:0:\nweb:x:33:\nmore:x:44:web\n" },
  { path: "srv/", type: "directory", uid: 33, gid: 33, mode: 0o755 },
  { path: "srv/own", content: "web's", uid: 33, gid: 33, mode: 0o600 },
  { path: "srv/setuid", content: "#!", uid: 33, gid: 0, mode: 0o4755 },
  { path: "srv/far", content: "#!", uid: 900_000, gid: 0, mode: 0o4755 },
  { path: "srv/null", type: "character", major: 1, minor: 3, mode: 0o666 },
  { path: "srv/zero", type: "hardlink", target: "srv/null" },
  { path: "srv/null", type: "character", major: 1, minor: 3, mode: 0o600 },
  { path: "srv/pipe", type: "fifo", mode: 0o644 },
];

const REPLACED: readonly TarEntry[] = [
  { path: "srv/", type: "directory", uid: 33, gid: 33, mode: 0o755 },
  { path: "srv/.wh.pipe", content: "" },
  { path: "tmp/", type: "directory", mode: 0o1777 },
];

async function loadOwners(sailor: Sailor): Promise<void> {
  const bytes = archive({ layers: [LAYER, REPLACED], config: { Cmd: ["sh"] }, tags: ["owners:latest"] });
  const path = await sailor.host.write("owners.tar", bytes);
  await sailor.host.succeed(["cp", path, `${sailor.home}/owners.tar`]);
  await sailor.dhow("load", "-q", "-i", "owners.tar");
}

const STAT = "cd /srv && stat -c '%n %u %g %a' own setuid far; ls | sort | xargs";

sailorTest("files have their owners, and programs their users", "ranges", async (sailor) => {
  await loadOwners(sailor);
  const run = ["run", "--rm", "--network", "none"];
  assertEquals(
    (await sailor.dhow(...run, "owners", "sh", "-c", STAT)).split("\n"),
    // who does not exist here owns nothing, and gives nobody rights; devices are left out
    ["own 33 33 600", "setuid 33 0 4755", "far 0 0 755", "far own setuid"],
  );
  assertEquals(
    await sailor.dhow(
      ...run,
      "-u",
      "web",
      "owners",
      "sh",
      "-c",
      "id; cat /srv/own; touch /srv/new; stat -c %u /srv/new",
    ),
    "uid=33(web) gid=33(web) groups=33(web),44(more)\nweb's33",
  );
  const far = await sailor.dhowOutput([...run, "-u", "900000", "owners", "true"]);
  assertFailure(far, 125, /cannot run as user 900000/, /subuid/);
  // files of other ids of the user's in a volume, and in what a container has written, go as well
  await sailor.dhow(
    "run",
    "-d",
    "--network",
    "none",
    "--name",
    "web",
    "-u",
    "web",
    "-v",
    "logs:/logs",
    "owners",
    "sleep",
    "1000",
  );
  await sailor.dhow("exec", "-u", "0", "web", "sh", "-c", "mkdir -m 700 /logs/own && chown 33 /logs/own");
  assertEquals(await sailor.dhow("exec", "web", "sh", "-c", "echo x >/logs/own/x; id -u"), "33");
  await sailor.dhow("rm", "-f", "web");
  await sailor.dhow("volume", "rm", "logs");
});

sailorTest(
  "all files are the user's, who is root there; there are no other users",
  "single",
  async (sailor) => {
    await loadOwners(sailor);
    const run = ["run", "--rm", "--network", "none"];
    assertEquals(
      (await sailor.dhow(...run, "owners", "sh", "-c", STAT)).split("\n"),
      ["own 0 0 600", "setuid 0 0 755", "far 0 0 755", "far own setuid"],
    );
    const web = await sailor.dhowOutput([...run, "-u", "web", "owners", "true"]);
    assertFailure(web, 125, /cannot run as user 33/, /dhow doctor/);
    await sailor.idle("box");
    const exec = await sailor.dhowOutput(["exec", "-u", "33", "box", "true"]);
    assertFailure(exec, 126, /cannot run as user 33/);
  },
);

for (const ids of BOTH) {
  sailorTest("an image is saved as it was loaded, whoever its files belong to here", ids, async (sailor) => {
    await loadOwners(sailor);
    const id = await sailor.inspect("owners", "{{.Id}} {{.RootFS.Layers}}");
    assertEquals((await sailor.dhowOutput(["save", "-o", "saved.tar", "owners"])).code, 0);
    await sailor.dhow("rmi", "owners");
    await sailor.dhow("load", "-q", "-i", "saved.tar");
    assertEquals(await sailor.inspect("owners", "{{.Id}} {{.RootFS.Layers}}"), id);
    await sailor.dhow("image", "verify", "owners");
  });

  sailorTest("an archive is run where it lies", ids, async (sailor) => {
    assertEquals(
      await sailor.dhow("run", "--rm", "--network", "none", "./busybox.tar", "echo", "there"),
      "there",
    );
  });
}

sailorTest("exec reaches a container in the foreground that pasta connects", "ranges", async (sailor) => {
  const run = ["run", "-i", "--name", "box", "--network", "pasta", "./busybox.tar"];
  await using running = sailor.spawnDhow([...run, "sh", "-c", "echo up; cat"]);
  await running.stdout.until(/up/);
  assertEquals(await sailor.dhow("exec", "box", "echo", "there"), "there");
  await running.output();
});

const MAP = "tr -s ' ' </proc/self/uid_map | sed 's/^ //' | xargs";

sailorTest(
  "with keep-id the user is the same in the container, and root is one of the others",
  "ranges",
  async (sailor) => {
    const { host } = sailor;
    const keep = (script: string, ...flags: string[]) =>
      sailor.script(script, "--userns", "keep-id", ...flags);
    const rest = 65536 - UID;
    const whole = `0 1 ${UID} ${UID} 0 1 ${UID + 1} ${UID + 1} ${rest}`;
    assertEquals(
      (await keep(`id; ${MAP}; stat -c %u:%g /bin`)).split("\n"),
      [`uid=${UID} gid=${UID} groups=${UID}`, whole, "0:0"],
    );
    const home = ["-v", `${sailor.home}:/home`];
    assertEquals(await keep("stat -c %u /home/busybox.tar; touch /home/mine", ...home), `${UID}`);
    await keep("touch /home/roots", "-u", "0", ...home);
    const owners = await host.succeed(["sh", "-c", `cd ${sailor.home} && stat -c %u mine roots`]);
    assertEquals(owners.trim().split("\n"), [`${UID}`, "300000"]);
    assertEquals(await sailor.script("id -u; id -g", "--userns=keep-id:uid=200,gid=300"), "200\n300");
    // volumes are the user's, with what the image has there
    await loadOwners(sailor);
    const run = ["run", "--rm", "--network", "none", "--userns=keep-id"];
    const look = "stat -c '%n %u' /logs /srv /srv/own; touch /logs/x";
    assertEquals(
      await sailor.dhow(...run, "-v", "logs:/logs", "-v", "srv:/srv", "owners", "sh", "-c", look),
      `/logs ${UID}\n/srv 33\n/srv/own 33`,
    );
    await sailor.dhow("volume", "rm", "logs", "srv");
  },
);

sailorTest("all verbs work with a container that keeps the user's ids", "ranges", async (sailor) => {
  await sailor.idle("box", "--userns=keep-id", "--network", "pasta");
  await sailor.idle("same", "--userns=keep-id");
  assertEquals((await sailor.host.shell(`ls ${sailor.state}/copies`)).trim(), "1");
  const page = ["wget", "-q", "-O", "-", `http://${WEB_NAME}/`];
  assertEquals(await sailor.dhow("exec", "box", ...page), "hello from the internet");
  assertEquals(await sailor.dhow("exec", "box", "sh", "-c", "id -u; touch /tmp/own"), `${UID}`);
  await sailor.dhow("exec", "-u", "0", "box", "sh", "-c", "rm /bin/wget; touch /new; chown 5:6 /new");
  await sailor.dhow("cp", "busybox.tar", "box:/copied");
  const look = ["stat", "-c", "%n %u:%g", "/copied", "/new", "/tmp/own"];
  const seen = `/copied 0:0\n/new 5:6\n/tmp/own ${UID}:${UID}`;
  for (const state of ["running", "stopped"]) {
    if (state === "stopped") await sailor.dhow("stop", "-t", "0", "box");
    const changes = (await sailor.dhow("diff", "box")).split("\n");
    for (const change of ["A /copied", "A /new", "D /bin/wget"]) assert(changes.includes(change), change);
    await sailor.dhow("commit", "box", state);
    assertEquals(await sailor.dhow("run", "--rm", "--network", "none", state, ...look), seen, state);
  }
  await sailor.dhow("start", "box");
  assertEquals(await sailor.dhow("exec", "box", ...look), seen);
});

sailorTest("a container has ids of its own from the user's", "ranges", async (sailor) => {
  const auto = ["--userns", "auto:size=2000"];
  await sailor.idle("box", ...auto);
  assertEquals(await sailor.dhow("exec", "box", "sh", "-c", MAP), "0 1 2000");
  assertEquals(
    await sailor.script(`${MAP}; touch /logs/x; stat -c %u /logs`, "-v", "logs:/logs", ...auto),
    "0 2001 2000\n0",
  );
  await sailor.dhow("volume", "rm", "logs");
  assertEquals(await sailor.script(MAP, "--uidmap", "0:5:100", "--gidmap", "0:7:100"), "0 5 100");
  const refused = async (flags: readonly string[], ...parts: RegExp[]) =>
    assertFailure(await sailor.dhowOutput(["run", "--network", "none", ...flags, "busybox"]), 125, ...parts);
  await refused(["--userns", "auto"], /no 65536 ids in a row are free/, /you have 65536 in/);
  await refused(["--uidmap", "0:5:100000"], /no uids from 5 to 100004/, /to 65536/);
  await refused([...auto, "-v", `${sailor.home}:/home:idmap`], /only root can show a path of the host/);
  await refused(["--userns=keep-id:uid=x"], /"uid=x" is not understood/);
  await sailor.dhow("rm", "-f", "box");
  assertEquals(await sailor.script(MAP, "--userns", "auto"), "0 1 65536");
});

sailorTest("ids of a container's own need ranges", "single", async (sailor) => {
  for (const own of ["--userns=auto", "--userns=keep-id", "--uidmap=0:0:1"]) {
    const output = await sailor.dhowOutput(["run", "--network", "none", own, "busybox"]);
    assertFailure(output, 125, /this host gives you no other ids than your own/, /dhow doctor/);
  }
});

for (const program of ["pasta", "slirp4netns"] as const) {
  sailorTest(`${program} leads out, by name, and in by published ports`, "ranges", async (sailor) => {
    const { host } = sailor;
    const flags = ["--rm", "--network", program];
    const page = ["wget", "-q", "-O", "-", `http://${WEB_NAME}/`];
    assertEquals(await sailor.dhow("run", ...flags, "busybox", ...page), "hello from the internet");
    const serve = "mkdir /www; echo from inside >/www/index.html; exec httpd -f -p 80 -h /www";
    const ports = ["-p", "18080:80", "-p", "127.0.0.1::81"];
    await sailor.dhow(
      "run",
      "-d",
      "--name",
      "web",
      "--network",
      program,
      ...ports,
      "busybox",
      "sh",
      "-c",
      serve,
    );
    await eventually(async () =>
      assertEquals(await host.shell("busybox wget -q -O - http://127.0.0.1:18080/"), "from inside\n")
    );
    const all = await sailor.dhow("port", "web");
    assertMatch(all, /^80\/tcp -> 0\.0\.0\.0:18080\n81\/tcp -> 127\.0\.0\.1:\d+$/);
    assertEquals(await sailor.dhow("port", "web", "80"), "0.0.0.0:18080");
    assertMatch(
      await sailor.dhow("ps", "--format", "{{.Ports}}"),
      /^0\.0\.0\.0:18080->80\/tcp, 127\.0\.0\.1:\d+->81\/tcp$/,
    );
    assertEquals(
      await sailor.inspect("web", '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}'),
      "18080",
    );
    const taken = await sailor.dhowOutput([
      "run",
      "--rm",
      "--network",
      program,
      "-p",
      "18080:80",
      "busybox",
      "true",
    ]);
    assertFailure(taken, 125, /18080/);
    // what listens on the host's loopback is the host's
    await host.shell("mkdir -p /run/host/secret && busybox httpd -p 127.0.0.1:7777 -h /run/host/secret");
    const gateway = "ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'";
    const reach =
      `for a in 127.0.0.1 $(${gateway}); do wget -q -T 2 -O - http://$a:7777/ 2>&1 && echo reached; done; true`;
    assert(!(await sailor.dhow("run", ...flags, "busybox", "sh", "-c", reach)).includes("reached"));
    await host.shell("kill $(pgrep -f '[h]ttpd -p 127.0.0.1:7777')");
    await sailor.dhow("restart", "-t", "0", "web");
    await eventually(async () =>
      assertEquals(await host.shell("busybox wget -q -O - http://127.0.0.1:18080/"), "from inside\n")
    );
    await sailor.dhow("rm", "-f", "web");
    await eventually(() =>
      assertEquals(host.processes().filter(({ command }) => command.includes(program)), [])
    );
  });
}

sailorTest(
  "what is installed is the network; if nothing is, a line says that there is none",
  "single",
  async (sailor) => {
    const { host } = sailor;
    const network = () =>
      sailor.dhowOutput(["run", "--rm", "busybox", "sh", "-c", "ls /sys/class/net | xargs"]);
    for (const program of ["pasta", "slirp4netns"]) {
      const { code, stdout, stderr } = await network();
      assertEquals([program, code, stdout, stderr], [program, 0, "eth0 lo\n", ""]);
      if (program === "pasta") await host.hide("pasta", "passt*");
    }
    await host.hide("slirp4netns");
    const alone = await network();
    assertEquals([alone.code, alone.stdout], [0, "lo\n"]);
    assertMatch(alone.stderr, /^dhow: warning: the container has no network: .*passt\)\n$/);
    assertFailure(
      await sailor.dhowOutput(["run", "--network", "pasta", "busybox"]),
      125,
      /no "pasta" command/,
      /passt/,
    );
    const unreachable = await sailor.dhowOutput(["run", "-p", "80", "busybox"]);
    assertEquals(unreachable.code, 125);
    assertMatch(
      unreachable.stderr,
      /^dhow: cannot run .*ports cannot be published: the container has no network/m,
    );
    // who says so himself wants none
    const { code, stderr } = await sailor.dhowOutput([
      "run",
      "-p",
      "80",
      "--network",
      "none",
      "busybox",
      "true",
    ]);
    assertEquals([code, stderr], [
      0,
      "dhow: warning: Published ports are discarded when using none network mode\n",
    ]);
    assertFailure(
      await sailor.dhowOutput(["run", "--network", "bridge", "busybox"]),
      125,
      /only root can make a bridge/,
    );
  },
);

sailorTest(
  "on a host without a default route, ports are published, and what the host reaches is reached",
  "single",
  async (sailor) => {
    const { host } = sailor;
    await host.shell("ip route del default");
    const serve = "mkdir /www; echo from inside >/www/index.html; exec httpd -f -p 80 -h /www";
    await sailor.dhow("run", "-d", "--name", "web", "-p", "18080:80", "busybox", "sh", "-c", serve);
    await eventually(async () =>
      assertEquals(await host.shell("busybox wget -q -O - http://127.0.0.1:18080/"), "from inside\n")
    );
    await sailor.dhow("rm", "-f", "web");
    await host.shell("ip route add 203.0.113.0/24 via 198.51.100.1");
    const page = ["wget", "-q", "-O", "-", `http://${WEB_NAME}/`];
    assertEquals(await sailor.dhow("run", "--rm", "busybox", ...page), "hello from the internet");
    // with nothing but a loopback there is another program, or none
    await host.shell("ip addr flush dev eth0");
    const network = ["run", "--rm", "busybox", "ls", "/sys/class/net"];
    assertEquals(await sailor.dhow(...network), "eth0\nlo");
    assertFailure(
      await sailor.dhowOutput(["run", "--network", "pasta", "busybox"]),
      125,
      /cannot connect the container by pasta/,
      /--network slirp4netns, or none/,
    );
    await host.hide("slirp4netns");
    const alone = await sailor.dhowOutput(network);
    assertEquals([alone.code, alone.stdout], [0, "lo\n"]);
    assertMatch(alone.stderr, /^dhow: warning: the container has no network: the host has none.*\n$/);
    await host.shell("ip addr add 198.51.100.2/24 dev eth0 && ip route add default via 198.51.100.1");
  },
);

sailorTest("the host's network and processes are what the user may see of them", "ranges", async (sailor) => {
  assertEquals(await sailor.script("ls /sys/class/net | xargs", "--network", "host"), "eth0 lo");
  assertMatch(await sailor.script("ps", "--pid", "host"), /sleep infinity/);
  assertEquals(
    await sailor.script("hostname; ls -d /dev/shm", "--ipc", "host", "--uts", "host"),
    "testhost\n/dev/shm",
  );
  await sailor.script("ls /sys/fs/cgroup", "--cgroupns", "host");
  const erofs = await sailor.dhowOutput([
    "--storage",
    "erofs",
    "run",
    "--network",
    "none",
    "busybox",
    "true",
  ]);
  assertFailure(erofs, 125, /only root can mount EROFS/);
});

sailorTest(
  "limits that cannot be set are told in one line, and what needs a cgroup says so",
  "single",
  async (sailor) => {
    if (!(await sailor.host.shell("cat /proc/mounts")).includes(" cgroup ")) return;
    const limited = await sailor.dhowOutput([
      "run",
      "--rm",
      "--network",
      "none",
      "-m",
      "64m",
      "busybox",
      "echo",
      "ran",
    ]);
    assertEquals([limited.code, limited.stdout], [0, "ran\n"]);
    assertMatch(limited.stderr, /^dhow: warning: cannot limit what the container uses.*version 1.*\n$/);
    await sailor.idle("box");
    for (const verb of [["pause", "box"], ["stats", "--no-stream", "box"], ["update", "-m", "64m", "box"]]) {
      assertFailure(await sailor.dhowOutput(verb), 1, /it has no cgroup/);
    }
  },
);

/** Stops process 1 of its pid namespace when that ends, and never lets it go on (ptrace(2)). */
const TRACE = `
import ctypes, signal
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, PTRACE_O_TRACEEXIT = 0x4206, 0x40
libc.ptrace.argtypes = [ctypes.c_long] * 4
assert libc.ptrace(PTRACE_SEIZE, 1, 0, PTRACE_O_TRACEEXIT) == 0
print("traced", flush=True)
signal.pause()
`;

sailorTest(
  "a container ends also when one of its processes holds the first by tracing it",
  "ranges",
  async (sailor) => {
    await sailor.idle("box", "-v", "/:/host");
    await using tracer = sailor.spawnDhow(["exec", "box", "chroot", "/host", "python3", "-c", TRACE]);
    await tracer.stdout.until(/traced/);
    await sailor.dhow("stop", "-t", "0", "box");
    assertEquals(await sailor.dhow("wait", "box"), "137");
  },
);

sailorTest(
  "a container that outlives its monitor, held by tracing, is not where the next command gets its program from",
  "ranges",
  async (sailor) => {
    const { host } = sailor;
    await sailor.idle("box", "-v", "/:/host");
    // what dhow's own path leads to in the container
    const program =
      `mkdir -p $(dirname ${sailor.dhowPath}); printf '#!/bin/sh\necho hostile\n' >${sailor.dhowPath}`;
    await sailor.dhow("exec", "box", "sh", "-euc", `${program}; chmod 755 ${sailor.dhowPath}`);
    const id = await sailor.inspect("box", "{{.Id}}");
    await using tracer = sailor.spawnDhow(["exec", "box", "chroot", "/host", "python3", "-c", TRACE]);
    await tracer.stdout.until(/traced/);
    const holders = host.processes().filter(({ command }) =>
      command.includes("dhow-monitor") || /dhow exec/.test(command)
    );
    await host.succeed(["kill", "-KILL", ...holders.map(({ pid }) => `${pid}`)]);
    const listed = await sailor.dhowOutput(["ps", "-a", "--no-trunc", "--format", "{{.ID}}"]);
    assertEquals([listed.code, listed.stdout], [0, `${id}\n`], listed.stderr);
    await sailor.dhow("rm", "-f", "box");
  },
);

sailorTest(
  "the root of a user namespace that somebody else has made is an ordinary user",
  "ranges",
  async (sailor) => {
    const inside = (flags: readonly string[], ...args: string[]) =>
      sailor.run(["unshare", "--map-root-user", ...flags, sailor.dhowPath, ...args]);
    for (const flags of [[], ["--mount"]]) {
      const ran = await inside(
        flags,
        "run",
        "--rm",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "id -u; test -c /dev/null",
      );
      assertEquals([ran.code, ran.stdout, ran.stderr], [0, "0\n", ""]);
      const info = await inside(flags, "info");
      assertStringIncludes(info.stdout, `Dhow Root Dir: ${sailor.state}\n`);
      // what it leaves running is found by others
      const started = await inside(
        flags,
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "busybox",
        "sleep",
        "1000",
      );
      assertEquals([started.code, started.stderr], [0, ""]);
      assertMatch(await sailor.dhow("ps", "--format", "{{.Names}}"), /^box$/);
      assertEquals(await sailor.dhow("exec", "box", "id", "-u"), "0");
      await sailor.dhow("rm", "-f", "box");
    }
    // it cannot come to those that are elsewhere
    await sailor.idle("other");
    assertFailure(await inside([], "ps"), 1, /user namespace that dhow has not made/, /outside of it/);
    const apart = [
      "--root",
      `${sailor.home}/apart`,
      "run",
      "--rm",
      "--network",
      "none",
      "./busybox.tar",
      "echo",
      "there",
    ];
    const output = await inside([], ...apart);
    assertEquals([output.code, output.stdout], [0, "there\n"], output.stderr);
    await sailor.host.shell(`rm -rf ${sailor.home}/apart`);
    assertFailure(
      await inside([], "explain", "run", "./busybox.tar"),
      125,
      /cannot explain in a user namespace/,
    );
    assertFailure(
      await sailor.dhowOutput(["explain", "run", "busybox"]),
      125,
      /dhow save -o image\.tar busybox/,
    );
    assertMatch((await inside([], "doctor")).stdout, /^limited +user +this is the root of a user namespace/m);
  },
);

sailorTest("system install is for the user's own service manager", "single", async (sailor) => {
  const { host } = sailor;
  const printed = await sailor.dhow("system", "install", "--print");
  const unit = await host.write("dhow-printed.service", printed);
  const verified = await sailor.run(["systemd-analyze", "--user", "verify", "--man=no", unit]);
  assertEquals([verified.code, verified.stderr], [0, ""]);
  const path = `${sailor.home}/.config/systemd/user/dhow.service`;
  assertEquals(await sailor.dhow("system", "install"), path);
  const link = `${sailor.home}/.config/systemd/user/default.target.wants/dhow.service`;
  assertEquals(await host.succeed(["readlink", link]), `${path}\n`);
  assertStringIncludes(await host.succeed(["cat", path]), `ExecStart="${sailor.dhowPath}" "start" "--all"`);
  assertEquals(await sailor.dhow("system", "uninstall"), path);
  await host.shell(`[ ! -e ${path} ] && [ ! -L ${link} ]`);
  await host.shell("rm -rf /run/systemd"); // the folder is systemctl's and systemd-analyze's
});

systemTest("a host without user namespaces for its users says so, and what allows them", async (host) => {
  const sailor = new Sailor(host);
  const script = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"';
  await host.shell("for file in subuid subgid; do echo root:0:65536 >/etc/$file; done");
  const inside = [
    "unshare",
    "--user",
    "--map-users=0,0,65536",
    "--map-groups=0,0,65536",
    "sh",
    "-euc",
    script,
    "sh",
  ];
  const output = await host.run([...inside, ...sailor.become([sailor.dhowPath, "images"])]);
  assertFailure(output, 1, /cannot make a user namespace/, /sysctl -w user.max_user_namespaces=/);
}, (host) => Sailor.settle(host, "single"));

systemTest("newuidmap that may not do its work is told with what mends it", async (host) => {
  const sailor = new Sailor(host);
  await host.shell("chmod u-s /usr/bin/newuidmap");
  assertFailure(
    await sailor.dhowOutput(["images"]),
    1,
    /ids of \/etc\/subuid/,
    /chmod u\+s \/usr\/bin\/newuidmap/,
  );
}, (host) => Sailor.settle(host, "ranges"));

systemTest("root stays root, whatever its environment says", async (host) => {
  const output = await host.run([
    "env",
    "DHOW_USER_NAMESPACE=1",
    `HOME=${host.file("home")}`,
    "sh",
    "-c",
    '"$0" info',
    (new Sailor(host)).dhowPath,
  ]);
  assertSuccess(output);
  assertMatch(output.stdout, /Dhow Root Dir: \/var\/lib\/dhow\n/);
}, (host) => Sailor.settle(host, "ranges"));

sailorTest("who is in a folder that only others may go to can run dhow", "ranges", async (sailor) => {
  // as sudo -u leaves one there
  const closed = sailor.host.file("closed");
  await sailor.host.shell(`mkdir ${closed}; chmod 700 ${closed}`);
  const become = sailor.become([sailor.dhowPath, ...[
    "run",
    "--rm",
    "--network",
    "none",
    "busybox",
    "echo",
    "ran",
  ]])
    .filter((word) => !word.startsWith("--chdir="));
  const output = await sailor.host.run(["env", `--chdir=${closed}`, ...become]);
  assertEquals([output.code, output.stdout, output.stderr], [0, "ran\n", ""]);
});

sailorTest("version and help need no user namespace, nor a home", "single", async (sailor) => {
  for (const args of [["version"], ["--help"], ["run", "--help"]]) {
    const output = await sailor.host.run(
      sailor.become([sailor.dhowPath, ...args], ["HOME=/nowhere", "XDG_DATA_HOME=/nowhere"]),
    );
    assertEquals([output.code, output.stderr], [0, ""]);
  }
});
