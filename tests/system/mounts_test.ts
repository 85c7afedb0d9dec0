import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess, busyboxShell, runBusybox } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

async function makeFolder(host: Host, name: string): Promise<string> {
  const path = host.file(name);
  await host.shell(`mkdir -p ${path}; echo of-host >${path}/file`);
  return path;
}

systemTest("-v mounts a folder or a file of the host, writable or read-only", async (host) => {
  const path = await makeFolder(host, "data");
  const flags = ["-v", `${path}:/new/data`, "-v", `${path}:/ro:ro`, "-v", `${path}/file:/bin/one-file`];
  const said = await busyboxShell(
    host,
    "cat /new/data/file /ro/file /bin/one-file; echo new >/new/data/new; touch /ro/x 2>/dev/null || echo refused",
    flags,
  );
  assertEquals(said, "of-host\nof-host\nof-host\nrefused\n");
  assertEquals(await host.shell(`cat ${path}/new`), "new\n");
});

systemTest("-v makes a folder that is not there, --mount refuses", async (host) => {
  const path = host.file("missing/deep");
  assertSuccess(await runBusybox(host, ["touch", "/x/made"], ["-v", `${path}:/x`]));
  assertEquals(await host.shell(`ls ${path}`), "made\n");
  assertFailure(
    await runBusybox(host, ["true"], ["--mount", `type=bind,source=${path}-not,target=/x`]),
    125,
    /bind source path does not exist: .*deep-not/,
  );
});

systemTest("mounts in mounts come in the right order, whatever the order of the options", async (host) => {
  const path = await makeFolder(host, "outer");
  await makeFolder(host, "inner");
  const flags = ["-v", `${host.file("inner")}:/a/b/c`, "--tmpfs", "/a/b", "-v", `${path}:/a`];
  const said = await busyboxShell(host, "ls /a /a/b; awk '$2 ~ \"^/a\" { print $2 }' /proc/mounts", flags);
  assertEquals(said, "/a:\nb\nfile\n\n/a/b:\nc\n/a\n/a/b\n/a/b/c\n");
});

systemTest("a target that is a link in the image is where the link leads in the container", async (host) => {
  const path = await makeFolder(host, "data");
  const links = [
    { path: "up", type: "symlink", target: "../../../../../bin" },
    { path: "absolute", type: "symlink", target: "/var/run" },
    { path: "process", type: "symlink", target: "/proc/self" },
    { path: "nothing", type: "symlink", target: "/not/there" },
    { path: "deep/hop", type: "symlink", target: "../../../up/../gone/file" },
    { path: "circle", type: "symlink", target: "circle" },
    { path: "root", type: "symlink", target: "/" },
    { path: "fifo", type: "fifo" },
    { path: "proc/self", type: "directory" },
    { path: "var/run", type: "directory" },
  ] as const;
  const image = await host.write("image.tar", archive({ layers: [busyboxLayer(), [...links]] }));
  const run = (target: string, script: string) =>
    host.dhow(["run", "--network", "none", "-v", `${path}:${target}`, image, "sh", "-c", script]);

  assertEquals((await run("/up/sub", "cat /bin/sub/file")).stdout, "of-host\n");
  assertEquals((await run("/absolute", "cat /var/run/file")).stdout, "of-host\n");
  assertEquals((await run("/root/x", "cat /x/file")).stdout, "of-host\n");
  // what it leads to is made, as docker does it, wherever the link says that it is, in the container
  assertEquals(
    (await run("/nothing", "cat /not/there/file; readlink /nothing")).stdout,
    "of-host\n/not/there\n",
  );
  assertEquals((await run("/nothing/more", "cat /not/there/more/file")).stdout, "of-host\n");
  assertEquals((await run("/deep/hop", "cat /gone/file/file")).stdout, "of-host\n");
  const detached = [
    "run",
    "-d",
    "--name",
    "stays",
    "-v",
    `${path}/file:/deep/hop`,
    "--tmpfs",
    "/nothing/memory",
  ];
  assertSuccess(
    await host.dhow([
      ...detached,
      image,
      "sh",
      "-c",
      "cat /gone/file; grep -c /not/there/memory /proc/mounts",
    ]),
  );
  assertSuccess(await host.dhow(["wait", "stays"]));
  assertSuccess(await host.dhow(["start", "stays"]));
  assertSuccess(await host.dhow(["wait", "stays"]));
  assertEquals((await host.dhow(["logs", "stays"])).stdout, "of-host\n1\nof-host\n1\n");
  assertSuccess(await host.dhow(["rm", "stays"]));
  assertFailure(await run("/circle", "true"), 125, /cannot mount over "\/circle" of the image/);
  assertFailure(await run("/fifo", "true"), 125, /cannot mount over "\/fifo" of the image/);
  // /proc of the container lies over what the link meant
  const proc = await run("/process", "cat /proc/self/comm; ls /proc/self/file 2>/dev/null");
  assertEquals(proc.stdout, "cat\n");
  assertEquals(await host.shell(`ls ${path}; [ ! -e /not ] && [ ! -e /bin/sub ]`), "file\n");
});

