/** Containers that `run` stays with, and that may outlive it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import {
  followsWindow,
  hasModes,
  HOST_PROMPT,
  hostShell,
  isInterrupted,
  LEAVE,
  PROMPT,
} from "../support/host_shell.ts";
import type { RunOptions } from "../support/process.ts";
import { Terminal } from "../support/terminal.ts";

const RUN = ["run", "--network", "none"];

/** Runs a script in a container in the foreground. */
function run(it: Detached, flags: readonly string[], script: string, options?: RunOptions) {
  return it.host.dhow([...RUN, ...flags, "busybox", "sh", "-c", script], options);
}

function spawn(host: Host, flags: readonly string[], script: string) {
  return host.spawnDhow([...RUN, ...flags, "busybox", "sh", "-c", script]);
}

/** The names and states of all containers. */
const all = (it: Detached) => it.dhow("ps", "-a", "--format", "{{.Names}} {{.State}}");

detachedTest(
  "a container in the foreground is removed at its end, but with --rm=false it stays, as docker's do",
  async (it) => {
    const script = "echo out; echo err >&2; echo x >>/count; exit $(wc -l </count)";
    for (const flags of [[], ["--rm"], ["--rm=true"], ["-a", "stdout", "-a", "stderr"]]) {
      const { code, stdout, stderr } = await run(it, flags, script);
      assertEquals({ code, stdout, stderr }, { code: 1, stdout: "out\n", stderr: "err\n" }, `${flags}`);
      assertEquals(await it.dhow("ps", "-aq"), "", `${flags}`);
    }
    const cidFile = it.host.file("cid");
    const { code, stdout, stderr } = await run(
      it,
      ["--rm=false", "--name", "it", "--cidfile", cidFile],
      script,
    );
    assertEquals({ code, stdout, stderr }, { code: 1, stdout: "out\n", stderr: "err\n" });
    assertEquals(await all(it), "it exited");
    const about = "{{.Id}} {{.State.ExitCode}} {{.HostConfig.AutoRemove}} {{.Config.AttachStdin}}";
    assertEquals(
      await it.dhow("inspect", "-f", about, "it"),
      `${await it.host.shell(`cat ${cidFile}`)} 1 false false`,
    );
    const again = await it.host.dhow(["start", "-a", "it"]);
    assertEquals([again.code, again.stdout, again.stderr], [2, "out\n", "err\n"]);
    const logs = await it.host.dhow(["logs", "it"]);
    assertEquals([logs.stdout, logs.stderr], ["out\nout\n", "err\nerr\n"]);

    // however soon it ends, nothing is lost
    const outputs = await Promise.all(
      Array.from({ length: 12 }, (_, index) => run(it, ["--rm=false"], `echo ${index}; exit ${index}`)),
    );
    assertEquals(
      outputs.map(({ code, stdout, stderr }) => [code, stdout, stderr]),
      outputs.map((_, index) => [index, `${index}\n`, ""]),
    );
  },
);

detachedTest("a program that is not there: the container that was to stay is there, made", async (it) => {
  const missing = (...flags: string[]) => it.host.dhow([...RUN, ...flags, "--name", "no", "busybox", "no"]);
  const cidFile = it.host.file("cid");
  assertFailure(await missing("--rm=false", "--cidfile", cidFile), 127, /cannot find the command "no"/);
  assertEquals(await all(it), "no created");
  assertMatch(await it.host.shell(`cat ${cidFile}`), /^[0-9a-f]{64}$/);
  await it.dhow("rm", "no");
  assertFailure(await missing("--sig-proxy=false"), 127);
  assertFailure(await it.host.dhow([...RUN, "-it", "--rm=false", "busybox", "true"]), 125, /not a terminal/);
  assertFailure(await it.host.dhow([...RUN, "-a", "tty", "busybox", "true"]), 125, /no such stream/);
  assertFailure(await it.host.dhow(["create", "-a", "tty", "busybox", "true"]), 125, /no such stream/);
  assertFailure(await it.host.dhow([...RUN, "-da", "stdout", "busybox"]), 125, /Conflicting options/);
  assertFailure(await it.host.dhow([...RUN, "--detach-keys", "ctrl-1", "busybox"]), 125, /no keys/);
  assertFailure(await it.host.dhow(["create", "--sig-proxy=false", "busybox"]), 125, /no option --sig-proxy/);
  assertEquals(await it.dhow("ps", "-aq"), "");
});

