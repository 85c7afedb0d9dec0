import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { detachedTest, IDLE } from "../support/detached.ts";
import { DHOW } from "../support/host.ts";
import { systemTest } from "../support/system_test.ts";

detachedTest("inspect says of a container that runs what docker's templates ask for", async (it, host) => {
  const flags = ["--network", "bridge", "--name", "web", "-e", "COLOUR=blue", "--label", "a=b", "-u", "0:0"];
  const container = await it.start(IDLE, flags);
  const inspect = (format: string) => it.inspect(container, format);
  assertEquals(await inspect("{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}"), "running true 0");
  assertEquals(await inspect("{{.Id}} {{.Name}} {{.Config.User}}"), `${container} /web 0:0`);
  const [pid] = (await inspect("{{.State.Pid}}")).split("\n");
  const status = await host.shell(`cat /proc/${pid}/environ | tr '\\0' '\\n'`);
  assert(status.includes("COLOUR=blue"), "State.Pid is its first process");
  const address = await inspect("{{.NetworkSettings.IPAddress}}");
  assertMatch(address, /^100\.100\.1\.\d+$/);
  assertEquals(await inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"), address);
  assertEquals(await inspect("{{.NetworkSettings.Networks.bridge.Gateway}}"), "100.100.1.1");
  const link = await host.shell(`nsenter --net --target ${pid} ip link show eth0`);
  assert(link.includes(await inspect("{{.NetworkSettings.MacAddress}}")), link);
  assertMatch(await inspect("{{json .Config.Env}}"), /^\["COLOUR=blue",.*"PATH=/);
  assertEquals(await inspect("{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NetworkMode}}"), "no default");
  assertEquals(await inspect('{{index .Config.Labels "a"}}'), "b");
  assertEquals(await inspect("{{.Path}} {{len .Args}} {{.Config.Image}}"), "sh 2 busybox");
  const hosts = await inspect("{{.HostsPath}}");
  assertMatch(await host.shell(`cat ${hosts}`), new RegExp(address));
  await it.dhow("stop", "web");
  assertEquals(
    await inspect("{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}} [{{.NetworkSettings.IPAddress}}]"),
    "exited 3 0 []",
  );
});

detachedTest("inspect prints a list of JSON, also of containers that were never started", async (it) => {
  const container = await it.start(["true"], ["--name", "one"], ["create"]);
  const [object] = JSON.parse(await it.dhow("container", "inspect", "one"));
  assertEquals([object.Id, object.State.Status, object.State.StartedAt, object.State.FinishedAt], [
    container,
    "created",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
  ]);
  assertEquals([object.Mounts, object.HostConfig.AutoRemove, object.Config.Cmd], [[], false, ["true"]]);
  assertEquals(object.SizeRw, undefined);
});

detachedTest("--size measures what a container has written, once for each file", async (it) => {
  const script = "head -c 5000 /dev/zero >/data; ln /data /again; ln -s /etc /link; sleep 1000";
  const container = await it.start(["sh", "-c", script]);
  await it.dhow("stop", "-t", "0", container);
  const [object] = JSON.parse(await it.dhow("inspect", "-s", container));
  assert(object.SizeRw >= 5000 && object.SizeRw < 5100, `SizeRw: ${object.SizeRw}`);
  assert(object.SizeRootFs > object.SizeRw + 500_000, `SizeRootFs: ${object.SizeRootFs}`);
  assertMatch(
    await it.dhow("ps", "-a", "-s", "--format", "{{.Size}}"),
    /^5(\.\d+)?kB \(virtual .*MB\)$/,
  );
});

detachedTest(
  "a name that a container and an image have means the container, unless --type says else",
  async (it, host) => {
    const container = await it.start(["true"], ["--name", "busybox"], ["create"]);
    const what = (...flags: string[]) => it.dhow("inspect", "-f", "{{.Id}}", ...flags, "busybox");
    assertEquals(await what(), container);
    assertEquals(await what("--type", "container"), container);
    assertMatch(await what("--type", "image"), /^sha256:/);
    await it.dhow("rm", "busybox");
    assertMatch(await what(), /^sha256:/);
    await host.succeed([DHOW, "rmi", "busybox"]);
  },
);

systemTest("an unknown container is an error in docker's words", async (host) => {
  const { code, stdout, stderr } = await host.dhow(["container", "inspect", "nobody"]);
  assertEquals([code, stdout], [1, "[]\n"]);
  assertMatch(stderr, /^dhow: No such container: nobody\n$/);
  const missing = await host.dhow(["inspect", "--type", "container", "nobody"]);
  assertMatch(missing.stderr, /^dhow: No such container: nobody\n$/);
  assertFailure(await host.dhow(["container", "inspect"]), 1, /no CONTAINER was given/);
});
