/** An ordinary user whose kernel mounts no overlay: fuse-overlayfs does. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxLayer } from "../support/images.ts";
import { type Ids, type Kernel, Sailor, sailorTest } from "../support/sailor.ts";
import type { TarEntry } from "../support/tar.ts";

const BOTH: readonly Ids[] = ["single", "ranges"];
const REFUSES = "refuses overlay";

/** Programs that serve a container's root. */
const servers = (host: Host) => host.processes().filter(({ command }) => /^\S*fuse-overlayfs /.test(command));

const driverOf = (sailor: Sailor, name: string) => sailor.inspect(name, "{{.Driver}} {{.GraphDriver.Name}}");

const ROOT_MOUNT = "sed -n 's/.* \\/ \\/ .* - \\([^ ]*\\) .*/\\1/p' /proc/self/mountinfo";

for (const ids of BOTH) {
  sailorTest("a container's root is fuse-overlayfs's, whose process ends with it", ids, async (sailor) => {
    assertMatch(await sailor.dhow("info"), /^Storage Driver: fuse-overlayfs$/m);
    assertEquals(await sailor.script(`${ROOT_MOUNT}; touch /new; rm /bin/wget`), "fuse.fuse-overlayfs");
    assertEquals(servers(sailor.host), []);
    await sailor.idle("box");
    assertEquals(await driverOf(sailor, "box"), "fuse-overlayfs fuse-overlayfs");
    assertEquals(servers(sailor.host).length, 1);
    assertEquals(
      await sailor.dhow("exec", "-u", "root", "box", "sh", "-c", ROOT_MOUNT),
      "fuse.fuse-overlayfs",
    );
    await sailor.dhow("stop", "box");
    assertEquals(servers(sailor.host), []);
  }, REFUSES);
}

const LAYERS: readonly TarEntry[][] = [
  [
    ...busyboxLayer(),
    { path: "old/", type: "directory" },
    { path: "old/file", content: "old" },
    { path: "old/deep/", type: "directory" },
    { path: "old/deep/file", content: "deep" },
    { path: "kept/", type: "directory" },
    { path: "kept/gone", content: "gone" },
    { path: "kept/file", content: "kept" },
    { path: "moved", content: "moved" },
    { path: "link", type: "symlink", target: "nowhere" },
  ],
  [
    { path: "kept/", type: "directory" },
    { path: "kept/.wh.gone", content: "" },
    { path: "hidden/", type: "directory" },
    { path: "hidden/.wh..wh..opq", content: "" },
    { path: "hidden/file", content: "new" },
  ],
];

async function loadChanged(sailor: Sailor): Promise<void> {
  const bytes = archive({ layers: LAYERS, config: { Cmd: ["sh"] }, tags: ["layered:latest"] });
  const path = await sailor.host.write("layered.tar", bytes);
  await sailor.host.succeed(["cp", path, `${sailor.home}/layered.tar`]);
  await sailor.dhow("load", "-q", "-i", "layered.tar");
}

/** Removes, makes anew, moves, links and changes. */
const CHANGES = `
  ls /kept /hidden >/dev/null
  rm -r /old && mkdir /old && echo anew >/old/new
  rm /kept/file /bin/wget && echo more >>/kept/other
  mv /moved /elsewhere && ln /elsewhere /twice
  mkdir -p /a/b && rm -r /a && mkdir /a && echo a >/a/file
  rm -r /hidden
`;

const LIST = "cd / && find kept hidden old moved elsewhere twice a bin/wget 2>/dev/null | sort | xargs; " +
  "cat old/new a/file kept/other elsewhere; stat -c %h twice";

