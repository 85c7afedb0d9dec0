import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { WaitingContainer } from "../support/running.ts";
import { systemTest } from "../support/system_test.ts";
import { Terminal } from "../support/terminal.ts";
import { setXattr, xattr } from "../support/xattr.ts";

/** Some of everything, made in the container. */
const MAKE_ALL = `
  mkdir -p /work/sub /work/private; cd /work
  echo text >file; ln file sub/link; ln -s /etc/passwd absolute; ln -s ../../../.. up; mkfifo fifo
  printf odd >"$(printf 'odd\\377\\376\\n!')"; echo x >"$(printf '%0255d' 0)"
  mkdir -p $(printf '%0120d' 1)/$(printf '%0120d' 2); echo deep >$(printf '%0120d' 1)/$(printf '%0120d' 2)/file
  truncate -s 30000000 sparse; printf data | dd of=sparse bs=1000 seek=20000 conv=notrunc 2>/dev/null
  dd if=/dev/urandom of=large bs=1000 count=2500 2>/dev/null
  mknod device c 7 3; mknod block b 8 1
  chown 1000:1001 file; chmod 4755 large; chmod 1777 sub; chmod 700 private; chown -h 5:6 up
  touch -d @1600000000 file sub; rm /etc/group; echo new >>/etc/passwd`;

/** struct vfs_cap_data, revision 2: what setcap(8) writes for cap_net_raw+ep. */
const CAPABILITY = Uint8Array.of(1, 0, 0, 2, 0, 0x20, ...new Array(14).fill(0));

/** All that find tells of a tree, with hashes of the files; without what is a mount point in the container. */
async function describe(host: Host, root: string): Promise<string> {
  const own = ["dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"];
  const prune = own.flatMap((path) => ["-path", `./${path}`, "-prune", "-o"]);
  const script = `cd "$0"
    find . -mindepth 1 "$@" -type d -printf '%p %m %U:%G %T@\\0' -o -mindepth 1 "$@" \\
      -printf '%p %y %m %U:%G %s %T@ %n %l\\0' | sort -z
    find . "$@" -type f -print0 | sort -z | xargs -0 sha256sum -z`;
  return (await host.succeed(["sh", "-euc", script, root, ...prune])).replaceAll("\0", "\n");
}

async function unpacked(host: Host, archive: string): Promise<string> {
  const folder = host.file("unpacked");
  await host.shell(
    `mkdir ${folder}; tar -C ${folder} --numeric-owner --xattrs --xattrs-include='*' -xpf ${archive}`,
  );
  return folder;
}

systemTest("export writes what the container sees, whatever its files are and are called", async (host) => {
  await using container = await WaitingContainer.start(host, "all", MAKE_ALL);
  const root = await container.root();
  setXattr(host.path(`${root}/work/large`), "security.capability", CAPABILITY);
  setXattr(host.path(`${root}/work`), "trusted.kept", Uint8Array.of(1, 0, 2));

  assertSuccess(await host.dhow(["export", "-o", host.file("all.tar"), "all"]));

  const folder = await unpacked(host, host.file("all.tar"));
  assertEquals(await describe(host, folder), await describe(host, root));
  const path = (name: string) => host.path(`${folder}/work/${name}`);
  assertEquals(xattr(path("large"), "security.capability"), new TextDecoder().decode(CAPABILITY));
  assertEquals(xattr(path(""), "trusted.kept"), "\x01\0\x02");
  assert(Deno.statSync(path("sparse")).blocks! * 512 < 1 << 20, "the holes were filled");
  assert(Deno.statSync(host.path(host.file("all.tar"))).size < 20 << 20, "the holes are in the archive");
});

systemTest("what is mounted in a container is not exported, only what it is mounted on", async (host) => {
  await using _container = await WaitingContainer.start(
    host,
    "mounts",
    "mount -t tmpfs tmpfs /var; echo x >/var/x",
    { flags: ["--cap-add", "SYS_ADMIN"] },
  );
  assertSuccess(await host.dhow(["export", "-o", host.file("it.tar"), "mounts"]));
  const list = await host.shell(`tar -tvf ${host.file("it.tar")} | awk '{ print $1, $3, $6 }'`);
  const below = (folder: string) => list.split("\n").filter((line) => line.includes(` ${folder}/`));
  assertEquals(["proc", "dev", "sys"].map((name) => below(name).length), [1, 1, 1]);
  for (const name of ["hosts", "hostname", "resolv.conf"]) {
    assertMatch(list, new RegExp(`^-\\S+ 0 etc/${name}$`, "m"));
  }
  assertEquals(below("var").map((line) => line.split(" ")[2]), ["var/", "var/www/", "var/www/index.html"]);
});

systemTest("a container with a user namespace is exported too", async (host) => {
  await using _container = await WaitingContainer.start(host, "user", "echo x >/new; rm /etc/group", {
    flags: ["--userns"],
  });
  assertSuccess(await host.dhow(["export", "-o", host.file("it.tar"), "user"]));
  const list = (await host.shell(`tar -tf ${host.file("it.tar")}`)).split("\n");
  assertEquals(["new", "etc/passwd", "etc/group"].map((name) => list.includes(name)), [true, true, false]);
});

