import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess, runBusybox } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { archive, type ImageOptions } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

const data = (name: string) => `/var/lib/dhow/volumes/${name}/_data`;

async function image(host: Host, layer: ImageOptions["layers"][0], config = {}): Promise<string> {
  return await host.write("image.tar", archive({ layers: [busyboxLayer(), layer], config }));
}

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout;
}

systemTest(
  "an empty volume gets what the image has there: owners, modes, links, times, names",
  async (host) => {
    const path = await image(host, [
      { path: "app/", type: "directory", mode: 0o1750, uid: 5, gid: 6, mtime: 1_600_000_000 },
      { path: "app/file", content: "text", mode: 0o4755, uid: 7, gid: 8, mtime: 1_500_000_000 },
      { path: "app/again", type: "hardlink", target: "app/file" },
      { path: "app/out", type: "symlink", target: "/etc/passwd" },
      { path: "app/sub/", type: "directory", mode: 0o700 },
      { path: `app/sub/x`, content: "x", mode: 0o600 },
      { path: "app/pipe", type: "fifo", mode: 0o640 },
      { path: "link", type: "symlink", target: "app" },
    ]);
    const run = (...args: string[]) => host.dhow(["run", "--network", "none", ...args]);
    assertSuccess(await run("-v", "one:/app", path, "true"));
    const list = (folder: string) =>
      host.shell(`cd ${folder}; find . -printf '%P %y %m %U:%G %n %l %Ts\\n' | sort; cat file`);
    const inImage = await dhow(
      host,
      "run",
      "--network",
      "none",
      path,
      "sh",
      "-c",
      "cd /app; stat -c '%a %u:%g %Y' .",
    );
    assertEquals(await host.shell(`stat -c '%a %u:%g %Y' ${data("one")}`), inImage);
    assertMatch(
      await list(data("one")),
      /^ d 1750 5:6 .*\nagain f 4755 7:8 2 {2}1500000000\nfile f 4755 7:8 2 {2}1500000000\nout l 777 0:0 1 \/etc\/passwd \d+\npipe p 640 .*\nsub d 700 .*\nsub\/x f 600 .*\ntext$/,
    );
    // a link of the image is followed in the image
    assertSuccess(await run("-v", "two:/link", path, "true"));
    assertEquals(await list(data("two")), await list(data("one")));
    // what is not empty stays as it is; and with nocopy all does
    await host.shell(`rm -r ${data("one")}/sub; echo changed >${data("one")}/file`);
    assertSuccess(await run("-v", "one:/app", "-v", "three:/app/sub:nocopy", path, "true"));
    assertEquals(await host.shell(`cat ${data("one")}/file; ls ${data("three")}`), "changed\n");
    assertEquals(await dhow(host, "volume", "rm", "one", "two", "three"), "one\ntwo\nthree\n");
  },
);

systemTest("links of a hostile image lead a copy nowhere but into the image", async (host) => {
  await host.shell(`mkdir ${host.file("secret")}; echo secret >${host.file("secret")}/file`);
  const path = await image(host, [
    { path: "host", type: "symlink", target: host.file("secret") },
    { path: "up", type: "symlink", target: "../../../../../../../../../../../" },
    { path: "process", type: "symlink", target: "/proc/1/root" },
    { path: "folder/", type: "directory" },
    { path: "folder/inner", type: "symlink", target: host.file("secret") },
    { path: "folder/file", type: "symlink", target: `${host.file("secret")}/file` },
    { path: "fifo", type: "fifo" },
  ]);
  for (const target of ["host", "process", "fifo"]) {
    await host.dhow(["run", "--network", "none", "-v", `v-${target}:/${target}`, path, "true"]);
    assertEquals(await host.shell(`ls ${data(`v-${target}`)}`), "", target);
  }
  await dhow(host, "run", "--network", "none", "-v", "inner:/folder", path, "true");
  assertEquals(
    await host.shell(`cd ${data("inner")}; readlink file inner`),
    `${host.file("secret")}/file\n${host.file("secret")}\n`,
  );
  assertEquals(await host.shell(`cat ${host.file("secret")}/*`), "secret\n");
  await dhow(host, "volume", "prune", "-a", "-f");
});

