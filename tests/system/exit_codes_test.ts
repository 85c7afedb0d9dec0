import { assertEquals } from "@std/assert";
import { assertFailure, runArchive, runBusybox } from "../support/containers.ts";
import { busyboxArchive, busyboxWith } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

systemTest("dhow ends with the exit code of the program", async (host) => {
  for (const code of [0, 1, 3, 255]) {
    const output = await runBusybox(host, ["sh", "-c", `exit ${code}`]);
    assertEquals([output.code, output.stderr], [code, ""]);
  }
});

systemTest("a program that a signal ended gives 128 and the signal's number", async (host) => {
  await using running = host.spawnDhow(["run", "--network", "none", await busyboxArchive(), "sleep", "1000"]);
  await host.succeed(["kill", "-KILL", `${await host.pidOf("sleep 1000")}`]);
  const { code, stderr } = await running.output();
  assertEquals([code, stderr], [137, ""]);
});

systemTest("a child of the program that a signal ended is the shell's affair", async (host) => {
  const { code } = await runBusybox(host, ["sh", "-c", "sh -c 'kill -TERM $$'; exit $?"]);
  assertEquals(code, 143);
});

systemTest("a program that is not in the image gives 127, and says where it was looked for", async (host) => {
  assertFailure(
    await runBusybox(host, ["no-such-program"]),
    127,
    /no-such-program/,
    /not found|no such file/i,
  );
  assertFailure(await runBusybox(host, ["/no/such/program"]), 127, /\/no\/such\/program/);
});

systemTest("a file that cannot be executed gives 126", async (host) => {
  assertFailure(await runBusybox(host, ["/etc/passwd"]), 126, /\/etc\/passwd/, /permission denied/);
  assertFailure(await runBusybox(host, ["/etc"]), 126, /"\/etc"/, /directory|permission/);
});

systemTest("a program whose interpreter is missing is told from a program that is missing", async (host) => {
  const layers = [[{ path: "script", content: "#!/no/interpreter\n", mode: 0o755 }]];
  const output = await runArchive(host, busyboxWith({}, { layers }), ["/script"]);
  assertFailure(output, 127, /\/script/, /interpreter/);
});

systemTest("a program for another CPU, or no program at all, gives 126", async (host) => {
  const layers = [[{ path: "program", content: "not a program", mode: 0o755 }]];
  assertFailure(await runArchive(host, busyboxWith({}, { layers }), ["/program"]), 126, /exec format error/);
});

systemTest("a name of a program is looked for in the container's PATH only", async (host) => {
  assertEquals((await runBusybox(host, ["sh", "-c", "exit 4"], ["-e", "PATH=/nowhere:/bin"])).code, 4);
  assertFailure(await runBusybox(host, ["sh", "-c", "exit 4"], ["-e", "PATH=/nowhere"]), 127, /"sh"/);
});

systemTest("an image without a command needs one on the command line", async (host) => {
  assertFailure(await runArchive(host, busyboxWith({})), 125, /command/);
});

systemTest(
  "options that there are not give 125, other mistakes 125 for run and 1 for the rest",
  async (host) => {
    assertFailure(await host.dhow(["run", "--no-such-option", "image"]), 125, /--no-such-option/, /--help/);
    assertFailure(await host.dhow(["run"]), 125, /IMAGE/, /--help/);
    const nowhere = await host.dhow(["run", "--network", "nowhere", await busyboxArchive(), "true"]);
    assertFailure(nowhere, 125, /network nowhere not found/, /dhow network ls/);
    const unknown = await host.dhow(["no-such-command"]);
    assertEquals([unknown.code, /no-such-command.*--help/.test(unknown.stderr)], [1, true]);
    const option = await host.dhow(["images", "--no-such-option"]);
    assertEquals([option.code, /--no-such-option.*--help/.test(option.stderr)], [125, true]);
    assertFailure(await host.dhow(["tag", "one"]), 1, /two arguments/);
  },
);
