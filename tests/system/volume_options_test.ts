import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";

const FOREVER = ["sleep", "1000"];
const data = (name: string) => `/var/lib/dhow/volumes/${name}/_data`;

detachedTest(
  "a volume of a file system is mounted for its first container, and unmounted after its last",
  async (detached) => {
    const { host } = detached;
    const options = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,uid=5,noexec"];
    await detached.dhow("volume", "create", ...options, "shared");
    assertEquals(
      await detached.dhow("volume", "inspect", "-f", "{{json .Options}}", "shared"),
      '{"device":"tmpfs","o":"size=1m,uid=5,noexec","type":"tmpfs"}',
    );
    const mounts = () => host.shell("grep -c dhow/volumes /proc/self/mountinfo || true");
    const one = await detached.start(FOREVER, ["-v", "shared:/data"]);
    assertMatch(
      await detached.dhow("exec", one, "grep", " /data ", "/proc/mounts"),
      /tmpfs .*noexec.*size=1024k,uid=5/,
    );
    await detached.dhow("exec", one, "sh", "-c", "echo hello >/data/file");
    // all that have it at a time have the same; it is mounted once
    const two = await detached.start(FOREVER, ["--volumes-from", one]);
    assertEquals(await detached.dhow("exec", two, "cat", "/data/file"), "hello");
    const foreground = await host.dhow([
      "run",
      "--network",
      "none",
      "-v",
      "shared:/x:ro",
      "busybox",
      "sh",
      "-c",
      "cat /x/file; touch /x/y",
    ]);
    assertEquals([foreground.code, foreground.stdout], [1, "hello\n"]);
    assertEquals(await mounts(), "1\n");
    await detached.dhow("stop", "-t", "0", one);
    assertEquals(await mounts(), "1\n");
    assertEquals(await detached.dhow("exec", two, "cat", "/data/file"), "hello");
    await detached.dhow("stop", "-t", "0", two);
    assertEquals(await mounts(), "0\n");
    assertFailure(await host.dhow(["volume", "rm", "shared"]), 1, /volume is in use/);

    // two that end at once do not leave it to each other; nor does a dhow or a monitor that is killed leave it
    await detached.dhow("start", one, two);
    assertEquals(await mounts(), "1\n");
    await Promise.all([detached.dhow("kill", one), detached.dhow("kill", two)]);
    await eventually(async () => assertEquals(await mounts(), "0\n"));
    await detached.becomes(one, "Exited (137)");
    await detached.dhow("start", one);
    await host.shell(`kill -KILL ${await detached.monitor(one)}`);
    await eventually(async () => {
      await detached.dhow("ps");
      assertEquals(await mounts(), "0\n");
    });
    for (let step = 1; step < 12; step++) {
      const command = ["run", "--network", "none", "-v", "shared:/data", "busybox", "true"];
      await host.run(["env", `DHOW_FAULT=kill-after:${step}`, DHOW, ...command]);
      await detached.dhow("ps");
      assertEquals(await mounts(), "0\n", `killed after step ${step}`);
    }
    await detached.dhow("rm", "-f", one, two);
    await detached.dhow("volume", "rm", "shared");
  },
);

