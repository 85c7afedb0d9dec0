import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { busyboxArchive } from "../support/images.ts";

const KINDS = ["ipc", "net", "pid", "uts"] as const;
const LIST = "for kind in ipc net pid uts; do readlink /proc/self/ns/$kind; done";

const FOREVER = ["sleep", "1000"];

detachedTest("a container joins the network, processes and shared memory of another", async (detached) => {
  const { host } = detached;
  const donor = await detached.start(FOREVER, [
    "--name",
    "donor",
    "--ipc",
    "shareable",
    "--init",
    "--cap-add=NET_ADMIN",
  ]);
  await detached.dhow(
    "exec",
    "donor",
    "sh",
    "-c",
    "echo kept >/dev/shm/note; ip addr add 10.9.8.7/32 dev lo",
  );
  const own = (await detached.dhow("exec", "donor", "sh", "-c", LIST)).split("\n");
  const shared = async (...flags: string[]) => {
    const output = await host.dhow(["run", ...flags, "busybox", "sh", "-c", LIST]);
    assertSuccess(output);
    const lines = output.stdout.trim().split("\n");
    return KINDS.filter((_, index) => lines[index] === own[index]);
  };
  const none = ["--network", "none"];
  assertEquals(await shared(...none), []);
  assertEquals(await shared("--network", "container:donor"), ["net"]);
  assertEquals(await shared(...none, "--pid", `container:${donor.slice(0, 12)}`), ["pid"]);
  assertEquals(await shared(...none, "--ipc", `container:${donor}`), ["ipc"]);
  const all = ["--network", "container:donor", "--pid", "container:donor", "--ipc", "container:donor"];
  assertEquals(await shared(...all), ["ipc", "net", "pid"]);

  // what they share can be used; the rest is the container's own
  const script =
    "cat /dev/shm/note; ip -o -4 addr show lo; hostname; cat /etc/hostname; ps | grep -c 'sleep 1000'; " +
    "echo more >>/dev/shm/note; echo 10.0.0.1 there >>/etc/hosts; kill -0 1 && cat /proc/1/comm";
  const seen = (await host.dhow(["run", "-t", ...all, "busybox", "sh", "-c", script])).stdout.replaceAll(
    "\r",
    "",
  );
  assertMatch(
    seen,
    new RegExp(
      `^kept\n.* 127\\.0\\.0\\.1/8 .*\n.* 10\\.9\\.8\\.7/32 .*\n${donor.slice(0, 12)}\n${
        donor.slice(0, 12)
      }\n[1-9]\n.*dhow-init\n$`,
    ),
  );
  assertEquals(await detached.dhow("exec", "donor", "cat", "/dev/shm/note"), "kept\nmore");
  assertMatch(await detached.dhow("exec", "donor", "cat", "/etc/hosts"), /10\.0\.0\.1 there$/);

  // the same for one that stays, and for what joins that
  const guest = await detached.dhow("create", "--name", "guest", ...all, "busybox", ...FOREVER);
  await detached.dhow("rename", "donor", "giver");
  await detached.dhow("start", "guest");
  const mode = (kind: string) => detached.dhow("inspect", "-f", `{{.HostConfig.${kind}Mode}}`, "guest");
  for (const kind of ["Network", "Pid", "Ipc"]) assertEquals(await mode(kind), `container:${donor}`);
  assertEquals(
    await detached.dhow("inspect", "-f", "{{.Config.Hostname}} {{.NetworkSettings.Networks}}", "guest"),
    `${donor.slice(0, 12)} map[]`,
  );
  assertEquals(await detached.ask(guest, "{{.Networks}}"), "");
  assertEquals(
    (await detached.dhow("exec", "guest", "sh", "-c", LIST)).split("\n").slice(0, 3),
    own.slice(0, 3),
  );
  const third = ["--network", "container:guest", "--ipc", "container:guest"];
  assertEquals(await shared(...third), ["ipc", "net"]);

  // the script of explain joins the same
  const byId = all.map((word) => word.replace("donor", donor));
  const explained = await detached.dhow("explain", "run", ...byId, await busyboxArchive(), "sh", "-c", LIST);
  assertEquals((await host.shell(explained)).split("\n").slice(0, 3), own.slice(0, 3));

  // it ends with the processes that it is among, as docker has it, and does not start without them
  await detached.dhow("stop", "-t", "0", "giver");
  await detached.becomes(guest, "Exited (137)");
  assertFailure(
    await host.dhow(["start", "guest"]),
    1,
    new RegExp(`cannot join network of a non running container: ${donor}`),
  );
  await detached.dhow("start", "giver", "guest");
  assertEquals(await detached.status(guest), "Up");
  await detached.dhow("rm", "-f", "giver");
  await detached.becomes(guest, "Exited (137)");
  assertFailure(await host.dhow(["start", "guest"]), 1, new RegExp(`No such container: ${donor}`));
});

