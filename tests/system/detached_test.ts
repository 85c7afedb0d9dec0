import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import { sha256 } from "../support/image.ts";
import { memoryOf } from "../support/memory.ts";

detachedTest("run -d prints the id and returns; ps, logs, wait and rm know the container", async (it) => {
  const id = await it.script("echo out; echo err >&2; read line; exit 7", ["-i", "--name", "web"]);
  assertMatch(id, /^[0-9a-f]{64}$/);
  assertEquals(
    await it.dhow("ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Image}} {{.State}}"),
    `${id} web busybox running`,
  );
  const logs = () => it.host.dhow(["logs", "web"]);
  await eventually(async () => {
    const { stdout, stderr } = await logs();
    assertEquals([stdout, stderr], ["out\n", "err\n"]);
  });
  assertFailure(await it.host.dhow(["rm", "web"]), 1, /You cannot remove a running container/);
  assertEquals(await it.dhow("kill", "web"), "web");
  assertEquals(await it.dhow("wait", "web"), "137");
  assertEquals(await it.status(id), "Exited (137)");
  assertEquals(await it.dhow("ps", "-q"), "");
  assertEquals((await logs()).stdout, "out\n");
  assertEquals(await it.dhow("rm", "web"), "web");
  assertFailure(await logs(), 1, /No such container: web/);
});

detachedTest("a container that is made is started, stopped, and keeps its files", async (it) => {
  const id = await it.dhow(
    "create",
    "--network",
    "none",
    "--name",
    "it",
    "busybox",
    "sh",
    "-c",
    "cat /count; echo x >>/count; exit 3",
  );
  assertEquals(await it.status(id), "Created");
  for (let run = 0; run < 3; run++) {
    assertEquals(await it.dhow("start", "it"), "it");
    assertEquals(await it.dhow("wait", "it"), "3");
  }
  assertEquals((await it.host.dhow(["logs", "it"])).stdout, "x\nx\nx\n");
});

detachedTest("exit codes of containers are docker's", async (it) => {
  const codes = ["exit 0", "exit 42", "kill -TERM $$", "kill -KILL $$"];
  for (const [index, expected] of [0, 42, 143, 137].entries()) {
    // the first process ignores signals that it has no handler for, so a child gets it
    const id = await it.script(index < 2 ? codes[index]! : `sh -c '${codes[index]}'; exit $?`);
    assertEquals(await it.dhow("wait", id), `${expected}`);
  }
});

detachedTest("a program that is not there: 127, docker's words, and the container stays", async (it) => {
  const output = await it.host.dhow(["run", "-d", "--network", "none", "--name", "no", "busybox", "missing"]);
  assertFailure(output, 127, /missing/);
  assertEquals(await it.dhow("ps", "-a", "--format", "{{.Names}} {{.Status}}"), "no Created");
  assertFailure(await it.host.dhow(["start", "no"]), 1, /missing/);
  const noRights = await it.host.dhow(["run", "-d", "--network", "none", "busybox", "/etc"]);
  assertFailure(noRights, 126);
  assertFailure(await it.host.dhow(["run", "-d", "--rm", "--network", "none", "busybox", "missing"]), 127);
  assertEquals((await it.dhow("ps", "-aq")).split("\n").length, 2);
});

detachedTest("stop asks with the signal that was given, and kills after the time-out", async (it) => {
  const obeys = 'trap "echo asked; exit 5" USR1; echo up; while :; do sleep 0.05; done';
  const id = await it.script(obeys, ["--stop-signal", "USR1"]);
  await eventually(async () => assertStringIncludes(await it.dhow("logs", id), "up"));
  assertEquals(await it.dhow("stop", id), id);
  assertEquals(await it.status(id), "Exited (5)");
  assertEquals(await it.dhow("logs", id), "up\nasked");
  const stubborn = await it.start(["sleep", "1000"]);
  assertEquals(await it.dhow("stop", "-t", "0", stubborn), stubborn);
  assertEquals(await it.status(stubborn), "Exited (137)");
  assertEquals(await it.dhow("stop", stubborn, id), `${stubborn}\n${id}`);
});

detachedTest(
  "stop and rm -f settle a container's end without the dhow that its monitor starts",
  async (it, host) => {
    const own = host.file("dhow");
    await host.succeed(["cp", DHOW, own]);
    const start = async () => {
      const flags = ["run", "-d", "--init", "--network", "none", "busybox", "sleep", "1000"];
      const output = await host.run([own, ...flags]);
      assertSuccess(output);
      return output.stdout.trim();
    };
    const [one, two] = [await start(), await start()];
    const monitors = [await it.monitor(one), await it.monitor(two)];
    // what the monitors become does not end
    await Deno.remove(host.path(own));
    await host.write("dhow", "#!/bin/sh\nwhile :; do sleep 1; done\n", 0o755);
    await it.dhow("stop", one);
    assertEquals(await it.status(one), "Exited (143)");
    await it.dhow("rm", "-f", two);
    assertEquals(await it.dhow("ps", "-aq", "--no-trunc"), one);
    assertEquals(host.processes().filter(({ pid }) => monitors.includes(pid)), []);
  },
);