detachedTest(
  "its input: through a pipe, to its end; and it ends with dhow, however that ends",
  async (it) => {
    const bytes = "0123456789abcde\n".repeat(200_000);
    const { code, stdout } = await it.host.dhow([...RUN, "-i", "--rm=false", "busybox", "cat"], {
      stdin: bytes,
    });
    assertEquals([code, stdout === bytes], [0, true]);
    await using killed = it.host.spawnDhow([...RUN, "-i", "--rm=false", "--name", "it", "busybox", "cat"]);
    await killed.write("one\n");
    await killed.stdout.until(/one\n/);
    // somebody else may watch, but the input is taken
    await using watching = it.host.spawnDhow(["attach", "it"]);
    await eventually(async () => {
      await killed.write("again\n");
      assertStringIncludes(watching.stdout.text, "again");
    });
    await killed.kill("KILL");
    assertEquals(await it.dhow("wait", "it"), "0");
    assertEquals((await watching.output()).code, 0);
    assertMatch(await it.dhow("logs", "it"), /^one\n(again\n?)+$/);
  },
);

detachedTest(
  "signals are passed on, but not with --sig-proxy=false; the container goes on when dhow is ended",
  async (it) => {
    const script = "trap 'echo term; exit 9' TERM; echo up; while :; do sleep 0.05; done";
    await using asked = spawn(it.host, ["--rm=false", "--name", "asked"], script);
    await asked.stdout.until(/up\n/);
    await asked.kill("TERM");
    const { code, stdout } = await asked.output();
    assertEquals({ code, stdout }, { code: 9, stdout: "up\nterm\n" });

    await using deaf = spawn(it.host, ["--sig-proxy=false", "--name", "deaf"], script);
    await deaf.stdout.until(/up\n/);
    await deaf.kill("TERM");
    assertEquals((await deaf.output()).code, 143);
    await using killed = spawn(it.host, ["--rm=false", "--name", "killed"], script);
    await killed.stdout.until(/up\n/);
    await killed.kill("KILL");
    await killed.output();
    assertEquals((await it.dhow("ps", "--format", "{{.Names}}")).split("\n").sort(), ["deaf", "killed"]);
    await it.dhow("stop", "deaf", "killed");
    // what was not to stay is removed at its end, whoever is there then
    assertEquals((await all(it)).split("\n").sort(), ["asked exited", "killed exited"]);
    assertEquals(await it.dhow("logs", "killed"), "up\nterm");
    assertEquals(await it.dhow("wait", "killed"), "9");
  },
);

detachedTest("with --restart run ends when it ends first, and it is started again", async (it) => {
  const script = "echo run; exit 3";
  const { code, stdout } = await run(it, ["--restart", "on-failure:2", "--name", "it"], script);
  assertEquals({ code, stdout }, { code: 3, stdout: "run\n" });
  assertEquals(await it.dhow("wait", "it"), "3");
  assertEquals(await it.dhow("logs", "it"), "run\nrun\nrun");
  assertEquals(await it.dhow("inspect", "-f", "{{.RestartCount}}", "it"), "2");
});

detachedTest("--attach connects the streams that it names, and no others", async (it) => {
  const script = "echo out; echo err >&2; cat; exit 4";
  for (
    const [streams, stdout, stderr] of [
      ["-a stdout", "out\n", ""],
      ["-a STDERR", "", "err\n"],
      ["-i -a stdout", "out\nin\n", ""],
      ["-a stdin -a stdout --attach=stderr", "out\n", "err\n"],
    ] as const
  ) {
    const output = await run(it, streams.split(" "), script, { stdin: "in\n" });
    assertEquals([output.code, output.stdout, output.stderr], [4, stdout, stderr], streams);
  }
  assertEquals(await it.dhow("ps", "-aq"), "");
  // nobody reads what it writes: that is for its log, so it stays
  for (const [flags, written] of [[["-i"], "out\nin\n"], [[], "out\n"]] as const) {
    const { code, stdout } = await run(it, [...flags, "-a", "stdin", "--name", "it"], script, {
      stdin: "in\n",
    });
    assertEquals([code, stdout.replace(/^[0-9a-f]{64}\n$/, "ID")], [0, "ID"]);
    assertEquals(await it.dhow("wait", "it"), "4");
    assertEquals((await it.host.dhow(["logs", "it"])).stdout, written);
    const attached = "{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.StdinOnce}}";
    assertEquals(await it.dhow("inspect", "-f", attached, "it"), `true false ${flags.length > 0}`);
    await it.dhow("rm", "it");
  }
});

