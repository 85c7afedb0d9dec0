import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { detachedTest, IDLE } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

detachedTest("top shows a container's processes, and no others", async (it, host) => {
  const container = await it.start(IDLE);
  const rows = async (...options: string[]) =>
    (await it.dhow("top", container, ...options)).trimEnd().split("\n").map((line) => line.split(/\s+/));
  await eventually(async () => assertEquals((await rows()).length, 3));
  const [titles, ...processes] = await rows();
  assertEquals(titles, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
  const pid = await it.inspect(container, "{{.State.Pid}}");
  const first = processes.find((row) => row[1] === pid);
  assertEquals(first?.[7], "sh");
  assertEquals(processes.find((row) => row[2] === pid)?.slice(7).join(" "), "sleep 1000");
  const [chosen, ...others] = await rows("-o", "pid,comm");
  assertEquals([chosen, others.map(([id]) => id).includes(pid)], [["PID", "COMMAND"], true]);
  const [, ...bsd] = await rows("o", "pid,comm");
  assertEquals(bsd.map(([id]) => id).includes(pid), true, "it has no terminal");
  assertFailure(await host.dhow(["top", container, "-o", "comm"]), 1, /find PID field/);
  assertFailure(await host.dhow(["top", container, "--nonsense"]), 1, /cannot list processes with ps/);
});

detachedTest("top reads /proc where the host has no ps", async (it, host) => {
  const container = await it.start(IDLE);
  await host.hide("ps");
  const lines = (await it.dhow("top", container)).trimEnd().split("\n");
  assertMatch(lines[0]!, /^UID +PID +PPID +C +STIME +TTY +TIME +CMD$/);
  const pid = await it.inspect(container, "{{.State.Pid}}");
  assert(
    lines.some((line) => new RegExp(`^root +${pid} .* 00:00:0\\d +sh -c trap`).test(line)),
    lines.join("\n"),
  );
  assertFailure(await host.dhow(["top", container, "aux"]), 1, /no "ps" command/);
});

detachedTest("top of a container that has ended is an error", async (it, host) => {
  const container = await it.start(["true"]);
  await it.dhow("wait", container);
  assertFailure(await host.dhow(["top", container]), 1, /is not running/);
  assertFailure(await host.dhow(["top", "nobody"]), 1, /No such container: nobody/);
});

detachedTest("stats counts what a container uses", async (it, host) => {
  const busy = "head -c 20000000 /dev/zero >/dev/shm/data; while :; do :; done";
  await it.start(["sh", "-c", busy], [
    "--network",
    "bridge",
    "--name",
    "busy",
  ]);
  const quiet = await it.start(IDLE, ["--name", "quiet"]);
  await eventually(async () => {
    const line = await it.dhow("stats", "--no-stream", "--format", "{{.MemUsage}}", "busy");
    assert(parseFloat(line) > 19 && line.includes("MiB / "), line);
  });
  const text = await it.dhow("stats", "--no-stream");
  const [head, ...lines] = text.trimEnd().split("\n");
  assertMatch(head!, /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS$/);
  assertEquals(lines.length, 2);
  const line = lines.find((each) => each.includes("busy"))!;
  const [, cpu = "", , processes] = /^\w{12} +busy +([\d.]+)% +(.*\S) +(\d+)$/.exec(line) ?? [];
  assert(Number(cpu) > 1 && Number(cpu) < 250, line);
  assertEquals(processes, "1");
  const net = await it.dhow(
    "stats",
    "--no-stream",
    "--format",
    "{{.NetIO}} {{.ID}}",
    "--no-trunc",
    quiet,
  );
  assertEquals(net, `0B / 0B ${quiet}`);
  await it.dhow("stop", "-t", "0", "busy");
  assertEquals((await it.dhow("stats", "--no-stream", "--format", "{{.Name}}")).trim(), "quiet");
  assertMatch(
    await it.dhow("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}} {{.PIDs}}"),
    /busy 0.00% 0$/m,
  );
  assertFailure(await host.dhow(["stats", "--no-stream", "nobody"]), 1, /No such container: nobody/);
});

detachedTest("stats draws its table again until nobody reads it", async (it, host) => {
  const container = await it.start(IDLE);
  await using live = host.spawnDhow(["stats", container]);
  await live.stdout.until(/\[H[^]*PIDS[^]*\[H[^]*PIDS/);
});

detachedTest("port tells of no ports, in docker's words", async (it, host) => {
  await it.start(IDLE, ["--name", "web"]);
  assertEquals(await it.dhow("port", "web"), "");
  assertFailure(
    await host.dhow(["port", "web", "80"]),
    1,
    /No public port: '80\/tcp' is not published for web/,
  );
  assertFailure(await host.dhow(["port", "web", "http"]), 1, /Invalid proto or port/);
  assertFailure(await host.dhow(["update", "--memory", "1g", "web"]), 1, /update the memoryswap/);
  assertFailure(await host.dhow(["update", "web"]), 1, /provide one or more flags/);
  const policy = () => it.inspect("web", "{{.HostConfig.RestartPolicy}}");
  assertEquals(await it.dhow("update", "--restart", "on-failure:2", "web"), "web");
  assertEquals(await policy(), "{on-failure 2}");
  assertFailure(await host.dhow(["update", "--restart", "never", "web"]), 1, /no restart policy "never"/);
  const removed = await it.dhow("create", "--rm", "busybox", "true");
  assertFailure(await host.dhow(["update", "--restart", "always", removed]), 1, /AutoRemove is enabled/);
  assertEquals(await policy(), "{on-failure 2}");
  await it.dhow("update", "--restart", "no", "web");
});

detachedTest("events are told in the order in which they happen", async (it, host) => {
  await using follower = host.spawnDhow(["events", "--filter", "type=container"]);
  // it is there when it has seen something
  const ready = ["--name", "ready", "busybox"];
  await eventually(async () => {
    await host.succeed([DHOW, "create", ...ready]);
    await host.succeed([DHOW, "rm", "ready"]);
    assert(follower.stdout.text.includes("name=ready"));
  });
  const container = await it.start(IDLE, ["--name", "one", "--label", "colour=blue"]);
  await it.dhow("pause", "one");
  await it.dhow("unpause", "one");
  await it.dhow("rename", "one", "two");
  await it.dhow("stop", "two");
  await it.dhow("start", "two");
  await it.dhow("rm", "-f", "two");
  await follower.stdout.until(/destroy \S+ \(colour=blue/);
  const told = follower.stdout.text.split("\n").filter((line) => line.includes(container));
  assertMatch(
    told[0]!,
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\S+ container create \w{64} \(colour=blue, image=\S+, name=one\)$/,
  );
  const actions = (lines: readonly string[]) => lines.map((line) => line.split(" ")[2]);
  const expected = [
    "create",
    "start",
    "pause",
    "unpause",
    "rename",
    "kill",
    "die",
    "stop",
    "start",
    "kill",
    "die",
    "destroy",
  ];
  assertEquals(actions(told), expected);
  assertMatch(told[6]!, /exitCode=3/);
  const past = ["events", "--since", "10m", "--until", "0s"];
  const earlier = await it.dhow(...past, "--filter", `container=${container}`);
  assertEquals(earlier.trimEnd().split("\n"), told);
  const deaths = await it.dhow(
    ...past,
    "-f",
    "event=die",
    "-f",
    "label=colour=blue",
    "--format",
    "{{.Action}} {{.Actor.Attributes.exitCode}}",
  );
  assertEquals(deaths, "die 3\ndie 137");
  const [first] = (await it.dhow(...past, "--format", "json", "-f", "container=two")).split("\n");
  const { status, Type, Actor, scope, timeNano, from } = JSON.parse(first!);
  assertEquals([status, Type, Actor.ID, scope, from], [
    "rename",
    "container",
    container,
    "local",
    "busybox",
  ]);
  assert(Math.abs(timeNano / 1e6 - Date.now()) < 600_000);
});

systemTest("a container in the foreground has its events, too, and its network's", async (host) => {
  await host.dhow(["run", "--name", "short", await busyboxArchive(), "sh", "-c", "exit 7"]);
  const text = await host.succeed([DHOW, "events", "--since", "10m", "--until", "0s"]);
  const told = text.trimEnd().split("\n").map((line) => line.split(" ").slice(1, 3).join(" "));
  assertEquals(
    told,
    [
      "container create",
      "network connect",
      "container start",
      "container die",
      "network disconnect",
      "container destroy",
    ].sort((a, b) => told.indexOf(a) - told.indexOf(b)),
  );
  assertMatch(text, /die .*exitCode=7/);
});

detachedTest("container prune removes what does not run, and says so as docker does", async (it, host) => {
  const running = await it.start(IDLE, ["--name", "runs"]);
  const kept = await it.start(["true"], ["--label", "keep"]);
  const ended = await it.start(["sh", "-c", "head -c 3000 /dev/zero >/data"]);
  await it.dhow("wait", kept, ended);
  const asked = await host.dhow(["container", "prune"], { stdin: "n\n" });
  assertMatch(
    asked.stdout,
    /^WARNING! This will remove all stopped containers\.\nAre you sure .*Total reclaimed space: 0B\n$/s,
  );
  const pruned = await it.dhow("container", "prune", "-f", "--filter", "label!=keep");
  assertMatch(
    pruned,
    new RegExp(`^Deleted Containers:\n${ended}\n\nTotal reclaimed space: 3(\\.\\d+)?kB$`),
  );
  assertEquals(
    await it.dhow("container", "prune", "-f", "--filter", "until=24h"),
    "Total reclaimed space: 0B",
  );
  assertEquals(
    (await it.dhow("ps", "-aq", "--no-trunc")).trim().split("\n").sort(),
    [running, kept].sort(),
  );
  const all = await it.dhow("system", "prune", "-f");
  assertMatch(all, new RegExp(`^Deleted Containers:\n${kept}\n\nTotal reclaimed space: \\d+B$`));
});

detachedTest("system df and info count containers, images and volumes", async (it, host) => {
  const write = ["busybox", "sh", "-c", "echo 123456789 >/data/file"];
  await host.succeed([DHOW, "run", "--rm", "--network", "none", "-v", "unused:/data", ...write]);
  await it.start(IDLE, ["--name", "runs", "-v", "used:/data"]);
  await it.dhow("pause", "runs");
  const lines = (await it.dhow("system", "df")).split("\n");
  assertMatch(lines[0]!, /^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE$/);
  assertMatch(lines[1]!, /^Images +1 +1 +[\d.]+[kM]B +0B \(0%\)$/);
  assertMatch(lines[2]!, /^Containers +1 +1 +\d+B +0B/);
  assertMatch(lines[3]!, /^Local Volumes +2 +1 +10B +10B \(100%\)$/);
  assertMatch(lines[4]!, /^Build Cache +0 +0 +0B +0B$/);
  assertMatch(
    await it.dhow("info"),
    /^Containers: 1\n Running: 0\n Paused: 1\n Stopped: 0\nImages: 1\n/,
  );
  assertEquals(await it.dhow("info", "-f", "{{.ContainersPaused}} {{.Images}}"), "1 1");
  await it.dhow("rm", "-f", "runs");
  assertMatch(await it.dhow("system", "prune", "-af"), /Deleted Images:\nuntagged: busybox:latest\n/);
  assertEquals(await it.dhow("volume", "rm", "used", "unused"), "used\nunused");
});