for (const kernel of ["usual", REFUSES, "refuses overlay and devices"] as const satisfies readonly Kernel[]) {
  sailorTest(
    "what a container has changed is listed, committed and exported alike",
    "ranges",
    async (sailor) => {
      // who makes no devices unpacks no whiteouts either, but may have images from before
      const before = new Sailor(sailor.host);
      await loadChanged(before);
      const idle = ["run", "-d", "--network", "none", "--name", "box", "layered", "sleep", "1000"];
      await sailor.dhow(...idle);
      await sailor.dhow("exec", "box", "sh", "-euc", CHANGES);
      const expected = "a a/file elsewhere kept kept/other old old/new twice\nanew\na\nmore\nmoved2";
      const changed = [
        "A /a",
        "A /a/file",
        "C /bin",
        "D /bin/wget",
        "A /elsewhere",
        "D /hidden",
        "C /kept",
        "D /kept/file",
        "A /kept/other",
        "D /moved",
        "C /old",
        "A /old/new",
        "A /twice",
      ];
      const seen = async () => {
        assertEquals((await sailor.dhow("diff", "box")).split("\n").toSorted(), changed.toSorted());
        await before.dhow("commit", "box", "committed");
        for (const storage of kernel === "usual" ? ["unpacked", "fuse-overlayfs"] : ["fuse-overlayfs"]) {
          const run = ["--storage", storage, "run", "--rm", "--network", "none", "committed"];
          assertEquals(await sailor.dhow(...run, "sh", "-c", LIST), expected);
        }
        await sailor.dhow("export", "-o", "tree.tar", "box");
        const listed = await sailor.host.succeed(["tar", "-tf", `${sailor.home}/tree.tar`]);
        const paths = listed.split("\n").filter((path) => /^(old|kept|hidden|a|moved)(\/|$)/.test(path));
        assertEquals(paths.toSorted(), ["a/", "a/file", "kept/", "kept/other", "old/", "old/new"]);
        assert(!listed.includes(".wh."), listed);
        assertMatch(await sailor.dhow("ps", "-as", "--format", "{{.Size}}"), /^17B /);
      };
      await seen();
      assertEquals(await sailor.dhow("exec", "box", "sh", "-c", LIST), expected);
      await sailor.dhow("restart", "-t", "0", "box");
      assertEquals(await sailor.dhow("exec", "box", "sh", "-c", LIST), expected);
      await sailor.dhow("stop", "-t", "0", "box");
      await seen();
      // a layer that says so by files was really made
      const upper = await sailor.inspect("box", "{{.GraphDriver.Data.UpperDir}}");
      const files = await sailor.host.succeed(["find", upper, "-type", "f", "-name", ".wh.wget"]);
      assertEquals(files === "", kernel !== "refuses overlay and devices");
    },
    kernel,
  );
}

sailorTest("what does not run is looked into and written to as well", "single", async (sailor) => {
  await loadChanged(sailor);
  await sailor.dhow(
    "create",
    "--network",
    "none",
    "--name",
    "box",
    "-v",
    "data:/kept",
    "layered",
    "sh",
    "-c",
    "cat /put",
  );
  await sailor.dhow("cp", "busybox.tar", "box:/put");
  await sailor.dhow("cp", "box:/put", "back.tar");
  await sailor.dhow("cp", "box:/kept/file", "kept");
  assertEquals(await sailor.host.succeed(["cat", `${sailor.home}/kept`]), "kept");
  assertEquals(servers(sailor.host), []);
  assertEquals(
    await sailor.dhow("start", "-a", "box"),
    await sailor.host.succeed(["cat", `${sailor.home}/back.tar`]),
  );
  // a start fails first, and makes what the link leads to; in the end dhow waits for it in both ways
  for (const flags of [["-d", "--name", "linked"], ["--rm"]]) {
    const run = ["run", ...flags, "--network", "none", "-v", `${sailor.home}:/link/home`, "layered"];
    await sailor.dhow(...run, "sleep", "0");
  }
  await eventually(() => assertEquals(servers(sailor.host), []));
  await sailor.dhow("rm", "box", "linked");
  await sailor.dhow("volume", "rm", "data");
}, REFUSES);

sailorTest("a container keeps what it was made with, whatever is chosen later", "ranges", async (sailor) => {
  const make = (storage: string, name: string) =>
    sailor.dhow(
      "--storage",
      storage,
      "create",
      "--network",
      "none",
      "--name",
      name,
      "busybox",
      "sh",
      "-c",
      ROOT_MOUNT,
    );
  await make("fuse-overlayfs", "fuse");
  await make("unpacked", "kernel");
  assertEquals(await driverOf(sailor, "fuse"), "fuse-overlayfs fuse-overlayfs");
  assertEquals(await driverOf(sailor, "kernel"), "overlay overlay");
  for (const storage of ["fuse-overlayfs", "unpacked"]) {
    assertEquals(await sailor.dhow("--storage", storage, "start", "-a", "fuse"), "fuse.fuse-overlayfs");
    assertEquals(await sailor.dhow("--storage", storage, "start", "-a", "kernel"), "overlay");
  }
  assertEquals(await sailor.script(ROOT_MOUNT), "overlay");
  assertMatch(await sailor.dhow("info"), /^Storage Driver: unpacked$/m);
  await sailor.host.hide("fuse-overlayfs");
  assertFailure(await sailor.dhowOutput(["start", "-a", "fuse"]), 1, /no "fuse-overlayfs" command/);
  assertEquals(await sailor.dhow("start", "-a", "kernel"), "overlay");
  const forced = await sailor.dhowOutput(["--storage", "fuse-overlayfs", "run", "busybox", "true"]);
  assertFailure(forced, 125, /cannot use --storage fuse-overlayfs/, /apt-get install fuse-overlayfs/);
  const roots = await sailor.host.dhow(["--storage", "fuse-overlayfs", "images"]);
  assertFailure(roots, 1, /cannot use --storage fuse-overlayfs: it is for ordinary users/);
});