detachedTest("when nobody reads what it writes, run ends; and what was not to stay ends, too", async (it) => {
  const piped = (flags: string) =>
    it.host.succeed([
      "bash",
      "-c",
      `${DHOW} ${RUN.join(" ")} --name it ${flags} busybox yes | head -n 1; echo \${PIPESTATUS[0]}`,
    ]);
  assertEquals(await piped("--rm=false"), "y\n141\n");
  assertEquals(await all(it), "it running");
  await it.dhow("rm", "-f", "it");
  assertEquals(await piped("-a stdout"), "y\n137\n");
  assertEquals(await it.dhow("ps", "-aq"), "");
  const full = await it.host.run(["sh", "-c", `${DHOW} ${RUN.join(" ")} --rm=false busybox ls >/dev/full`]);
  assertFailure(full, 125, /cannot write what the container writes: no space left/);
});

detachedTest(
  "what a log has no room for is not lost to who reads as it comes, however slowly",
  async (it) => {
    const script = "seq 1 300000; echo end >&2; exit 5";
    const numbers = Array.from({ length: 300000 }, (_, index) => `${index + 1}\n`).join("");
    for (const flags of [["--rm=false", "--name", "it"], ["-a", "stdout", "-a", "stderr"]]) {
      const { code, stdout, stderr } = await run(it, [...flags, "--log-opt", "max-size=1k"], script);
      assertEquals([code, stdout === numbers, stderr], [5, true, "end\n"], `${flags}`);
    }
    assertEquals(await all(it), "it exited");
    // one that does not read at all does not stop the container
    await it.dhow("rm", "it");
    await using stopped = spawn(
      it.host,
      ["--log-opt", "max-size=1k", "--rm=false", "--name", "it"],
      `echo up; until [ -e /go ]; do sleep 0.05; done; ${script}`,
    );
    await stopped.stdout.until(/up\n/);
    await stopped.kill("STOP");
    await it.dhow("exec", "it", "touch", "/go");
    assertEquals(await it.dhow("wait", "it"), "5");
    // nsenter stops with what it waits for
    Deno.kill(stopped.pid, "SIGCONT");
  },
);

detachedTest("with a terminal: the window's size, leaving it, coming back, its exit code", async (it) => {
  const { terminal, modes } = await hostShell(it.host);
  await using _terminal = terminal;
  const isBack = async (code: number) => {
    await hasModes(terminal, modes);
    await terminal.type("echo back with $?\r", new RegExp(`back with ${code}\r\n`));
  };
  await terminal.type(`${DHOW} ${RUN.join(" ")} -it --rm=false --name box busybox\r`, PROMPT);
  assertStringIncludes(await terminal.modes(), "-icanon");
  await terminal.type("stty size\r", /30 100\r\n/);
  await followsWindow(terminal);
  await isInterrupted(terminal);
  await terminal.type("here=kept\r", PROMPT);
  await terminal.type(LEAVE, HOST_PROMPT);
  await isBack(0);
  await terminal.type(`${DHOW} attach box\r`);
  await eventually(async () => assertStringIncludes(await terminal.modes(), "-icanon"));
  await terminal.type("echo $here\r", /kept\r\n/);
  await terminal.type("exit 6\r", HOST_PROMPT);
  await isBack(6);
  await terminal.type(`${DHOW} start -ai box\r`, PROMPT);
  await terminal.type("exit 7\r", HOST_PROMPT);
  await isBack(7);

  // with keys of one's own it can be left, but is not asked to stay
  await terminal.type(`${DHOW} ${RUN.join(" ")} -it --detach-keys a,z --name gone busybox\r`, PROMPT);
  await terminal.type("az", HOST_PROMPT);
  await isBack(0);
  assertEquals((await all(it)).split("\n").sort(), ["box exited", "gone running"]);
  await it.dhow("stop", "-t", "0", "gone");
  assertEquals(await all(it), "box exited");
});

detachedTest("a terminal that is lost ends dhow, and what was not to stay; the rest goes on", async (it) => {
  const attach = async (flags: string, script: string) => {
    const args = [...RUN, "-it", ...flags.split(" "), "--name", "it", "busybox", "sh", "-c", script];
    await using terminal = new Terminal(it.host, [DHOW, ...args]);
    await terminal.see(/up\r\n/);
    return await terminal.hangUp();
  };
  const idle = "echo up; while :; do sleep 0.05; done";
  assertEquals(await attach("--rm=false", `trap : HUP; ${idle}`), 129);
  assertEquals(await all(it), "it running");
  await it.dhow("rm", "-f", "it");
  assertEquals(await attach("--detach-keys=a,z", `trap "exit 5" HUP; ${idle}`), 5);
  assertEquals(await attach("--detach-keys=a,z", idle), 137);
  assertEquals(await it.dhow("ps", "-aq"), "");
});