detachedTest(
  "ten who stop one container, and ten who remove it by force, are all right",
  async (it, host) => {
    const id = await it.named("one");
    const stops = await Promise.all(Array.from({ length: 10 }, () => host.dhow(["stop", "-t", "0", "one"])));
    assertEquals(
      stops.map(({ code, stdout, stderr }) => [code, stdout, stderr]),
      Array(10).fill([0, "one\n", ""]),
    );
    assertEquals(await it.status(id), "Exited (137)");
    const two = await it.named("two");
    const removals = await Promise.all(Array.from({ length: 10 }, () => host.dhow(["rm", "-f", two])));
    for (const { code, stderr } of removals) {
      assertEquals(code, 0);
      assertMatch(stderr, /^(dhow: No such container: [0-9a-f]+\n)?$/);
    }
    assertEquals(await it.dhow("ps", "-aq", "--no-trunc"), id);
  },
);

detachedTest("restart starts a container that runs anew, and one that does not", async (it) => {
  const id = await it.script("echo up; exec sleep 1000");
  const before = await it.monitor(id);
  await it.dhow("restart", "-t", "0", id);
  assert(await it.monitor(id) !== before);
  await eventually(async () => assertEquals(await it.dhow("logs", id), "up\nup"));
  await it.dhow("kill", id);
  await it.dhow("wait", id);
  await it.dhow("restart", id);
  await eventually(async () => assertEquals(await it.dhow("logs", id), "up\nup\nup"));
});

detachedTest(
  "names are unique and can be changed; verbs take several, and go on after one that is not there",
  async (it) => {
    const one = await it.start(["sleep", "1000"], ["--name", "one"]);
    const two = await it.start(["sleep", "1000"], ["--name", "two"]);
    assertFailure(await it.host.dhow(["rename", "one", "two"]), 1, /already in use by container/);
    await it.dhow("rename", "one", "three");
    assertEquals(await it.ask(one, "{{.Names}}"), "three");
    assertFailure(await it.host.dhow(["run", "-d", "--name", "two", "busybox", "true"]), 125, /two/);
    const { code, stdout, stderr } = await it.host.dhow(["rm", "-f", "three", "nobody", two.slice(0, 12)]);
    // docker's rm -f takes what is not there for no failure
    assertEquals([code, stdout], [0, `three\n${two.slice(0, 12)}\n`]);
    assertMatch(stderr, /^dhow: No such container: nobody\n$/);
    assertEquals(await it.dhow("ps", "-aq"), "");
  },
);

detachedTest("with --rm nothing is left when it has ended", async (it) => {
  const id = await it.script("read line; echo done", ["-i", "--rm"]);
  const monitor = await it.monitor(id);
  await it.dhow("stop", "-t", "0", id);
  await eventually(() => assert(!it.host.processes().some(({ pid }) => pid === monitor)));
  assertEquals(await it.dhow("ps", "-aq"), "");
});

detachedTest("who waits for a container that is removed at its end is told its exit code", async (it) => {
  const id = await it.script("trap 'exit 7' TERM; echo ready; while :; do sleep 1; done", ["--rm"]);
  await eventually(async () => assertEquals(await it.dhow("logs", id), "ready"));
  await using waiting = it.host.spawnDhow(["wait", id]);
  const folder = it.host.path(`/proc/${await waiting.hostPid()}/fd`);
  await eventually(() =>
    assert(
      [...Deno.readDirSync(folder)].some(({ name }) => linkOf(`${folder}/${name}`).endsWith(`${id}/exit`)),
    )
  );
  await it.host.dhow(["kill", "--signal", "TERM", id]);
  assertEquals((await waiting.output()).stdout, "7\n");
});

