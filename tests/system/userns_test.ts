import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { assertFailure, assertSuccess, busyboxShell, runBusybox } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { killedAtEach } from "../support/faults.ts";
import { DHOW, type Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import { type Method, METHODS, rangeOf, useMethod } from "../support/own_ids.ts";
import { systemTest } from "../support/system_test.ts";
import { Terminal } from "../support/terminal.ts";

const AUTO = ["--userns", "auto"];

/** struct vfs_cap_data of version 2: CAP_DAC_OVERRIDE, permitted and effective. */
const CAPABLE = "\x01\0\0\x02\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/** Files of all kinds, of several users, over two layers. */
function ownedImage(): Uint8Array {
  const program = busyboxLayer().find(({ path }) => path === "bin/busybox");
  const group = "root:x:0:\ntty:x:5:\napp:x:1001:\nextra:x:2000:app\nfar:x:70000:app\n";
  return archive({
    tags: ["owned:latest"],
    layers: [
      [
        ...busyboxLayer(),
        { path: "etc/", type: "directory" },
        { path: "etc/passwd", content: "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n" },
        { path: "etc/group", content: group },
        { path: "secret", content: "of root\n", mode: 0o600 },
        {
          path: "tools/cat",
          content: program?.content ?? "",
          mode: 0o755,
          pax: { "SCHILY.xattr.security.capability": CAPABLE },
        },
        { path: "d/", type: "directory", mode: 0o2775, uid: 7, gid: 8 },
        { path: "d/setuid", content: "x", mode: 0o4755, uid: 1000, gid: 1001 },
        { path: "d/again", type: "hardlink", target: "d/setuid" },
        { path: "d/link", type: "symlink", target: "nowhere", uid: 5, gid: 6 },
        { path: "d/gone", content: "x" },
        { path: "hidden/", type: "directory", uid: 9 },
        { path: "hidden/below", content: "x" },
      ],
      [
        { path: "d/", type: "directory", mode: 0o2775, uid: 7, gid: 8 },
        { path: "d/.wh.gone" },
        { path: "hidden/", type: "directory", uid: 10, gid: 11 },
        { path: "hidden/.wh..wh..opq" },
        { path: "hidden/new", content: "n", uid: 65535, gid: 65535 },
      ],
    ],
    config: { Cmd: ["sh"] },
  });
}

const LOOK = `find / -xdev -mindepth 1 -path /etc -prune -o -exec stat -c '%n %u:%g %a %F' {} + |
    grep -vE '^/(bin|proc|sys|dev|tmp)' | sort; stat -c '%n %u:%g %a %h' /etc/passwd /d/setuid; cd /d; readlink link`;

/** The same test on a host that has idmapped mounts, and on one that has not. */
function withEachMethod(name: string, test: (host: Host, method: Method) => Promise<void>): void {
  for (const method of METHODS) {
    systemTest(`${name} (${method})`, async (host) => {
      await useMethod(host, method);
      await test(host, method);
    });
  }
}

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout;
}

withEachMethod(
  "files have the owners in a container with ids of its own that they have in the image",
  async (host) => {
    const image = await host.write("owned.tar", ownedImage());
    const see = (...flags: string[]) =>
      dhow(host, "run", "--network", "none", ...flags, image, "sh", "-euc", LOOK);
    const plain = await see();
    assertMatch(plain, /^\/d 7:8 2775 directory$/m);
    assertMatch(plain, /^\/d\/again 1000:1001 4755 regular file$/m);
    assertMatch(plain, /^\/hidden\/new 65535:65535 /m);
    assertEquals(await see(...AUTO), plain);
    assertEquals(await see("--uidmap", "0:300000:65536"), plain);
    // a program with capabilities has them: it reads what is closed to its user
    const read = ["run", "--network", "none", ...AUTO, "-u", "app", image];
    assertEquals(await dhow(host, ...read, "/tools/cat", "/secret"), "of root\n");
    assertEquals((await host.dhow([...read, "cat", "/secret"])).code, 1);
    // groups that are there, of those that the image names
    assertEquals(await dhow(host, ...read, "id", "-G"), "1001 2000\n");
  },
);