systemTest(
  "an image's VOLUMEs get volumes that go with the container, unless they are kept",
  async (host) => {
    const path = await image(host, [{ path: "kept/file", content: "of-image\n" }], {
      Volumes: { "/kept": {}, "/other": {}, "relative": {}, "/": {}, "/named": {} },
    });
    const run = ["run", "--network", "none", "-v", "mine:/named"];
    const count = async () => (await dhow(host, "volume", "ls", "-q")).split("\n").length - 1;
    assertEquals(
      await dhow(
        host,
        ...run,
        path,
        "sh",
        "-c",
        "cat /kept/file; awk '$2 ~ \"kept|other|named\" { print $2 }' /proc/mounts",
      ),
      "of-image\n/named\n/kept\n/other\n",
    );
    assertEquals(await count(), 1);
    await dhow(host, ...run, "-d", "--name", "kept", path, "sh", "-c", "echo new >/kept/new");
    await dhow(host, "wait", "kept");
    assertEquals(await count(), 3);
    // they are the container's own when it starts again
    await dhow(host, "start", "kept");
    await dhow(host, "wait", "kept");
    assertEquals(await count(), 3);
    assertEquals(await dhow(host, "ps", "-a", "--format", "{{.LocalVolumes}}"), "3\n");
    assertFailure(await host.dhow(["volume", "rm", "mine"]), 1, /volume is in use - \[[0-9a-f]{64}\]/);
    await dhow(host, "rm", "kept");
    assertEquals(await count(), 3);
    assertMatch(
      await dhow(host, "volume", "prune", "-f"),
      /^Deleted Volumes:\n[0-9a-f]{64}\n[0-9a-f]{64}\n\nTotal reclaimed space: 13B\n$/,
    );
    await dhow(host, ...run, "-d", "--name", "goes", path, "true");
    await dhow(host, "wait", "goes");
    await dhow(host, "rm", "-v", "goes");
    assertEquals(await dhow(host, "volume", "ls", "-q"), "mine\n");
    const once = (await dhow(host, ...run, "-d", "--rm", path, "sleep", "0.1")).trim();
    await host.dhow(["wait", once]);
    assertEquals(await dhow(host, "volume", "rm", "mine"), "mine\n");
    await host.shell('while [ -n "$(ls /var/lib/dhow/volumes)" ]; do :; done');
  },
);