detachedTest("logs: the last lines, since and until, with times, and as they come", async (it) => {
  const id = await it.script("echo a; echo b; echo c >&2; read x; exit 0", ["-i"]);
  await eventually(async () => {
    const { stdout, stderr } = await it.host.dhow(["logs", "-n", "2", id]);
    assertEquals([stdout, stderr], ["b\n", "c\n"]);
  });
  const { stdout } = await it.host.dhow(["logs", "-t", id]);
  const times = stdout.split("\n").slice(0, 2).map((line) => line.split(" ")[0]!);
  for (const time of times) assertMatch(time, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{9}Z$/);
  assertEquals((await it.host.dhow(["logs", "--since", "1h", id])).stdout, "a\nb\n");
  assertEquals((await it.host.dhow(["logs", "--until", "1h", id])).stdout, "");
  await using follower = it.host.spawnDhow(["logs", "-f", id]);
  await follower.stdout.until(/a\nb\n/);
  await using last = it.host.spawnDhow(["logs", "-f", "--tail", "0", id]);
  await eventually(() =>
    assert(it.host.processes().filter(({ command }) => command.includes("logs -f")).length >= 2)
  );
  await it.dhow("kill", id);
  const { code, stdout: all } = await follower.output();
  assertEquals([code, all], [0, "a\nb\n"]);
  assertEquals((await last.output()).code, 0);
});

detachedTest("a log that is too large makes way for a new one", async (it) => {
  const script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done";
  const id = await it.script(script, ["--log-opt", "max-size=4k", "--log-opt", "max-file=3"]);
  assertEquals(await it.dhow("wait", id), "0");
  const all = Array.from({ length: 3000 }, (_, index) => `line ${index}\n`).join("");
  const { stdout } = await it.host.dhow(["logs", id]);
  assert(all.endsWith(stdout) && stdout !== all && stdout !== "", stdout.slice(0, 100));
  const files = (await it.host.shell(`ls /var/lib/dhow/containers/${id}`)).split("\n").filter((name) =>
    name.startsWith("log")
  );
  assertEquals(files.sort(), ["log", "log.1", "log.2"]);
});

detachedTest("a writer that is faster than the disk loses nothing", async (it) => {
  const size = 50_000_000;
  const id = await it.script(`yes 'some line of text' | head -c ${size}`);
  assertEquals(await it.dhow("wait", id), "0");
  const { bytes, code } = await it.host.dhow(["logs", id]);
  assertEquals([code, bytes.length], [0, size]);
  const line = "some line of text\n";
  const expected = new TextEncoder().encode(line.repeat(Math.ceil(size / line.length))).subarray(0, size);
  assertEquals(sha256(bytes), sha256(expected));
});

detachedTest("a reader of the log that stops does not stop the container", async (it) => {
  const id = await it.script("yes | head -c 3000000; echo end >&2; exec sleep 1000");
  // it writes to a pipe that nobody reads any more, once it is full
  await using _reader = it.host.spawn([
    "sh",
    "-c",
    'mkfifo "$2" && exec 3<>"$2" && exec "$0" logs -f "$1" >&3',
    DHOW,
    id,
    it.host.file("fifo"),
  ]);
  await it.host.pidOf("sleep 1000");
  await eventually(async () => assertEquals((await it.host.dhow(["logs", id])).stderr, "end\n"));
});

detachedTest("a monitor keeps less than 0.4 MiB, also after much output", async (it) => {
  const id = await it.script("yes | head -c 3000000; exec sleep 1000");
  const pid = await it.monitor(id);
  await it.host.pidOf("sleep 1000");
  const kept = memoryOf(it.host.path(`/proc/${pid}`));
  assert(kept > 0 && kept < 0.4 * 1024, `${kept} KiB`);
});

detachedTest("kill sends the signal that is meant", async (it) => {
  const id = await it.script('trap "echo hup" HUP; echo up; while :; do sleep 0.05; done');
  await eventually(async () => assertEquals(await it.dhow("logs", id), "up"));
  assertEquals(await it.dhow("kill", "-s", "HUP", id), id);
  await eventually(async () => assertEquals(await it.dhow("logs", id), "up\nhup"));
  assertFailure(await it.host.dhow(["kill", "-s", "NOPE", id]), 1, /there is no signal/);
  await it.dhow("kill", id);
  await it.dhow("wait", id);
  assertFailure(await it.host.dhow(["kill", id]), 1, /Cannot kill container .*not running/);
});

detachedTest("containers that stay have a network, and give their address back", async (it) => {
  const id = await it.dhow(
    "run",
    "-d",
    "--ip",
    "100.100.1.9",
    "busybox",
    "sh",
    "-c",
    "wget -qO- http://web.example.test/; exec sleep 1000",
  );
  await eventually(async () => assertEquals(await it.dhow("logs", id), "hello from the internet"));
  await it.dhow("stop", "-t", "0", id);
  assertSuccess(await it.host.dhow(["run", "--ip", "100.100.1.9", "busybox", "true"]));
  await it.dhow("start", id);
  await eventually(async () =>
    assertEquals(await it.dhow("logs", id), "hello from the internet\nhello from the internet")
  );
});

/** What a link of /proc leads to; nothing once it is gone. */
function linkOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
