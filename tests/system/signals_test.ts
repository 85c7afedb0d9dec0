import { assertEquals } from "@std/assert";
import { DHOW, type Host, type RunningInHost } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { skip, systemTest } from "../support/system_test.ts";

/** A container whose program says which signals it gets, until TERM ends it with exit code 5. */
async function listener(host: Host, ...wrapper: string[]): Promise<RunningInHost> {
  const script = `
    for signal in HUP INT QUIT USR1 USR2 WINCH CONT; do trap "echo got $signal" $signal; done
    trap 'echo got TERM; exit 5' TERM
    echo ready
    while :; do sleep 1000 & wait $!; kill $!; done 2>/dev/null
  `;
  const dhow = [DHOW, "run", "--network", "none", await busyboxArchive(), "sh", "-c", script];
  const running = host.spawn([...wrapper, ...dhow]);
  await running.stdout.until(/ready/);
  return running;
}

systemTest("signals that dhow gets reach the program", async (host) => {
  await using running = await listener(host);
  for (const signal of ["HUP", "INT", "QUIT", "USR1", "USR2"]) {
    await running.kill(signal);
    await running.stdout.until(new RegExp(`got ${signal}\n`));
  }
  await running.kill("TERM");
  const { code, stderr } = await running.output();
  assertEquals([code, stderr], [5, ""]);
});

systemTest("a program that has no handler for a signal, as process 1, does not get it", async (host) => {
  const flags = ["run", "-i", "--network", "none", await busyboxArchive()];
  await using running = host.spawnDhow([...flags, "sh", "-c", "echo ready; read line; echo read $line"]);
  await running.stdout.until(/ready/);
  await running.kill("TERM");
  await running.write("on\n");
  const { code, stdout } = await running.output();
  assertEquals([code, stdout], [0, "ready\nread on\n"]);
});

systemTest("Ctrl-C without a terminal for the container reaches the program once", async (host) => {
  await using running = await listener(host, "setsid"); // a process group of its own, as a shell with job control gives it
  // what a terminal does: the signal goes to all processes of the foreground group
  await host.succeed(["kill", "-INT", "--", `-${await running.hostPid()}`]);
  await running.stdout.until(/got INT\n/);
  await running.kill("TERM");
  const { stdout } = await running.output();
  assertEquals(stdout.match(/got INT/g)?.length, 1);
});

systemTest("signals that come in a burst do not get lost when they differ", async (host) => {
  await using running = await listener(host);
  const pid = await running.hostPid();
  await host.succeed(["sh", "-c", `kill -USR1 ${pid}; kill -USR2 ${pid}; kill -HUP ${pid}`]);
  for (const signal of ["USR1", "USR2", "HUP"]) await running.stdout.until(new RegExp(`got ${signal}\n`));
  await running.kill("TERM");
  assertEquals((await running.output()).code, 5);
});

systemTest("a signal while the container starts ends dhow, and nothing is left", async (host) => {
  const archive = await busyboxArchive();
  await host.dhow(["run", "--network", "none", archive, "true"]);
  // from before dhow can know of signals to after the program has started
  for (const delay of ["0.01", "0.03", "0.05", "0.07", "0.1"]) {
    const script =
      `${DHOW} run ${archive} sleep 1000 & pid=$!; sleep ${delay}; kill -TERM $pid; sleep 0.3; kill -KILL $pid; wait $pid`;
    const { code } = await host.run(["sh", "-c", script]);
    assertEquals([137, 143, 125].includes(code), true, `exit code ${code}`);
    await host.dhow(["images"]);
  }
});

/** Runs a container, without a network, and lets strace interfere when dhow has just started its first process. */
async function runInterfered(host: Host, interference: string, command: string[]): Promise<number> {
  const filter = ["-e", "trace=pidfd_open", "-e", `inject=pidfd_open:${interference}:when=1`];
  const run = [DHOW, "run", "--network", "none", await busyboxArchive(), ...command];
  return (await host.run(["strace", "-f", "-qq", "-o", "/dev/null", ...filter, ...run])).code;
}

systemTest("a request to end that comes before the program is there ends it", async (host) => {
  if ((await host.run(["strace", "-V"])).code !== 0) {
    return skip("an early signal", "strace is not installed");
  }
  for (const signal of ["TERM", "INT", "HUP"]) {
    assertEquals(await runInterfered(host, `signal=SIG${signal}`, ["sleep", "1000"]), 137, signal);
  }
});

systemTest("a program that ends at once is told by its exit code, however slow dhow is", async (host) => {
  if ((await host.run(["strace", "-V"])).code !== 0) return skip("a slow dhow", "strace is not installed");
  assertEquals(await runInterfered(host, "delay_enter=300000", ["sh", "-c", "exit 7"]), 7);
});