systemTest("volume create, ls, inspect and rm say what docker says", async (host) => {
  assertEquals(await dhow(host, "volume", "create", "--label", "a=b", "--label", "c", "one"), "one\n");
  assertEquals(await dhow(host, "volume", "create", "one"), "one\n");
  const anonymous = (await dhow(host, "volume", "create")).trim();
  assertMatch(anonymous, /^[0-9a-f]{64}$/);
  await dhow(host, "volume", "rm", anonymous);
  await dhow(host, "volume", "create", "--name", "two");
  assertEquals(await dhow(host, "volume", "ls"), "DRIVER    VOLUME NAME\nlocal     one\nlocal     two\n");
  assertEquals(await dhow(host, "volume", "ls", "-q", "--filter", "label=a=b"), "one\n");
  assertEquals(await dhow(host, "volume", "ls", "-q", "--filter", "name=^.n"), "one\n");
  assertEquals(
    await dhow(host, "volume", "ls", "--filter", "name=w", "--format", "{{.Name}} {{.Mountpoint}}"),
    `two ${data("two")}\n`,
  );
  const [inspected] = JSON.parse(await dhow(host, "volume", "inspect", "one"));
  assertMatch(inspected.CreatedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assertEquals({ ...inspected, CreatedAt: "" }, {
    CreatedAt: "",
    Driver: "local",
    Labels: { a: "b", c: "" },
    Mountpoint: data("one"),
    Name: "one",
    Options: null,
    Scope: "local",
  });
  assertEquals(await dhow(host, "volume", "inspect", "-f", "{{.Name}} {{.Labels.a}}", "one"), "one b\n");
  assertFailure(await host.dhow(["volume", "rm", "none"]), 1, /No such volume: none/);
  assertEquals((await host.dhow(["volume", "inspect", "none"])).stdout, "[]\n");
  assertEquals(await dhow(host, "volume", "rm", "-f", "none", "one"), "none\none\n");
  assertFailure(
    await host.dhow(["volume", "create", "a/b"]),
    1,
    /includes invalid characters for a local volume name/,
  );
  assertEquals(await dhow(host, "volume", "prune", "-f"), "Total reclaimed space: 0B\n");
  assertEquals(
    await dhow(host, "volume", "prune", "-a", "-f"),
    "Deleted Volumes:\ntwo\n\nTotal reclaimed space: 0B\n",
  );
  const format = "{{.Type}} {{.Action}} {{.Actor.Attributes.driver}}";
  assertEquals(
    await dhow(host, "events", "--until", "0s", "--filter", "volume=two", "--format", format),
    "volume create local\nvolume destroy local\n",
  );
});

systemTest("a create that fails leaves neither container nor volume behind", async (host) => {
  assertFailure(
    await runBusybox(host, ["true"], ["-v", "/x", "--mount", "type=bind,source=/not/there,target=/y"]),
    125,
    /bind source path does not exist/,
  );
  const path = await busyboxArchive();
  assertFailure(
    await host.dhow(["create", "-v", "/x", "--mount", "type=bind,source=/not/there,target=/y", path]),
    1,
    /bind source path does not exist/,
  );
  assertEquals(await dhow(host, "volume", "ls", "-q"), "");
  assertEquals(await dhow(host, "ps", "-aq"), "");
});

systemTest(
  "whatever kills dhow while a volume is filled, the next use has all of it or begins anew",
  async (host) => {
    const files = Array.from({ length: 20 }, (_, index) => ({ path: `app/${index}`, content: `${index}` }));
    const path = await image(host, files);
    for (let step = 1; step <= 5; step++) {
      const name = `v${step}`;
      const flags = ["--network", "none", "-v", `${name}:/app`];
      const killed = await host.run([
        "env",
        `DHOW_FAULT=kill-after:${step}`,
        DHOW,
        "create",
        ...flags,
        path,
        "true",
      ]);
      assertEquals(killed.code === 137 || killed.code === 0, true, killed.stderr);
      assertEquals(await dhow(host, "run", ...flags, path, "sh", "-c", "ls /app | wc -l"), "20\n");
      assertEquals(await host.shell(`ls /var/lib/dhow/volumes/${name}`), "_data\n");
    }
    for (const id of (await dhow(host, "ps", "-aq")).trim().split("\n")) {
      if (id !== "") {
        await dhow(host, "rm", id);
      }
    }
    await dhow(host, "volume", "prune", "-a", "-f");
  },
);

systemTest("containers that begin at once fill a volume once, with all of it", async (host) => {
  const files = Array.from({ length: 200 }, (_, index) => ({ path: `app/${index}`, content: `${index}` }));
  const path = await image(host, files);
  assertSuccess(await host.dhow(["run", "--network", "none", path, "true"]));
  const counts = await Promise.all(
    Array.from(
      { length: 6 },
      () => dhow(host, "run", "--network", "none", "-v", "shared:/app", path, "sh", "-c", "ls /app | wc -l"),
    ),
  );
  assertEquals(counts, Array(6).fill("200\n"));
  await dhow(host, "volume", "rm", "shared");
});

systemTest(
  "a volume that the disk has no room for is left empty, and takes what there is room for",
  async (host) => {
    const path = await image(host, [
      { path: "large/file", content: "x".repeat(12 << 20) },
      { path: "small/file", content: "small\n" },
    ]);
    await dhow(host, "run", "--network", "none", path, "true");
    const folder = "/var/lib/dhow/volumes";
    await host.shell(`mkdir -p ${folder} && mount -t tmpfs -o size=8m tmpfs ${folder}`);
    const run = (
      target: string,
    ) => ["run", "--network", "none", "-v", `data:${target}`, path, "cat", `${target}/file`];
    assertFailure(await host.dhow(run("/large")), 125, /no space left: cannot unpack "file"/);
    assertEquals(
      await host.shell(`ls -A ${folder}/data ${folder}/data/_data`),
      `${folder}/data:\n_data\n\n${folder}/data/_data:\n`,
    );
    assertEquals(await dhow(host, ...run("/small")), "small\n");
    await dhow(host, "volume", "rm", "data");
    await host.shell(`umount ${folder}`);
  },
);

systemTest("a sparse file of an image is as sparse in a volume", async (host) => {
  const size = 64 << 20;
  assertSuccess(await host.dhow(["load", "-q", "-i", await busyboxArchive()]));
  const make = `mkdir /app; dd if=/dev/zero of=/app/file bs=1 count=1 seek=${size - 1}`;
  await dhow(host, "run", "-d", "--network", "none", "--name", "maker", "busybox", "sh", "-c", make);
  await dhow(host, "wait", "maker");
  await dhow(host, "commit", "maker", "sparse");
  await dhow(
    host,
    "run",
    "-d",
    "--name",
    "user",
    "--network",
    "none",
    "-v",
    "data:/mine",
    "sparse",
    "sleep",
    "1000",
  );
  const pid = (await dhow(host, "inspect", "-f", "{{.State.Pid}}", "user")).trim();
  const ask =
    `import os; print(os.lseek(os.open("/proc/${pid}/root/app/file", os.O_RDONLY), 0, os.SEEK_DATA))`;
  const knowsHoles = (await host.succeed(["python3", "-c", ask])).trim() !== "0";
  await dhow(host, "run", "--network", "none", "-v", "data:/app", "sparse", "true");
  const [length, taken] = (await host.shell(`stat -c '%s %b' ${data("data")}/file`)).split(" ").map(Number);
  assertEquals(length, size);
  // not every kernel's EROFS tells where the holes are
  assert(!knowsHoles || taken! * 512 < size / 2, `${taken} blocks`);
  await dhow(host, "rm", "-f", "maker", "user");
  await dhow(host, "volume", "rm", "data");
});

systemTest(
  "what volumes take is told while containers change them, and no link of theirs is followed",
  async (host) => {
    assertSuccess(await host.dhow(["load", "-q", "-i", await busyboxArchive()]));
    const change = "cd /data; echo 12345 >file; ln file again; ln -s / root; echo ready; " +
      "while :; do mkdir -p a/b/c; echo x >a/b/c/d; rm -r a; ln -s / a; rm a; done";
    const id =
      (await dhow(host, "run", "-d", "--network", "none", "-v", "data:/data", "busybox", "sh", "-c", change))
        .trim();
    await eventually(async () => assertEquals(await dhow(host, "logs", id), "ready\n"));
    for (let round = 0; round < 20; round++) {
      const size = await dhow(host, "system", "df", "--format", "{{.Type}}={{.Size}}");
      assertMatch(size, /^Local Volumes=([7-9]|10|11)B$/m);
    }
    await dhow(host, "rm", "-f", id);
    await dhow(host, "volume", "rm", "data");
  },
);
