import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { followsWindow, HOST_PROMPT, hostShell, PROMPT, restored } from "../support/host_shell.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";
import { KEYS, Terminal } from "../support/terminal.ts";

/** A terminal in which somebody has started a shell on the host, and from there one in a container. */
async function shellInContainer(host: Host, flags = "-it"): Promise<{ terminal: Terminal; modes: string }> {
  const { terminal, modes } = await hostShell(host);
  await terminal.type(`${DHOW} run ${flags} --network none ${await busyboxArchive()} sh\r`, PROMPT);
  return { terminal, modes };
}

function dhowPid(host: Host): Promise<number> {
  return host.pidOf(`${DHOW} run -`);
}

systemTest(
  "-it gives the container a terminal of its own, and puts the caller's into raw mode meanwhile",
  async (host) => {
    const { terminal, modes } = await shellInContainer(host);
    await using _ = terminal;
    assertStringIncludes(await terminal.modes(), "-icanon");
    await terminal.type(
      "tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all three\r",
      /\/dev\/(pts\/0|console)\r\n[^]*all three\r\n/,
    );
    await terminal.type("ls -l /dev/console /dev/pts; echo $TERM\r", /crw[^]*\/dev\/console[^]*xterm\r\n/);
    await terminal.type("exit 3\r", HOST_PROMPT);
    await terminal.type("echo code $?\r", /code 3\r\n/);
    await restored(terminal, modes);
  },
);

systemTest("the size of the terminal is the caller's, and follows it", async (host) => {
  const { terminal } = await shellInContainer(host);
  await using _ = terminal;
  await terminal.type("stty size\r", /30 100\r\n/);
  await terminal.type("trap 'echo resized to $(stty size)' WINCH\r", PROMPT);
  await followsWindow(terminal);
  await terminal.type("exit\r", HOST_PROMPT);
});

systemTest("Ctrl-C ends what the shell runs, not the container and not dhow", async (host) => {
  const { terminal, modes } = await shellInContainer(host);
  await using _ = terminal;
  await terminal.type("sh -c 'echo start\"\"ed; sleep 1000; exit'\r", /started\r\n/);
  await terminal.type(KEYS.controlC, PROMPT);
  await terminal.type("echo still here $?\r", /still here 130\r\n/);
  await terminal.type(KEYS.controlD, HOST_PROMPT);
  await restored(terminal, modes);
});

systemTest(
  "started in the background it stops, and goes on when it is brought to the foreground",
  async (host) => {
    const { terminal, modes } = await hostShell(host);
    await using _ = terminal;
    const run = `${DHOW} run -it --network none ${await busyboxArchive()}`;
    await terminal.type(`${run} sh -c 'read word; echo got $word; exit 6' &\r`, HOST_PROMPT);
    await eventually(async () => {
      assertMatch(await host.succeed(["cat", `/proc/${await dhowPid(host)}/stat`]), /\) T /);
    });
    await terminal.type("jobs\r", /Stopped/);
    await terminal.type("fg\r", /run -it/);
    await eventually(async () => assertStringIncludes(await terminal.modes(), "-icanon"));
    await terminal.type("this\r", /got this\r\n[^]*# $/);
    await terminal.type("echo code $?\r", /code 6\r\n/);
    await restored(terminal, modes);
  },
);