detachedTest("what cannot be joined is told in docker's words", async ({ host, ...detached }) => {
  const dhow = (...args: string[]) => host.dhow(args);
  assertSuccess(await dhow("run", "-d", "--name", "private", "--network", "none", "busybox", ...FOREVER));
  assertSuccess(
    await dhow("run", "-d", "--name", "mapped", "--network", "none", "--userns", "busybox", ...FOREVER),
  );
  assertSuccess(await dhow("create", "--name", "created", "--network", "none", "busybox", "true"));
  const fails = async (flags: string, message: RegExp) =>
    assertFailure(await dhow("run", ...flags.split(" "), "busybox", "true"), 125, message);
  await fails(
    "--network none --ipc container:private",
    /can't join IPC of container \w{64}: non-shareable IPC/,
  );
  await fails(
    "--network none --ipc container:created",
    /can't join IPC of container (\w{64}): container \1 is not running/,
  );
  await fails(
    "--network none --pid container:created",
    /can't join PID of container (\w{64}): container \1 is not running/,
  );
  const tracing = [
    "--name",
    "tracing",
    "--network",
    "none",
    "--pid",
    "container:private",
    "--cap-add",
    "SYS_PTRACE",
  ];
  assertSuccess(await dhow("run", "-d", ...tracing, "busybox", ...FOREVER));
  // beside the one that is named, and through another
  for (const joined of ["private", "tracing"]) {
    await fails(
      `--network none --pid container:${joined}`,
      /container \w{64} is there, and could take dhow over/,
    );
  }
  assertSuccess(await dhow("rm", "-f", "tracing"));
  for (const flags of [["--privileged"], ["--cap-drop", "SYS_PTRACE"]]) {
    const beside = [
      "run",
      "-d",
      "--name",
      "beside",
      "--network",
      "none",
      "--pid",
      "container:private",
      ...flags,
    ];
    assertSuccess(await dhow(...beside, "busybox", ...FOREVER));
    assertSuccess(await dhow("run", "--network", "none", "--pid", "container:private", "busybox", "true"));
    assertSuccess(await dhow("rm", "-f", "beside"));
  }
  await fails("--network container:created", /cannot join network of a non running container: \w{64}/);
  await fails("--network container:mapped", /it has a user namespace of its own/);
  await fails("--network container:nobody", /No such container: nobody/);
  await fails("-d --network none --pid container:nobody", /No such container: nobody/);
  await fails("--network container:", /invalid container format container:<name\|id>/);
  await fails("--network container:private -h x", /conflicting options: hostname and the network mode/);
  await fails("--network container:private --dns 1.1.1.1", /conflicting options: dns and the network mode/);
  await fails("--userns --network container:private", /contradict each other/);
  await fails("--uts container:private", /--uts: invalid UTS mode/);
  assertEquals((await dhow("ps", "-aq")).stdout.trim().split("\n").length, 3);
  void detached;
});

detachedTest("--ipc none has no shared memory", async ({ host }) => {
  const { stdout } = await host.dhow([
    "run",
    "--network",
    "none",
    "--ipc",
    "none",
    "busybox",
    "sh",
    "-c",
    "ls /dev/shm",
  ]);
  assertEquals(stdout, "");
});

detachedTest(
  "a network that others have stays usable to them, and its address and link are given back",
  async (detached) => {
    const { host } = detached;
    const donor = await detached.dhow("run", "-d", "--name", "donor", "busybox", ...FOREVER);
    await detached.dhow(
      "run",
      "-d",
      "--name",
      "guest",
      "--network",
      "container:donor",
      "busybox",
      ...FOREVER,
    );
    const addresses = () => detached.dhow("exec", "guest", "ip", "-o", "-4", "addr");
    assertMatch(await addresses(), /100\.100\.1\.\d+\/24/);
    await detached.dhow("restart", "-t", "0", "donor");
    // the guest has what is left of the old one until it is started again
    assertEquals(/100\.100/.test(await addresses()), false);
    assertEquals(await detached.status(donor), "Up");
    await detached.dhow("restart", "-t", "0", "guest");
    assertMatch(await addresses(), /100\.100\.1\.\d+\/24/);
    await detached.dhow("stop", "-t", "0", "donor");
    await eventually(async () =>
      assertEquals(await host.shell("ip -o link show type veth | grep -c dhow || true"), "0\n")
    );
    assertEquals(await detached.dhow("exec", "guest", "echo", "alive"), "alive");
  },
);