sailorTest("one line says what is missing, and doctor as well", "single", async (sailor) => {
  const run = () => sailor.dhowOutput(["run", "--rm", "--network", "none", "busybox", "true"]);
  const found = async () => {
    const { findings } = JSON.parse((await sailor.dhowOutput(["doctor", "--json"])).stdout);
    return findings.find(({ check }: { check: string }) => check === "rootless.overlay");
  };
  const usable = await found();
  assertEquals(usable.status, "limited");
  assertStringIncludes(usable.instead, "fuse-overlayfs is used");
  await sailor.host.shell("chmod 600 /dev/fuse");
  const mend = "modprobe fuse && chmod 666 /dev/fuse";
  assertFailure(
    await run(),
    125,
    /operation not permitted.*fuse-overlayfs cannot open \/dev\/fuse/,
    /chmod 666 \/dev\/fuse/,
  );
  assertEquals([(await found()).status, (await found()).mend], ["broken", mend]);
  await sailor.host.shell("chmod 666 /dev/fuse");
  assertSuccess(await run());
  await sailor.host.hide("fuse-overlayfs");
  const output = await run();
  assertFailure(
    output,
    125,
    /mount.*operation not permitted.*no "fuse-overlayfs" command/,
    /apt-get install fuse-overlayfs/,
  );
  assertEquals(output.stderr.trimEnd().split("\n").length, 1);
  assertEquals([(await found()).status, (await found()).mend], ["broken", "apt-get install fuse-overlayfs"]);
  // one that does not work
  await sailor.host.shell(
    "printf '#!/bin/sh\\necho it is broken >&2; exit 3\\n' >/usr/bin/fuse-overlayfs && chmod 755 /usr/bin/fuse-overlayfs",
  );
  assertFailure(await run(), 125, /cannot lay a writable layer over the image's layers: it is broken/);
  await sailor.host.shell("echo >/usr/bin/fuse-overlayfs");
  assertFailure(await run(), 125, /fuse-overlayfs does not run/);
  await sailor.host.hide("fuse-overlayfs");
  // images need none
  await sailor.dhow("images");
  const unpacked = await sailor.dhowOutput([
    "--storage",
    "unpacked",
    "run",
    "--rm",
    "--network",
    "none",
    "busybox",
  ]);
  assertFailure(unpacked, 125, /cannot mount overlay/);
  // where nothing refuses it any more, it is used again
  assertEquals(await new Sailor(sailor.host).script(ROOT_MOUNT), "overlay");
}, REFUSES);

sailorTest(
  "a home that the kernel's overlay cannot write to does for fuse-overlayfs",
  "ranges",
  async (sailor) => {
    const place = `${sailor.home}/on-overlay`;
    await sailor.host.shell(`
    cd /run/host && mkdir over over/lower over/upper over/work ${place}
    mount -t overlay -o lowerdir=over/lower,upperdir=over/upper,workdir=over/work,userxattr overlay ${place}
    chown 1234:1234 ${place}
  `);
    try {
      const dhow = (...args: string[]) => sailor.dhow("--root", `${place}/dhow`, ...args);
      await dhow("load", "-q", "-i", "busybox.tar");
      const script = `${ROOT_MOUNT}; mkdir /etc/new && rm -r /home && mkdir /home && ls -A /home`;
      assertEquals(
        await dhow("run", "--rm", "--network", "none", "busybox", "sh", "-c", script),
        "fuse.fuse-overlayfs",
      );
    } finally {
      await sailor.host.shell(`umount ${place} && rmdir ${place} && rm -r /run/host/over`);
    }
  },
);

sailorTest(
  "a container whose fuse-overlayfs was killed is stopped, started and removed",
  "ranges",
  async (sailor) => {
    const { host } = sailor;
    await sailor.idle("box");
    await sailor.dhow("exec", "box", "sh", "-c", "echo kept >/kept");
    const [server] = servers(host);
    await host.succeed(["kill", "-KILL", `${server?.pid}`]);
    await eventually(() => assertEquals(servers(host), []));
    assertFailure(await sailor.dhowOutput(["exec", "box", "ls"]), 125, /ENOTCONN.*FUSE.*stop the container/);
    await sailor.dhow("stop", "-t", "0", "box");
    await sailor.dhow("start", "box");
    assertEquals(await sailor.dhow("exec", "box", "cat", "/kept"), "kept");
    // one that does not end by itself
    await host.succeed(["kill", "-STOP", `${servers(host)[0]?.pid}`]);
    assertEquals(servers(host).length, 1);
    await sailor.dhow("rm", "-f", "box");
    assertEquals(servers(host), []);
  },
  REFUSES,
);