systemTest("job control works in the shell: Ctrl-Z stops, fg goes on", async (host) => {
  const { terminal } = await shellInContainer(host);
  await using _ = terminal;
  // keys have their effect once the job runs, not when it has been typed
  await terminal.type(
    'sh -c \'trap "echo back again" CONT; echo start""ed; while :; do sleep 1; done\'\r',
    /started\r\n/,
  );
  await terminal.type(KEYS.controlZ, /Stopped[^]*# /);
  await terminal.type("jobs\r", /Stopped\s+sh -c/);
  await terminal.type("fg\r", /back again\r\n/);
  await terminal.type(KEYS.controlC, PROMPT);
  await terminal.type("jobs; echo none\r", /jobs; echo none\r\nnone\r\n/);
  await terminal.type("exit\r", HOST_PROMPT);
});

systemTest("what is typed is shown once, and every byte goes through", async (host) => {
  const { terminal } = await shellInContainer(host);
  await using _ = terminal;
  const before = terminal.screen.length;
  await terminal.type("echo ab''cd\r", /abcd\r\n/);
  assertEquals(terminal.screen.slice(before).match(/echo ab''cd/g)?.length, 1);
  await terminal.type("stty raw -echo; dd bs=1 count=6 2>/dev/null | od -An -tx1; stty sane\r", /sane\r\n/);
  await terminal.type("\x00\x01\x7f\x1b\x03\x04", /00 01 7f 1b 03 04/);
  await terminal.type("exit\r", HOST_PROMPT);
});

systemTest("much output on the terminal arrives complete", async (host) => {
  const { terminal } = await shellInContainer(host);
  await using _ = terminal;
  const before = terminal.screen.length;
  await terminal.type("seq 1 20000; echo the end''!\r", /the end!\r\n/);
  const numbers = terminal.screen.slice(before).match(/^\d+\r$/gm)?.map(Number) ?? [];
  assertEquals(numbers.length, 20000);
  assertEquals(numbers.at(-1), 20000);
  await terminal.type("exit\r", HOST_PROMPT);
});

systemTest("the last output of a program that ends at once is not lost", async (host) => {
  const archive = await busyboxArchive();
  await using terminal = new Terminal(host, [
    DHOW,
    "run",
    "-it",
    "--network",
    "none",
    archive,
    "seq",
    "1",
    "5000",
  ]);
  assertEquals(await terminal.exitCode(), 0);
  await terminal.see(/\n5000\r\n/);
});

for (const signal of ["TERM", "INT"]) {
  systemTest(`the terminal is restored when SIG${signal} to dhow ends the program`, async (host) => {
    const { terminal, modes } = await shellInContainer(host);
    await using _ = terminal;
    await terminal.type(`trap 'echo got it; exit 4' ${signal}; echo ready\r`, /\r\nready\r\n/);
    await host.succeed(["kill", `-${signal}`, `${await dhowPid(host)}`]);
    await terminal.type("\r", /got it/);
    await terminal.see(HOST_PROMPT);
    await restored(terminal, modes);
  });
}

systemTest(
  "SIGHUP to dhow hangs the container's terminal up, and leaves the caller's in order",
  async (host) => {
    const { terminal, modes } = await shellInContainer(host);
    await using _ = terminal;
    const from = terminal.screen.length;
    await host.succeed(["kill", "-HUP", `${await dhowPid(host)}`]);
    await terminal.type("\r"); // a key that may come before the shell has ended
    await terminal.see(HOST_PROMPT, from);
    await restored(terminal, modes);
    assertEquals(/error|at async/i.test(terminal.screen.slice(from)), false, terminal.screen.slice(from));
  },
);

systemTest("the terminal is restored when dhow is killed", async (host) => {
  const { terminal, modes } = await shellInContainer(host);
  await using _ = terminal;
  assertNotEquals(await terminal.modes(), modes);
  await host.succeed(["kill", "-KILL", `${await dhowPid(host)}`]);
  await terminal.see(/Killed[^]*# $/);
  await restored(terminal, modes);
  await host.dhow(["images"]);
});

systemTest("the terminal is restored when the container cannot start", async (host) => {
  await using terminal = new Terminal(host, ["sh"]);
  await terminal.see(HOST_PROMPT);
  const modes = await terminal.modes();
  await terminal.type(
    `${DHOW} run -it --network none ${await busyboxArchive()} no-such-program\r`,
    /no-such-program[^]*# $/,
  );
  await terminal.type("echo code $?\r", /code 127\r\n/);
  await restored(terminal, modes);
});

systemTest(
  "-t without a terminal to give is an error, as it is with docker; -i alone is not",
  async (host) => {
    const archive = await busyboxArchive();
    const { code, stderr } = await host.dhow(["run", "-it", "--network", "none", archive, "tty"]);
    assertEquals([code, /^dhow: .*terminal.*\n$/.test(stderr)], [125, true], stderr);
  },
);