systemTest("the root of a container with ids of its own is nobody on the host", async (host) => {
  const script = "cat /proc/self/uid_map /proc/self/gid_map; id -u; cat /proc/sys/net/ipv4/ping_group_range";
  const seen = await busyboxShell(host, script, AUTO);
  const [uids = "", gids, id, pings] = seen.split("\n").map((line) => line.trim().split(/\s+/).join(" "));
  assertMatch(uids, /^0 18790481\d\d 65536$/);
  assertEquals([gids, id, pings], [uids, "0", "0 65535"]);
});

systemTest(
  "what is mounted over the host's root directory does not come to lie over the container's",
  async (host) => {
    for (const flags of [[], ["--userns"], AUTO]) {
      const script =
        "cd /; for path in / /.. /etc/.. /../..; do stat -c %d:%i $path; done | uniq | wc -l; ls /../bin/sh";
      assertEquals(await busyboxShell(host, script, flags), "1\n/../bin/sh\n", flags.join(" "));
    }
  },
);

withEachMethod("the root of a container with ids of its own has no power over the host", async (host) => {
  await host.shell(`mkdir ${host.file("closed")}; cd ${host.file("closed")}
    echo secret >file; chmod 600 file; echo open >open; chmod 666 open; chmod 755 .`);
  const attempts = `
    cat /host/file; echo bad >/host/file; echo bad >/host/new; chmod 777 /host/file; chown 0 /host/file; rm -f /host/file
    mv /host/file /host/moved; ln /host/file /tmp/link; mknod /tmp/disk b 8 0; echo bad >/proc/sysrq-trigger
    date -s 2000-01-01; mount -o remount,rw /sys; echo 1 >/proc/sys/kernel/core_uses_pid; swapoff -a 2>&1
    cat /host/open; echo more >>/host/open; true`;
  for (const flags of [[], ["--privileged"], ["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]]) {
    const mounted = ["-v", `${host.file("closed")}:/host`, ...AUTO, ...flags];
    const { code, stdout } = await runBusybox(host, ["sh", "-c", attempts], mounted);
    assertEquals(code, 0);
    assert(!stdout.includes("secret"), stdout);
    const left = `cd ${host.file("closed")}; stat -c '%n %a %u:%g' .; ls; cat file; date +%Y`;
    const [folder, ...rest] = (await host.shell(left)).split("\n");
    assertEquals([folder, ...rest.slice(0, 3)], [". 755 0:0", "file", "open", "secret"], flags.join(" "));
    assertNotEquals(rest[3], "2000");
  }
  // what anybody may do there, it may do
  assertEquals(await host.shell(`cat ${host.file("closed")}/open`), "open\nmore\nmore\nmore\n");
});

detachedTest(
  "no two containers have an id of the host in common, and a removed one gives its own back",
  async (it, host) => {
    await host.shell(
      "printf 'someone:1879048192:100000\\n' >/etc/subuid; printf 'other:1879200000:10\\n' >/etc/subgid",
    );
    const names = Array.from({ length: 6 }, (_, index) => `auto${index}`);
    await Promise.all(
      names.map((name) => it.dhow("create", "--name", name, ...AUTO, "--network", "none", "busybox")),
    );
    const taken = [{ start: 1879048192, size: 100000 }, { start: 1879200000, size: 10 }];
    const ranges = await Promise.all(names.map((name) => rangeOf(host, name)));
    const all = [...taken, ...ranges].toSorted((a, b) => a.start - b.start);
    for (const [index, range] of all.slice(1).entries()) {
      assert(all[index]!.start + all[index]!.size <= range.start, JSON.stringify(all));
    }
    assert(ranges.every(({ size }) => size === 65536));
    const [first] = ranges.toSorted((a, b) => a.start - b.start);
    const owner = names[ranges.indexOf(first!)]!;
    await it.dhow("rm", owner);
    assertEquals(await it.dhow("run", "--rm", ...AUTO, "--network", "none", "busybox", "id", "-u"), "0");
    await it.dhow("create", "--name", "next", ...AUTO, "--network", "none", "busybox");
    assertEquals(await rangeOf(host, "next"), first);
    await it.dhow("create", "--name", "small", "--userns=auto:size=1000,uidmapping=5:5:1", "busybox");
    assertEquals(
      await it.inspect("small", "{{len .HostConfig.IDMappings.UidMap}} {{.HostConfig.UsernsMode}}"),
      "3 auto",
    );
  },
);

detachedTest(
  "ranges of the user containers in /etc/subuid and /etc/subgid are used, and their end is told of",
  async (it, host) => {
    await host.shell("echo containers:500000:70000 >/etc/subuid; echo containers:490000:80000 >/etc/subgid");
    await it.named("first", undefined, AUTO);
    assertEquals(await rangeOf(host, "first"), { start: 500000, size: 65536 });
    assertEquals(
      await it.dhow("exec", "first", "cat", "/proc/self/gid_map"),
      "         0     500000      65536",
    );
    const refused = await host.dhow(["run", "--network", "none", ...AUTO, "busybox", "true"]);
    assertFailure(refused, 125, /no 65536 ids in a row are free/, /\/etc\/subuid/);
    assertEquals(
      await it.dhow("run", "--network", "none", "--userns", "auto:size=2000", "busybox", "id", "-u"),
      "0",
    );
  },
);

for (const method of METHODS) {
  detachedTest(
    `what works with a container works with one that has ids of its own (${method})`,
    async (it, host) => {
      await useMethod(host, method);
      const script =
        "echo a >/a; chown 5:6 /a; chmod 4750 /a; rm -f /etc/passwd; mkdir -p /d; echo up; exec sleep 1000";
      await it.named("box", ["sh", "-euc", script], [...AUTO, "--health-cmd", "test -e /a"]);
      const { start } = await rangeOf(host, "box");
      assertEquals(await it.dhow("exec", "box", "stat", "-c", "%u:%g %a", "/a"), "5:6 4750");
      assertEquals(await it.dhow("exec", "-u", "7:8", "box", "id", "-u"), "7");
      const pid = await it.inspect("box", "{{.State.Pid}}");
      assertEquals((await host.shell(`stat -c %u:%g /proc/${pid}`)).trim(), `${start}:${start}`);
      await host.shell(`echo data >${host.file("data")}; chown 7:8 ${host.file("data")}`);
      const look = "stat -c '%n %u:%g %a' /a /d /data; ls /etc/passwd 2>&1";
      const seen = "/a 5:6 4750\n/d 0:0 755\n/data 7:8 644\nls: /etc/passwd: No such file or directory";
      const list = (tar: string) =>
        host.shell(
          `tar --numeric-owner -tvf ${tar} | awk '{ print $1, $2, $NF }' | grep -E ' (a|d/|data|bin/)$'`,
        );
      const exported = "-rwsr-x--- 5/6 a\ndrwxr-xr-x 0/0 bin/\ndrwxr-xr-x 0/0 d/\n-rw-r--r-- 7/8 data\n";
      const compare = async (state: string) => {
        await it.dhow("cp", host.file("data"), "box:/data");
        await it.dhow("cp", "-a", "box:/a", host.file(`a-${state}`));
        assertEquals(await host.shell(`stat -c %u:%g ${host.file(`a-${state}`)}`), "5:6\n");
        await it.dhow("export", "-o", host.file("it.tar"), "box");
        assertEquals(await list(host.file("it.tar")), exported, state);
        const changes = (await it.dhow("diff", "box")).split("\n").filter((line) => !line.endsWith("/etc"));
        assertEquals(changes, ["A /a", "A /d", "A /data", "D /etc/passwd"], state);
        await it.dhow("commit", "box", state);
        assertEquals(
          await it.dhow("run", "--network", "none", state, "sh", "-c", `${look}; true`),
          seen,
          state,
        );
      };
      await compare("running");
      await it.dhow("stop", "-t", "0", "box");
      await compare("stopped");
      await it.dhow("start", "box");
      assertEquals(await it.dhow("exec", "box", "sh", "-c", `${look}; true`), seen);
      assertEquals((await rangeOf(host, "box")).start, start);
      assertMatch(await it.dhow("top", "box"), /sleep 1000/);
      assertMatch(await it.dhow("stats", "--no-stream", "box"), /box/);
      assertEquals(
        await it.dhow("run", "--network", "none", "--init", ...AUTO, "busybox", "sh", "-c", "echo $$"),
        "2",
      );
    },
  );

  detachedTest(
    `a container with ids of its own that was never started can be copied into (${method})`,
    async (it, host) => {
      await useMethod(host, method);
      await it.dhow(
        "create",
        "--name",
        "box",
        "--network",
        "none",
        ...AUTO,
        "busybox",
        "stat",
        "-c",
        "%u:%g",
        "/data",
      );
      await host.shell(`echo data >${host.file("data")}; chown 7:8 ${host.file("data")}`);
      await it.dhow("cp", host.file("data"), "box:/data");
      assertEquals(await it.dhow("start", "-a", "box"), "7:8");
    },
  );
}

/** Bytes of all images, and what of that can be had back, as system df tells of them. */
const IMAGES = '{{if eq .Type "Images"}}{{.Size}} {{.Reclaimable}}{{end}}';

detachedTest("containers with the same ids share one copy of their image", async (it, host) => {
  await useMethod(host, "copy");
  const copies = async () => (await host.shell("ls /var/lib/dhow/copies")).trim().split("\n").join(" ");
  const images = async () => (await it.dhow("system", "df", "--format", IMAGES)).trim().replace(/ \(.*/, "");
  const [size, nothing] = (await images()).split(" ");
  assertEquals(nothing, size); // nobody has the image
  const same = ["--uidmap", "0:300000:65536"];
  await Promise.all(["one", "two"].map((name) => it.named(name, undefined, same)));
  assertEquals(await copies(), "1");
  await it.dhow("exec", "one", "sh", "-c", "rm /bin/wget; echo own >/new");
  assertEquals(
    await it.dhow("exec", "two", "sh", "-c", "ls /bin/wget; ls /new 2>&1 | wc -l"),
    "/bin/wget\n1",
  );
  await it.dhow("run", "--rm", "--network", "none", "--uidmap", "0:400000:65536", "busybox", "true");
  assertEquals(await copies(), "1 2");
  // the image, and twice the same; one of the copies is nobody's
  const [all, unused] = (await images()).split(" ").map((text) => parseFloat(text).toFixed(1));
  const once = parseFloat(size!);
  assertEquals([all, unused], [(3 * once).toFixed(1), once.toFixed(1)]);
  // a program that the image has as setuid is none of the host users' business
  assertMatch(
    await host.shell("stat -c '%a %u:%g' /var/lib/dhow/copies /var/lib/dhow/copies/1"),
    /^700 0:0\n700 300000:300000\n$/,
  );
  assertMatch(await it.dhow("image", "prune", "-f"), /^Total reclaimed space: [1-9]/);
  assertEquals(await copies(), "1");
  assertEquals(await it.dhow("exec", "two", "echo", "there"), "there");
  await it.dhow("rm", "-f", "one", "two");
  await it.dhow("run", "--rm", "--network", "none", ...same, "busybox", "true");
  assertEquals(await copies(), "1");
  // it goes with the last image of its layers
  await it.dhow("tag", "busybox", "another");
  await it.dhow("rmi", "busybox");
  assertEquals(await copies(), "1");
  await it.dhow("rmi", "another");
  assertEquals(await copies(), "");
});

systemTest("a copy that was not finished is made anew, and nothing of it stays", async (host) => {
  const image = await host.write("owned.tar", ownedImage());
  await dhow(host, "load", "-q", "-i", image);
  await useMethod(host, "copy");
  await killedAtEach(5, async (step) => {
    const run = [
      "run",
      "--network",
      "none",
      "--uidmap",
      "0:300000:65536",
      "owned",
      "stat",
      "-c",
      "%u:%g",
      "/d",
    ];
    const { code, stdout, stderr } = await host.dhow(run, { env: { DHOW_FAULT: `kill-after:${step}` } });
    assert([0, 137].includes(code), `step ${step}: exit code ${code}: ${stderr}`);
    if (code === 0) assertEquals(stdout, "7:8\n");
    await dhow(host, "image", "prune", "-f");
    assertEquals(
      await host.shell("ls /var/lib/dhow/copies 2>&1 | grep -v 'No such' || true"),
      "",
      `step ${step}`,
    );
    assertEquals(await host.shell("ls -A /var/lib/dhow/containers 2>/dev/null || true"), "", `step ${step}`);
    return code === 137;
  });
});

detachedTest("containers with ids of their own share volumes, and binds with idmap", async (it, host) => {
  const run = (flags: readonly string[], script: string) =>
    it.dhow("run", "--network", "none", ...flags, "busybox", "sh", "-euc", script);
  await it.named("other", undefined, AUTO); // so that the next one has other ids
  await run([...AUTO, "-v", "shared:/v"], "echo one >/v/file; chown 5:6 /v/file; chmod 600 /v/file");
  const look = "stat -c %u:%g /v/file; cat /v/file";
  await it.dhow("rm", "-f", "other");
  assertEquals(await run([...AUTO, "-v", "shared:/v"], look), "5:6\none");
  assertEquals(await run(["-v", "shared:/v"], look), "5:6\none");
  await host.shell(
    `mkdir ${host.file("mine")}; echo one >${host.file("mine")}/file; chmod 600 ${host.file("mine")}/file`,
  );
  const bind = `${host.file("mine")}:/v:idmap`;
  assertEquals(await run([...AUTO, "-v", bind], `${look}; echo two >/v/new`), "0:0\none");
  const mount = `type=bind,source=${host.file("mine")},target=/v,idmap`;
  assertEquals(await run([...AUTO, "--mount", mount], "stat -c %u:%g /v/new"), "0:0");
  assertEquals(await host.shell(`stat -c %u:%g ${host.file("mine")}/new`), "0:0\n");
  assertFailure(await host.dhow(["run", "-v", bind, "busybox"]), 125, /idmap/, /--userns auto/);
  await it.dhow("volume", "rm", "shared");
});

systemTest(
  "a container with ids of its own has a network, a terminal of its own, and its output as files",
  async (host) => {
    const image = await busyboxArchive();
    const net = await host.dhow([
      "run",
      ...AUTO,
      image,
      "sh",
      "-c",
      "wget -qO- http://web.example.test/cgi-bin/address",
    ]);
    assertEquals([net.code, net.stdout], [0, "198.51.100.2\n"], net.stderr);
    const shared = await runBusybox(host, ["ls", "/sys/class/net"], ["--network", "host", ...AUTO]);
    assertEquals(shared.code, 0, shared.stderr);
    for (const flags of [AUTO, [...AUTO, "-u", "1000:1000"], ["-u", "1000:1000"]]) {
      const pipes = "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin";
      const { stdout, stderr } = await runBusybox(host, ["sh", "-c", pipes], [...flags, "-i"], {
        stdin: "in\n",
      });
      assertEquals([stdout, stderr], ["out\nin\n", "err\n"], flags.join(" "));
    }
    const script = "stat -c '%u:%g %a' $(tty) /dev/console; echo done";
    await using terminal = new Terminal(host, [
      DHOW,
      "run",
      "-it",
      "--network",
      "none",
      ...AUTO,
      image,
      "sh",
      "-c",
      script,
    ]);
    await terminal.see(/^0:5 620\r\n0:5 620\r\ndone/m);
    assertEquals(await terminal.exitCode(), 0);
  },
);

systemTest("ids that cannot be are refused", async (host) => {
  const refused = async (flags: readonly string[], ...parts: RegExp[]) =>
    assertFailure(await runBusybox(host, ["true"], flags), 125, ...parts);
  await refused(
    ["--uidmap", "0:1000:10", "--uidmap", "5:5000:10"],
    /ids from 5 of the container are mapped twice/,
  );
  await refused(
    ["--uidmap", "0:1000:10", "--uidmap", "50:1005:10"],
    /ids from 1005 of the host are given twice/,
  );
  await refused(["--gidmap", "1:1000:10"], /id 0 of the container is not mapped/);
  await refused(["--uidmap", "0:1000:0"], /no range of ids/, /CONTAINER:HOST:SIZE/);
  await refused(["--uidmap", "x"], /no range of ids/);
  await refused(["--userns=keep-id"], /ordinary user/);
  await refused(["--userns=nobody"], /there is no --userns "nobody"/);
  await refused(["--userns=auto:many=1"], /"many=1" is not understood/);
  await refused(["--userns", "auto", "--uidmap", "0:1:1"], /contradict each other/);
  await refused([...AUTO, "--pid", "host"], /contradict each other/);
  await refused(["--uidmap", "0:200000:10", "-u", "1000"], /cannot become user 1000/);
});
