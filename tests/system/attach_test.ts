import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import {
  followsWindow,
  HOST_PROMPT,
  hostShell,
  isInterrupted,
  LEAVE,
  PROMPT,
  restored,
} from "../support/host_shell.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

const ECHO = ["sh", "-c", "while read line; do echo got $line; echo err $line >&2; done; echo end; exit 5"];

detachedTest(
  "attach shows what a container writes from now on, gives it input, and has its exit code",
  async (it, host) => {
    const container = await it.named("box", ECHO, ["-i"]);
    await using first = host.spawnDhow(["attach", "box"]);
    await first.write("one\n");
    await first.stdout.until(/got one\n/);
    await first.stderr.until(/err one\n/);
    await using second = host.spawnDhow(["attach", "--no-stdin", "box"]);
    await second.closeStdin();
    await eventually(async () => {
      await first.write("again\n");
      assertStringIncludes(second.stdout.text, "got again");
    });
    await host.dhow(["kill", container]);
    const output = await first.output();
    assertEquals(output.code, 137);
    assertMatch(output.stdout, /^got one\n(got again\n)+$/);
    assertEquals((await second.output()).code, 137);
    assertEquals(second.stdout.text.includes("got one"), false);
  },
);

detachedTest(
  "the end of attach's input is the container's only if it was made attached",
  async (it, host) => {
    await it.named("stays", ECHO, ["-i"]);
    await using attached = host.spawnDhow(["attach", "stays"]);
    await attached.write("one\n");
    await attached.closeStdin();
    await attached.stdout.until(/got one\n/);
    await using later = host.spawnDhow(["attach", "stays"]);
    await later.write("two\n");
    await attached.stdout.until(/got two\n/);
    await host.dhow(["kill", "stays"]);
    await attached.output();

    const create = ["create", "-i", "--name", "once", "--network", "none", await busyboxArchive(), ...ECHO];
    assertEquals((await host.dhow(create)).code, 0);
    for (let round = 0; round < 2; round++) {
      const { code, stdout, stderr } = await host.dhow(["start", "-a", "-i", "once"], {
        stdin: "one\ntwo\n",
      });
      assertEquals({ code, stdout, stderr }, {
        code: 5,
        stdout: "got one\ngot two\nend\n",
        stderr: "err one\nerr two\n",
      });
    }
    assertEquals((await host.dhow(["rm", "once"])).code, 0);
  },
);

systemTest("start -a prints all that the container writes, however short it runs", async (host) => {
  const script = "echo out; echo err >&2; exit 3";
  const make = (...flags: string[]) =>
    host.dhow(
      ["create", "--network", "none", "--name", "box", ...flags].concat(archive, ["sh", "-c", script]),
    );
  const archive = [await busyboxArchive()];
  for (const flags of [[], ["--rm"]]) {
    await make(...flags);
    const { code, stdout, stderr } = await host.dhow(["start", "-a", "box"]);
    assertEquals({ code, stdout, stderr }, { code: 3, stdout: "out\n", stderr: "err\n" });
    await host.dhow(["rm", "box"]);
  }
  assertEquals((await host.dhow(["ps", "-aq"])).stdout, "");
});

detachedTest("attach passes signals on, unless it is told not to", async (it, host) => {
  const script = "trap 'echo term; exit 9' TERM; trap 'echo usr' USR1; echo up; while :; do sleep 0.05; done";
  await it.named("box", ["sh", "-c", script]);
  await eventually(async () => assertEquals((await host.dhow(["logs", "box"])).stdout, "up\n"));
  await using deaf = host.spawnDhow(["attach", "--sig-proxy=false", "box"]);
  await using attached = host.spawnDhow(["attach", "box"]);
  // they may not have come so far that they read what is written, and that signals are caught
  await eventually(async () => {
    const files = await host.succeed(["ls", "-l", `/proc/${await deaf.hostPid()}/fd`]);
    assertMatch(files, /\/containers\/[0-9a-f]+\/log\n/);
    assertMatch(
      await host.succeed(["cat", `/proc/${await attached.hostPid()}/status`]),
      /SigCgt:\s*[0-9a-f]*[2367abef][0-9a-f]{2}\n/,
    );
  });
  await attached.kill("USR1");
  await attached.stdout.until(/usr\n/);
  await deaf.stdout.until(/usr\n/);
  await deaf.kill("TERM");
  await deaf.output();
  await attached.kill("TERM");
  const { code, stdout } = await attached.output();
  assertEquals({ code, stdout }, { code: 9, stdout: "usr\nterm\n" });
});