systemTest("dhow's files of /etc go into a folder of the user's without removing its links", async (host) => {
  const path = await makeFolder(host, "etc");
  await host.shell(`cd ${path}; echo kept >target; ln -s target resolv.conf; ln -s /host/hosts hosts`);
  await host.shell(`ln -sf ../etc/target ${path}/hosts`);
  const said = await busyboxShell(host, "cat /etc/file; grep -c . /etc/resolv.conf", ["-v", `${path}:/etc`]);
  assertMatch(said, /^of-host\n\d+\n$/);
  assertEquals(await host.shell(`readlink ${path}/resolv.conf; cat ${path}/target`), "target\nkept\n");
});

systemTest("--tmpfs has its size and mode, and runs nothing unless told to", async (host) => {
  const flags = [
    "--tmpfs",
    "/a:size=64k,mode=700",
    "--tmpfs",
    "/b:exec",
    "--mount",
    "type=tmpfs,target=/c,readonly",
  ];
  const said = await busyboxShell(
    host,
    "stat -c %a /a /b; awk '$2 ~ \"^/[abc]$\" { print $2, $3, $4 }' /proc/mounts | sort",
    flags,
  );
  const [a, b, ...mounts] = said.trim().split("\n");
  assertEquals([a, b], ["700", "1777"]);
  assertMatch(mounts[0]!, /^\/a tmpfs rw,nosuid,nodev,noexec,.*size=64k,mode=700/);
  assertMatch(mounts[1]!, /^\/b tmpfs rw,nosuid,nodev,relatime/);
  assertMatch(mounts[2]!, /^\/c tmpfs ro,/);
});

systemTest("a mount takes the place of one that every container has", async (host) => {
  const path = await makeFolder(host, "data");
  const flags = ["-v", `${path}:/dev/shm`, "-v", `${path}/file:/etc/hosts`, "-v", `${path}:/dev/sub`];
  assertEquals(
    await busyboxShell(host, "cat /dev/shm/file /etc/hosts /dev/sub/file; [ -c /dev/null ]", flags),
    "of-host\nof-host\nof-host\n",
  );
});

systemTest(
  "propagation: rslave brings the host's later mounts, rshared takes them back, rprivate neither",
  async (host) => {
    const path = host.file("shared");
    await host.shell(
      `mkdir ${path}; mount -t tmpfs tmpfs ${path}; mount --make-shared ${path}; mkdir ${path}/a ${path}/b`,
    );
    const flags = ["rslave", "rshared", "rprivate"].flatMap((mode) => ["-v", `${path}:/${mode}:${mode}`]);
    const container = host.spawnDhow([
      "run",
      "-i",
      "--cap-add=SYS_ADMIN",
      "--network",
      "none",
      ...flags,
      await busyboxArchive(),
      "sh",
      "-euc",
      `echo ready; read x; for i in rslave rshared rprivate; do ls /$i/a; done
     mount -t tmpfs tmpfs /rshared/b; touch /rshared/b/of-container; echo done; read x; umount /rshared/b`,
    ]);
    try {
      await container.stdout.until(/ready\n/);
      await host.shell(`mount -t tmpfs tmpfs ${path}/a; touch ${path}/a/of-host`);
      await container.write("\n");
      await container.stdout.until(/done\n/);
      assertEquals(container.stdout.text, "ready\nof-host\nof-host\ndone\n");
      assertEquals(await host.shell(`ls ${path}/b`), "of-container\n");
      await container.write("\n");
    } finally {
      await container.output();
      await host.shell(`umount -R ${path}`);
    }
  },
);

systemTest("propagation needs a mount that is shared", async (host) => {
  const path = await makeFolder(host, "data");
  await host.shell(`mount -t tmpfs tmpfs ${path}; mount --make-private ${path}`);
  assertFailure(
    await runBusybox(host, ["true"], ["-v", `${path}:/x:rshared`]),
    125,
    /is mounted on .*data.*not a shared mount/,
  );
  await host.shell(`umount ${path}`);
});

systemTest("the explained script mounts the same, and fills volumes", async (host) => {
  const path = await makeFolder(host, "data");
  const args = [
    "run",
    "--network",
    "none",
    "--hostname",
    "x",
    "-v",
    `${path}:/new/data:ro`,
    "-v",
    `${path}/file:/one`,
    "-v",
    "named:/etc",
    "--tmpfs",
    "/t:size=64k,mode=700",
    await busyboxArchive(),
    "sh",
    "-c",
    "cat /new/data/file /one; ls /etc /t; stat -c %a /t; touch /new/data/x || echo refused; touch /etc/x",
  ];
  const ran = await host.dhow(args);
  const explained = await host.dhow(["explain", ...args]);
  assertEquals([explained.code, explained.stderr], [0, ""]);
  const byHand = await host.run(["sh", await host.write("explained.sh", explained.stdout)]);
  assertEquals([byHand.code, byHand.stdout, byHand.stderr], [ran.code, ran.stdout, ran.stderr]);
  assertSuccess(await host.dhow(["volume", "rm", "named"]));
});