detachedTest("a volume may be another path of the host, which stays when it is removed", async (detached) => {
  const { host } = detached;
  const path = host.file("source");
  await host.shell(`mkdir ${path}; echo there >${path}/file`);
  const bind = (
    o: string,
  ) => ["volume", "create", "--opt", "type=none", "--opt", `device=${path}`, "--opt", `o=${o}`];
  await detached.dhow(...bind("bind"), "writable");
  await detached.dhow(...bind("bind,ro"), "readable");
  const script = "cat /r/file; touch /r/x; touch /w/new && ls /w";
  const output = await host.dhow([
    "run",
    "--network",
    "none",
    "-v",
    "writable:/w",
    "-v",
    "readable:/r",
    "busybox",
    "sh",
    "-c",
    script,
  ]);
  assertMatch(output.stdout, /^there\nfile\nnew\n$/);
  assertMatch(output.stderr, /touch: \/r\/x: Read-only file system/);
  await detached.dhow("volume", "rm", "writable", "readable");
  assertEquals(await host.shell(`ls ${path}`), "file\nnew\n");
  // a file system that was left mounted is not removed with the volume
  await detached.dhow("volume", "create", "folder");
  await host.shell(`mount --bind ${path} ${data("folder")}`);
  await detached.dhow("volume", "rm", "folder");
  assertEquals(
    await host.shell(`ls ${path}; grep -c volumes /proc/self/mountinfo || true`),
    "file\nnew\n0\n",
  );

  const create = (...options: string[]) =>
    host.dhow(["volume", "create", ...options.flatMap((option) => ["--opt", option]), "wrong"]);
  assertFailure(await create("type=tmpfs"), 1, /create wrong: missing required option: "device"/);
  assertFailure(await create("device=/x"), 1, /create wrong: missing required option: "type"/);
  assertFailure(await create("bad=/x"), 1, /create wrong: invalid option: "bad"/);
  assertFailure(await create("size=1m"), 1, /quota size requested but no quota support/);
  assertEquals(await detached.dhow("volume", "ls", "-q"), "");
  const run = (volume: string) =>
    host.dhow(["run", "--network", "none", "-v", `${volume}:/data`, "busybox", "true"]);
  assertSuccess(await create("type=nofs", "device=x", "o=a,ro"));
  assertFailure(
    await run("wrong"),
    125,
    /error while mounting volume "wrong": .*mount x \(nofs, a\): .*ENODEV/,
  );
  await detached.dhow("volume", "rm", "wrong");
  assertSuccess(await create("type=none", "device=/not/there", "o=bind"));
  assertFailure(await run("wrong"), 125, /error while mounting volume "wrong": .*\/not\/there: no such file/);
  await detached.dhow("volume", "rm", "wrong");
  assertEquals(await detached.dhow("ps", "-aq"), "");
});

detachedTest("--volumes-from mounts what another container has, in the same places", async (detached) => {
  const { host } = detached;
  const path = host.file("shared");
  await host.shell(`mkdir ${path}; echo of-host >${path}/file`);
  const create = (...args: string[]) =>
    detached.dhow("create", "--network", "none", ...args, "busybox", "true");
  await create(
    "--name",
    "source",
    "-v",
    "named:/a",
    "-v",
    "/anonymous",
    "-v",
    `${path}:/b:ro`,
    "--tmpfs",
    "/memory",
  );
  await create("--name", "reader", "--volumes-from", "source:ro");
  await create("--name", "both", "--volumes-from", "source", "--volumes-from", "reader", "-v", "other:/a");
  const format = "{{.HostConfig.VolumesFrom}}{{range .Mounts}} {{.Type}} {{.Destination}} {{.RW}}{{end}}";
  const shown = (name: string) => detached.dhow("inspect", "-f", format, name);
  assertEquals(await shown("reader"), "[source:ro] volume /a false volume /anonymous false bind /b false");
  assertEquals(await shown("both"), "[source reader] volume /anonymous false bind /b false volume /a true");
  const from = ["run", "--network", "none", "--volumes-from", "source"];
  const script = "cat /b/file; echo x >/anonymous/x; touch /b/y";
  const output = await host.dhow([...from, "busybox", "sh", "-c", script]);
  assertEquals([output.code, output.stdout], [1, "of-host\n"]);
  assertEquals(await detached.dhow(...from, "busybox", "cat", "/anonymous/x"), "x");
  // the volume stays as long as one has it
  await detached.dhow("rm", "-v", "source", "both");
  assertEquals((await detached.dhow("volume", "ls", "-q")).split("\n").length, 3);
  await detached.dhow("rm", "-v", "reader");
  assertEquals(await detached.dhow("volume", "ls", "-q"), "named\nother");
  assertFailure(await host.dhow([...from, "busybox", "true"]), 125, /No such container: source/);
  assertFailure(
    await host.dhow(["run", "--volumes-from", "source:bad", "busybox"]),
    125,
    /invalid mode: bad/,
  );
  assertFailure(await host.dhow(["run", "--volumes-from", ":", "busybox"]), 125, /no container is named/);
  await detached.dhow("volume", "rm", "named", "other");
});