detachedTest("attach to what does not run", async (it, host) => {
  const container = await it.named("box");
  await host.dhow(["stop", "-t", "0", "box"]);
  assertFailure(
    await host.dhow(["attach", "box"]),
    1,
    /You cannot attach to a stopped container, start it first/,
  );
  assertFailure(await host.dhow(["attach", "nothing"]), 1, /No such container: nothing/);
  assertFailure(await host.dhow(["attach"]), 1, /one CONTAINER is needed/);
  assertFailure(
    await host.dhow(["start", "-a", container, "other"]),
    1,
    /cannot start and attach multiple/,
  );
  assertFailure(await host.dhow(["attach", "--detach-keys", "ctrl-1", "box"]), 1, /these are no keys/);
});

detachedTest(
  "attach to a terminal: keys, the window's size, leaving it and coming back",
  async (it, host) => {
    await it.named("box", ["sh"], ["-it"]);
    assertFailure(await host.dhow(["attach", "box"]), 1, /standard input is not a terminal; .*--no-stdin/);
    const { terminal, modes } = await hostShell(host);
    await using _terminal = terminal;
    await terminal.type(`${DHOW} attach box\r`);
    await eventually(async () => assertStringIncludes(await terminal.modes(), "-icanon"));
    await terminal.type("stty size\r", /30 100\r\n/);
    await followsWindow(terminal);
    await isInterrupted(terminal);
    await terminal.type("here=kept\r", PROMPT);
    await terminal.type(LEAVE, /read escape sequence/);
    await restored(terminal, modes);
    await terminal.type(`${DHOW} attach --detach-keys=ctrl-a,z box\r`);
    await eventually(async () => assertStringIncludes(await terminal.modes(), "-icanon"));
    await terminal.type("echo $here\r", /kept\r\n/);
    await terminal.type("\x01z", /read escape sequence/);
    await restored(terminal, modes);
    await terminal.type(`${DHOW} attach box\r`);
    await eventually(async () => assertStringIncludes(await terminal.modes(), "-icanon"));
    await terminal.type("exit 6\r", HOST_PROMPT);
    await terminal.type("echo code $?\r", /code 6\r\n/);
    await restored(terminal, modes);
  },
);

detachedTest("exec -it has a terminal of its own, with the window's size", async (it, host) => {
  await it.named("box");
  const { terminal, modes } = await hostShell(host);
  await using _terminal = terminal;
  await terminal.type(`${DHOW} exec -it box sh\r`, PROMPT);
  assertStringIncludes(await terminal.modes(), "-icanon");
  await terminal.type("stty size; tty; echo $TERM\r", /30 100\r\n\/dev\/pts\/\d+\r\nxterm\r\n/);
  await followsWindow(terminal);
  await isInterrupted(terminal);
  await terminal.type("exit 3\r", HOST_PROMPT);
  await terminal.type("echo code $?\r", /code 3\r\n/);
  await restored(terminal, modes);
});

detachedTest(
  "exec -it is left with the detach keys: its program goes on, and is hung up when dhow is killed",
  async (it, host) => {
    const container = await it.named("box");
    const { terminal, modes } = await hostShell(host);
    await using _terminal = terminal;
    const script = 'trap : HUP; echo ready; while :; do echo much out""put; sleep 0.1; done';
    await terminal.type(`${DHOW} exec -it box sh -c '${script}'\r`, /much output/);
    await terminal.type(LEAVE, /read escape sequence/);
    await terminal.type("echo code $?\r", /code 1\r\n/);
    await restored(terminal, modes);
    assertMatch((await host.dhow(["exec", "box", "ps", "-o", "args"])).stdout, /echo much out/);

    await terminal.type(`${DHOW} exec -it box sleep 3000\r`);
    await host.pidOf("sleep 3000");
    await host.succeed(["kill", "-KILL", `${await host.pidOf(`${DHOW} exec -it`)}`]);
    await eventually(() => {
      assertEquals(host.processes().filter(({ command }) => command === "sleep 3000"), []);
    });
    await restored(terminal, modes);
    await host.dhow(["rm", "-f", container]);
    await eventually(() => {
      assertEquals(host.processes().filter(({ command }) => command === "dhow-exec"), []);
    });
  },
);
