import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { DHOW, type Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { WaitingContainer } from "../support/running.ts";
import { systemTest } from "../support/system_test.ts";

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout;
}

/** Does the same with a container that runs and with one that does not. */
function bothWays(
  name: string,
  script: string,
  test: (host: Host, container: string) => Promise<void>,
): void {
  systemTest(`${name}, of a container that runs`, async (host) => {
    await using container = await WaitingContainer.start(host, "it", script);
    await test(host, container.name);
  });
  systemTest(`${name}, of a container that has ended`, async (host) => {
    await dhow(
      host,
      "run",
      "-d",
      "--network",
      "none",
      "--name",
      "it",
      await busyboxArchive(),
      "sh",
      "-euc",
      script,
    );
    assertEquals(await dhow(host, "wait", "it"), "0\n");
    try {
      await test(host, "it");
    } finally {
      await dhow(host, "rm", "it");
    }
  });
}

const TREE = `mkdir -p /d/sub /e; echo one >/d/file; chown 5:6 /d/file; chmod 4750 /d/file; ln -s file /d/link
  ln /d/file /d/sub/again; ln -s /d /to-d; ln -s /etc/passwd /to-file; ln -s /nowhere /to-nothing; mkfifo /d/pipe`;

bothWays("cp copies files and folders out, by docker's rules of names", TREE, async (host, it) => {
  const at = (name: string) => host.file(name);
  const list = (name: string) => host.shell(`cd ${at(name)}; find . | sort`);
  const tree = (top: string) =>
    ["", "/file", "/link", "/pipe", "/sub", "/sub/again"].map((name) => `${top}${name}\n`).join("");
  await dhow(host, "cp", `${it}:/d`, at("new"));
  assertEquals(await list("new"), tree("."));
  assertEquals(
    await host.shell(`cd ${at("new")}; stat -c '%a %u:%g %h' file; readlink link; cat sub/again`),
    "4750 0:0 2\nfile\none\n",
  );
  await host.shell(`mkdir ${at("there")} ${at("other")}`);
  await dhow(host, "cp", `${it}:/d`, at("there"));
  assertEquals(await list("there"), `.\n${tree("./d")}`);
  await dhow(host, "cp", "-a", `${it}:d/.`, at("other"));
  assertEquals(await list("other"), tree("."));
  assertEquals(await host.shell(`stat -c %u:%g ${at("other")}/file`), "5:6\n");
  await dhow(host, "cp", `${it}:/d/file`, at("renamed"));
  await dhow(host, "cp", `${it}:/d/file`, at("there"));
  assertEquals(await host.shell(`cat ${at("renamed")} ${at("there")}/file`), "one\none\n");
  // a symlink is copied as one, unless -L or a slash asks for what it leads to
  await dhow(host, "cp", `${it}:/to-d`, at("link"));
  assertEquals(await host.shell(`readlink ${at("link")}`), "/d\n");
  await dhow(host, "cp", "-L", `${it}:/to-d`, at("followed"));
  assertEquals(await list("followed"), tree("."));
  await dhow(host, "cp", `${it}:/to-d/file`, at("through"));
  await dhow(host, "cp", "-L", `${it}:/to-file`, at("passwd"));
  assertMatch(await host.shell(`cat ${at("passwd")}`), /^root:/);
  // what a link at the target leads to is written, also when it is not there yet
  await host.shell(`ln -s pointed ${at("pointer")}`);
  await dhow(host, "cp", `${it}:/d/file`, at("pointer"));
  assertEquals(await host.shell(`readlink ${at("pointer")}; cat ${at("pointed")}`), "pointed\none\n");
  // a device is not replaced by a file
  await host.shell(`mknod ${at("null")} c 1 3`);
  assertFailure(await host.dhow(["cp", `${it}:/d/file`, at("null")]), 1, /no directory and no regular file/);
  assertEquals(await host.shell(`stat -c %F ${at("null")}`), "character special file\n");
  assertFailure(await host.dhow(["cp", `${it}:`, at("x")]), 1, /no path follows the container's name/);
});

bothWays(
  "cp copies files and folders in, by docker's rules of names",
  `${TREE}; ln -s not-yet /d/to-new`,
  async (host, it) => {
    const at = (name: string) => host.file(name);
    await host.shell(
      `mkdir -p ${at("in")}/sub; echo new >${at("in")}/file; echo x >${at("in")}/sub/x; ln -s file ${
        at("in")
      }/l`,
    );
    const read = async (path: string) => {
      await dhow(host, "cp", "-L", `${it}:${path}`, at("read"));
      return await host.shell(`cat ${at("read")}; rm ${at("read")}`);
    };
    await dhow(host, "cp", at("in"), `${it}:/e`);
    assertEquals(await read("/e/in/sub/x"), "x\n");
    await dhow(host, "cp", `${at("in")}/.`, `${it}:/e`);
    assertEquals(await read("/e/l"), "new\n");
    await dhow(host, "cp", at("in"), `${it}:/made`);
    assertEquals(await read("/made/file"), "new\n");
    await dhow(host, "cp", `${at("in")}/file`, `${it}:/d/file`);
    assertEquals(await read("/d/file"), "new\n");
    await dhow(host, "cp", `${at("in")}/file`, `${it}:/to-d`);
    await dhow(host, "cp", `${at("in")}/file`, `${it}:/to-d/via`);
    assertEquals(await read("/d/via"), "new\n");
    await dhow(host, "cp", `${at("in")}/file`, `${it}:/d/to-new`);
    assertEquals(await read("/d/not-yet"), "new\n");
    assertEquals(await read("/d/to-new"), "new\n");
    assertFailure(
      await host.dhow(["cp", `${at("in")}/file`, `${it}:/d/pipe`]),
      1,
      /no directory and no regular file/,
    );
    const fail = async (pattern: RegExp, ...args: string[]) =>
      assertFailure(await host.dhow(["cp", ...args]), 1, pattern);
    await fail(/no such directory/, `${at("in")}/file`, `${it}:/not/there/x`);
    await fail(/destination directory must exist/, `${at("in")}/file`, `${it}:/not-there/`);
    await fail(/cannot copy directory: to a file/, at("in"), `${it}:/d/file`);
    await fail(/not a directory/, `${at("in")}/file`, `${it}:/d/file/`);
    await fail(/Could not find the file: \/none in container it/, `${it}:/none`, at("x"));
    await fail(/lstat .*none: no such file or directory/, at("none"), `${it}:/`);
    await fail(/copying between containers is not supported/, `${it}:/d`, `${it}:/e`);
    await fail(/must specify at least one container source/, at("in"), at("x"));
    await fail(/No such container: other/, "other:/d", at("x"));
  },
);

bothWays("cp reads and writes tars", TREE, async (host, it) => {
  const { code, stdout, stderr } = await host.run([
    "sh",
    "-euc",
    `"$0" cp ${it}:/d - | tar -tf -; echo of-tar >/run/t; tar -C /run -cf - t | "$0" cp - ${it}:/to-d; "$0" cp ${it}:/d/t /run/back; cat /run/back; tar -C /run -czf - t | "$0" cp - ${it}:/; "$0" cp ${it}:/t /run/back; cat /run/back; rm /run/t /run/back`,
    "/proc/self/exe",
  ].map((word) => word === "/proc/self/exe" ? DHOW : word));
  assertEquals([code, stderr, stdout], [
    0,
    "",
    "d/\nd/file\nd/link\nd/pipe\nd/sub/\nd/sub/again\nof-tar\nof-tar\n",
  ]);
});

bothWays("links of a container lead a copy nowhere but into the container", "", async (host, it) => {
  await host.shell(`mkdir -p ${host.file("secret")}; echo secret >${host.file("secret")}/file`);
  const secret = host.file("secret");
  await host.shell(
    `mkdir /run/links; cd /run/links; ln -s ${secret} host; ln -s ../../../../../../..${secret} up; ln -s /proc/1/root${secret} prc; ln -s /proc/self/root${secret} self`,
  );
  await dhow(host, "cp", "/run/links/.", `${it}:/`);
  await host.shell("rm -r /run/links; echo mine >/run/mine");
  for (const name of ["host", "up", "prc", "self"]) {
    const out = await host.dhow(["cp", `${it}:/${name}/file`, "/run/stolen"]);
    assertEquals([out.code, /Could not find the file/.test(out.stderr)], [1, true], out.stderr);
    await host.dhow(["cp", "/run/mine", `${it}:/${name}/file`]);
    await host.dhow(["cp", "-L", `${it}:/${name}`, "/run/stolen"]);
  }
  assertEquals(
    await host.shell(`cat ${secret}/*; ls ${secret}; [ ! -e /run/stolen ]; rm /run/mine`),
    "secret\nfile\n",
  );
});

systemTest(
  "a container that swaps folders for links while it is copied to and from gets nothing of the host's",
  async (host) => {
    const secret = host.file("secret");
    await host.shell(`mkdir -p ${secret}/sub; echo s >${secret}/host-file; echo s >${secret}/sub/host-file`);
    const script = `mkdir -p /w/d/sub; for i in $(seq 50); do echo c >/w/d/f$i; done
    while :; do mv /w/d /w/e; ln -s ${secret} /w/d; touch /w; touch /w; rm /w/d; mv /w/e /w/d; done &`;
    await using _container = await WaitingContainer.start(host, "swaps", script);
    await host.shell("mkdir -p /run/in/sub; echo mine >/run/in/written; echo mine >/run/in/sub/written");
    for (let round = 0; round < 10; round++) {
      await host.dhow(["cp", "swaps:/w/d", `/run/out${round}`]);
      await host.dhow(["cp", "/run/in/.", "swaps:/w/d"]);
    }
    assertEquals(
      await host.shell(`find ${secret} | sort; find /run/out* -name host-file`),
      `${secret}\n${secret}/host-file\n${secret}/sub\n${secret}/sub/host-file\n`,
    );
    await host.shell("rm -r /run/in /run/out*");
  },
);

systemTest(
  "cp reaches the volumes of a container, whether it runs or not, and ones that it never started",
  async (host) => {
    await dhow(
      host,
      "create",
      "--network",
      "none",
      "--name",
      "it",
      "-v",
      "data:/data",
      await busyboxArchive(),
      "cat",
      "/data/x",
      "/y",
    );
    try {
      await host.shell("echo x >/run/x");
      await dhow(host, "cp", "/run/x", "it:/data/x");
      await dhow(host, "cp", "/run/x", "it:/y");
      assertEquals(await host.shell("cat /var/lib/dhow/volumes/data/_data/x; rm /run/x"), "x\n");
      await dhow(host, "start", "it");
      assertEquals(await dhow(host, "wait", "it"), "0\n");
      assertEquals(await dhow(host, "logs", "it"), "x\nx\n");
      assertEquals(await dhow(host, "diff", "it"), "A /data\nA /y\n");
    } finally {
      await dhow(host, "rm", "it");
      await dhow(host, "volume", "rm", "data");
    }
  },
);

bothWays(
  "diff lists what was added, changed and deleted",
  "echo x >/new; echo y >>/etc/passwd; rm /etc/group; mkdir /dir; touch /dir/in",
  async (host, it) => {
    assertEquals(
      await dhow(host, "diff", it),
      "A /dir\nA /dir/in\nC /etc\nD /etc/group\nC /etc/passwd\nA /new\n",
    );
  },
);

systemTest("export and commit take containers that have ended, or were never started", async (host) => {
  const path = await busyboxArchive();
  await dhow(host, "load", "-q", "-i", path);
  await dhow(
    host,
    "run",
    "-d",
    "--network",
    "none",
    "--name",
    "ended",
    path,
    "sh",
    "-c",
    "echo x >/new; rm /etc/group",
  );
  await dhow(host, "wait", "ended");
  await dhow(host, "create", "--network", "none", "--name", "fresh", path, "true");
  try {
    for (const [name, isNew] of [["ended", true], ["fresh", false]] as const) {
      await dhow(host, "export", "-o", host.file("it.tar"), name);
      const list = (await host.shell(`tar -tf ${host.file("it.tar")}`)).split("\n");
      assertEquals([list.includes("new"), list.includes("etc/group"), list.includes("bin/busybox")], [
        isNew,
        !isNew,
        true,
      ]);
      await dhow(host, "commit", name, `of-${name}`);
      const ls = await dhow(host, "run", "--network", "none", `of-${name}`, "sh", "-c", "ls / /etc");
      assertEquals([/^new$/m.test(ls), /^group$/m.test(ls)], [isNew, !isNew]);
    }
  } finally {
    await dhow(host, "rm", "ended", "fresh");
    await dhow(host, "rmi", "-f", "of-ended", "of-fresh");
    await dhow(host, "image", "prune", "-a", "-f");
  }
});
