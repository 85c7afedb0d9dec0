import { assert, assertEquals, assertMatch } from "@std/assert";
import { StandaloneProgram } from "../../ffi/standalone.ts";
import { assertFailure, busyboxOutput, busyboxShell, runArchive, runBusybox } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { systemTest } from "../support/system_test.ts";

systemTest("--init: the program is a child of an init, whose exit code is the program's", async (host) => {
  const init = ["--init"];
  assertEquals(await busyboxShell(host, "echo $$; cat /proc/1/cmdline | head -c 9", init), "2\ndhow-init");
  const code = async (script: string) => (await runBusybox(host, ["sh", "-c", script], init)).code;
  assertEquals([await code("exit 0"), await code("exit 42"), await code("exit 255")], [0, 42, 255]);
  assertEquals([await code("kill -9 $$"), await code("kill -TERM $$"), await code("kill -ABRT $$")], [
    137,
    143,
    134,
  ]);
  const signals = await busyboxOutput(host, ["grep", "^Sig[BI]", "/proc/self/status"], init);
  assertEquals(signals, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  assertEquals(await busyboxOutput(host, ["ls", "/proc/self/fd"], init), "0\n1\n2\n3\n");
  assertFailure(await runBusybox(host, ["no-such-program"], init), 127, /cannot find the command/);
  assertFailure(await runBusybox(host, ["/etc"], init), 126, /cannot execute/);
  const variables = Array.from({ length: 30 }, (_, index) => `V${index}=${"x".repeat(100_000)}`).join("\n");
  const tooLong = [...init, "--env-file", await host.write("variables", variables)];
  assertFailure(await runBusybox(host, ["true"], tooLong), 126, /longer than the kernel allows/);
});

detachedTest("--init: a program that cannot be started is told by run -d and by start", async (it, host) => {
  const flags = ["--init", "--network", "none", "--name", "it"];
  const run = (...command: string[]) => host.dhow(["run", "-d", ...flags, "busybox", ...command]);
  assertFailure(await run("/etc"), 126, /cannot execute "\/etc"/);
  await it.dhow("rm", "it");
  const { stdout, ...output } = await run("no-such-program");
  assertFailure({ ...output, stdout: "" }, 127, /cannot find the command/);
  assertMatch(stdout, /^[0-9a-f]{64}\n$|^$/);
  assertEquals((await host.dhow(["start", "it"])).code, 1);
  assertEquals(await it.inspect("it", "{{.State.Status}} {{.State.ExitCode}}"), "created 127");
});

systemTest("--init reaps what other processes leave behind", async (host) => {
  const script =
    'for i in 1 2 3; do (true & exec true) & wait; done; while grep -qs "^State:.Z" /proc/[0-9]*/status; do sleep 0.01; done';
  assertEquals(await busyboxShell(host, script, ["--init"]), "");
});

detachedTest(
  "--init hands signals on, also to a program that a process 1 would not have heard of",
  async (it) => {
    const container = await it.start(["sleep", "1000"], ["--init", "--user", "1000"]);
    await it.dhow("kill", "-s", "TERM", container);
    assertEquals(await it.dhow("wait", container), "143");
    await it.dhow("start", container);
    await it.dhow("stop", "-t", "30", container);
    assertEquals(await it.inspect(container, "{{.State.ExitCode}} {{.HostConfig.Init}}"), "143 true");
  },
);

detachedTest("--init: what is typed at a terminal goes to the program, once", async (it, host) => {
  const script = "trap 'echo got' INT; trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
  const container = await it.start(["sh", "-c", script], ["--init", "-t"]);
  await eventually(async () => assertMatch(await it.dhow("logs", container), /ready/));
  const pid = await it.inspect(container, "{{.State.Pid}}");
  const status = await host.shell(`cat /proc/${pid}/stat`);
  const foreground = status.slice(status.lastIndexOf(")") + 2).split(" ")[5];
  const group = status.slice(status.lastIndexOf(")") + 2).split(" ")[2];
  assert(foreground !== group && foreground !== "-1", status);
  await it.dhow("kill", "-s", "INT", container);
  await eventually(async () => assertMatch(await it.dhow("logs", container), /got/));
  await it.dhow("stop", container);
  assertEquals((await it.dhow("logs", container)).match(/got/g)?.length, 1);
});

/** A program that prints the memory map of process 1 with its first system calls, before that can have done much. */
function readsMaps(): Uint8Array {
  const program = new StandaloneProgram(8, 32 << 10);
  const [AT_FDCWD, O_RDONLY] = [-100, 0];
  const maps = program.call("openat", [AT_FDCWD, "/proc/1/maps", O_RDONLY]);
  const buffer = program.buffer(16 << 10);
  program.call("write", [1, buffer, program.call("read", [maps, buffer, 16 << 10])]);
  return program.build();
}

systemTest("--init: not even at its start does the program see dhow in its init", async (host) => {
  const image = archive({ layers: [[{ path: "maps", content: readsMaps(), mode: 0o755 }]] });
  for (let run = 0; run < 20; run++) {
    const { stdout, stderr } = await runArchive(host, image, ["/maps"], ["--init"]);
    assertEquals(stderr, "");
    assertMatch(stdout, /memfd:dhow-init/);
    assert(!stdout.includes(DHOW) && !stdout.includes(".so"), stdout);
  }
});