systemTest(
  "a container that swaps folders for symlinks meanwhile gets nothing of the host's",
  async (host) => {
    await host.shell(`mkdir -p ${host.file("secret")}/sub; echo s >${host.file("secret")}/host-file`);
    await host.shell(`echo s >${host.file("secret")}/sub/host-file`);
    const script = `
    mkdir -p /w/d/sub /w/e; for i in $(seq 200); do : >/w/d/f$i; : >/w/d/sub/f$i; done
    while :; do
      mv /w/d /w/e/d; ln -s ${host.file("secret")} /w/d; mv /w/e/d/sub /w/e/sub
      ln -s ${host.file("secret")} /w/e/d/sub; rm /w/d /w/e/d/sub; mv /w/e/sub /w/e/d/sub; mv /w/e/d /w/d
    done &`;
    await using _container = await WaitingContainer.start(host, "swaps", script);
    for (let round = 0; round < 15; round++) {
      assertSuccess(await host.dhow(["export", "-o", host.file("it.tar"), "swaps"]));
      const list = await host.succeed(["tar", "-tf", host.file("it.tar")]);
      assertEquals([list.includes("bin/busybox"), list.includes("host-file")], [true, false]);
    }
  },
);

systemTest("a container is found by its name, its id and the start of it, while it runs", async (host) => {
  const archive = host.file("it.tar");
  {
    await using one = await WaitingContainer.start(host, "one", "cat /etc/hostname");
    await using _two = await WaitingContainer.start(host, "two", "");
    const [, id = ""] = one.printed.match(/^([0-9a-f]{12})\n/) ?? [];
    for (const name of ["one", id, id.slice(0, 11)]) {
      assertSuccess(await host.dhow(["export", "-o", archive, name]));
      const hostname = await host.succeed(["tar", "-xOf", archive, "etc/hostname"]);
      assertEquals(hostname, "", name);
    }
    assertFailure(
      await host.dhow(["export", "-o", archive, ""]),
      1,
      /invalid container name or ID: value is empty/,
    );
  }
  assertFailure(
    await host.dhow(["export", "-o", archive, "one"]),
    1,
    /No such container: one/,
  );
  assertFailure(await host.dhow(["export", "-o", archive]), 1, /one container/);
});

systemTest("export to a pipe writes the archive there; nobody reading it is no error", async (host) => {
  await using _container = await WaitingContainer.start(
    host,
    "piped",
    "dd if=/dev/zero of=/zeros bs=1000 count=5000 2>/dev/null",
  );
  assertMatch(await host.shell(`${DHOW} export piped | tar -tf -`), /^bin\/busybox\n/m);
  const script = `{ ${DHOW} export piped; echo $? >${host.file("code")}; } | head -c 10 | wc -c; cat ${
    host.file("code")
  }`;
  assertEquals((await host.run(["sh", "-c", script])).stderr, "");
  assertEquals((await host.shell(`cat ${host.file("code")}`)).trim(), "141");
});

systemTest("export does not write to a terminal", async (host) => {
  await using _container = await WaitingContainer.start(host, "tty", "");
  await using terminal = new Terminal(host, [DHOW, "export", "tty"]);
  await terminal.see(/cowardly refusing to export to a terminal: .*; use the -o flag or redirect/);
});

systemTest("export -o makes the whole file or none, and says what stands in its way", async (host) => {
  await using _container = await WaitingContainer.start(
    host,
    "out",
    "dd if=/dev/zero of=/zeros bs=1000 count=3000 2>/dev/null",
  );
  const small = host.file("small");
  await host.shell(`mkdir ${small}; mount -t tmpfs -o size=1m tmpfs ${small}; echo old >${small}/it.tar`);
  const full = await host.dhow(["export", "-o", `${small}/it.tar`, "out"]);
  assertFailure(full, 1, /cannot write to ".*it\.tar": .*space.*; free some space/i);
  assertEquals(
    await host.shell(`ls -A ${small}; cat ${small}/it.tar; umount ${small}; rmdir ${small}`),
    "it.tar\nold\n",
  );
  for (
    const [path, why] of [
      [host.file("none/it.tar"), /no directory/],
      [host.file(""), /is a directory/],
      ["/dev/null", /neither missing nor a regular file/],
      [host.file("n".repeat(256)), /file name too long \(ENAMETOOLONG\)/],
      ["", /names no file/],
    ] as const
  ) assertFailure(await host.dhow(["export", "-o", path, "out"]), 1, why);
});

systemTest("an export that is interrupted, or whose container ends, leaves no file", async (host) => {
  await using container = await WaitingContainer.start(
    host,
    "ends",
    "for i in $(seq 20000); do : >/tmp/$i; done",
  );
  await host.shell(`mkdir ${host.file("out")}`);
  const files = () => host.shell(`ls -A ${host.file("out")}`);
  const start = () => host.spawnDhow(["export", "-o", host.file("out/it.tar"), "ends"]);
  // it has no name yet
  const begun = async () => {
    const pid = await host.pidOf(`${DHOW} export`);
    await eventually(async () =>
      assertMatch(await host.shell(`ls -l /proc/${pid}/fd`), /out\/#\d+ \(deleted\)/)
    );
  };
  {
    await using exporting = start();
    await begun();
    await exporting.kill("INT");
    assertFailure(await exporting.output(), 1, /interrupted \(SIGINT\)/);
    assertEquals(await files(), "");
  }
  await using exporting = start();
  await begun();
  await container[Symbol.asyncDispose]();
  const output = await exporting.output();
  assertFailure(output, 1, /the container has ended meanwhile/);
  assertEquals(await files(), "");
});
