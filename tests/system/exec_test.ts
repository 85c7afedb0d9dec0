import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { busyboxWith } from "../support/images.ts";
import type { RunOptions } from "../support/process.ts";
import { systemTest } from "../support/system_test.ts";

function exec(host: Host, args: readonly string[], options?: RunOptions) {
  return host.dhow(["exec", ...args], options);
}

detachedTest(
  "exec runs a command in the container, and its output and exit code come back",
  async (it, host) => {
    await it.named("box");
    const script = "echo out; echo err >&2; hostname; exit 7";
    const { code, stdout, stderr } = await exec(host, ["box", "sh", "-c", script]);
    assertEquals({ code, stderr }, { code: 7, stderr: "err\n" });
    assertMatch(stdout, /^out\n[0-9a-f]{12}\n$/);
    assertEquals((await exec(host, ["box", "sh", "-c", "kill -KILL $$"])).code, 137);
    assertEquals((await host.dhow(["container", "exec", "box", "true"])).code, 0);
  },
);

detachedTest("exec joins all the namespaces and the cgroups of the container", async (it, host) => {
  const container = await it.named("box");
  const links = "cd /proc/$0/ns; for n in cgroup ipc mnt net pid uts user; do readlink $n; done";
  const ofFirst = await exec(host, ["box", "sh", "-c", links, "1"]);
  const own = await exec(host, ["box", "sh", "-c", links, "self"]);
  assertEquals(own.stdout, ofFirst.stdout);
  assertEquals(own.stdout.split("\n").length, 8);
  await using running = host.spawnDhow(["exec", "-i", "box", "cat"]);
  await running.write("ready\n");
  await running.stdout.until(/ready/);
  const [first, command] = [await host.pidOf("sleep 1000"), await host.pidOf("cat")];
  const cgroups = await host.succeed(["cat", `/proc/${first}/cgroup`]);
  assertStringIncludes(cgroups, `dhow-${container}`);
  assertEquals(await host.succeed(["cat", `/proc/${command}/cgroup`]), cgroups);
  assertEquals((await running.output()).code, 0);
});

detachedTest("exec --privileged has all capabilities that there are", async (it) => {
  const id = await it.start(["sleep", "1000"]);
  const all = Deno.readTextFileSync("/proc/self/status").match(/CapBnd:\s*(\S+)/)?.[1];
  const status = await it.dhow(
    "exec",
    "--privileged",
    id,
    "grep",
    "-E",
    "Cap(Prm|Eff|Bnd)",
    "/proc/self/status",
  );
  assertEquals(status.match(/[0-9a-f]{16}/g), [all, all, all]);
});

detachedTest("exec in a container with a user namespace, and in one in the foreground", async (it, host) => {
  await it.named("box", undefined, ["--userns"]);
  const { stdout, stderr } = await exec(host, [
    "box",
    "sh",
    "-c",
    "id -u; for p in self 1; do readlink /proc/$p/ns/user; done | uniq | wc -l",
  ]);
  assertEquals({ stdout, stderr }, { stdout: "0\n1\n", stderr: "" });
  const path = await host.write("image.tar", busyboxWith({ Cmd: ["sleep", "2000"] }));
  await using running = host.spawnDhow(["run", "--name", "front", "--network", "none", path]);
  await host.pidOf("sleep 2000");
  assertEquals((await exec(host, ["front", "ps", "-o", "args"])).stdout.split("\n")[1], "sleep 2000");
  await host.dhow(["kill", "front"]);
  await running.output();
});

detachedTest("standard input is passed with -i, and is /dev/null without", async (it, host) => {
  await it.named("box");
  assertEquals((await exec(host, ["-i", "box", "cat"], { stdin: "some input" })).stdout, "some input");
  assertEquals((await exec(host, ["box", "cat"], { stdin: "some input" })).stdout, "");
  const big = "0123456789abcdef".repeat(1 << 16);
  assertEquals((await exec(host, ["-i", "box", "wc", "-c"], { stdin: big })).stdout, `${big.length}\n`);
  assertEquals((await exec(host, ["box", "sh", "-c", "readlink /proc/self/fd/0"])).stdout, "/dev/null\n");
});

systemTest(
  "user, variables and working directory are the container's, or those that are given",
  async (host) => {
    const image = busyboxWith({
      User: "app",
      Env: ["ONE=1", "TWO=2"],
      WorkingDir: "/tmp",
      Cmd: ["sleep", "1000"],
    });
    const path = await host.write("image.tar", image);
    const options = ["--network", "none", "--name", "box", "-e", "TWO=run", "-e", "THREE=run"];
    assertEquals((await host.dhow(["run", "-d", ...options, path])).code, 0);
    const print = "id -u; id -g; id -G; pwd; echo $ONE $TWO $THREE $HOME $TERM";
    assertEquals(
      (await exec(host, ["box", "sh", "-c", print])).stdout,
      "1000\n1001\n1001 2000\n/tmp\n1 2 run /home/app\n".replace("1 2 run", "1 run run"),
    );
    const file = await host.write("env", "# comment\nTHREE=file\n\nFOUR=file\n");
    const given = ["-u", "0:3000", "-w", "/etc", "-e", "ONE=exec", "--env-file", file];
    assertEquals(
      (await exec(host, [...given, "box", "sh", "-c", `${print}; echo $FOUR`])).stdout,
      "0\n3000\n3000\n/etc\nexec run file /root\nfile\n",
    );
    assertEquals((await exec(host, ["-u", "12345", "box", "sh", "-c", "id -u; id -G"])).stdout, "12345\n0\n");
    await host.dhow(["rm", "-f", "box"]);
  },
);

detachedTest("what cannot be executed has docker's exit codes", async (it, host) => {
  const container = await it.named("box");
  assertFailure(await exec(host, ["box", "nothing"]), 127, /cannot find the command "nothing"/);
  assertFailure(await exec(host, ["box", "/nothing"]), 127, /cannot find the command "\/nothing"/);
  assertFailure(await exec(host, ["box", "/etc/passwd"]), 126, /cannot execute "\/etc\/passwd"/);
  assertFailure(await exec(host, ["box", "/etc"]), 126, /cannot execute "\/etc"/);
  assertFailure(await exec(host, ["-w", "/nothing", "box", "true"]), 126, /working directory "\/nothing"/);
  assertFailure(await exec(host, ["-u", "nobody2", "box", "true"]), 126, /cannot find the user "nobody2"/);
  assertFailure(await exec(host, ["nothing", "true"]), 1, /No such container: nothing/);
  assertFailure(await exec(host, ["box"]), 1, /a CONTAINER and a COMMAND are needed/);
  assertFailure(
    await exec(host, ["--env-file", "/nothing", "box", "true"]),
    1,
    /cannot use the variables in "\/nothing": no such file/,
  );
  assertFailure(await exec(host, ["-d", "box", "nothing"]), 127, /cannot find the command "nothing"/);
  await host.dhow(["stop", "-t", "0", "box"]);
  assertFailure(await exec(host, ["box", "true"]), 1, new RegExp(`Container ${container} is not running`));
});

detachedTest("exec -d returns at once, and what it started ends with the container", async (it, host) => {
  const container = await it.named("box");
  const { code, stdout, stderr } = await exec(host, [
    "-d",
    "box",
    "sh",
    "-c",
    "echo unseen; exec sleep 3000",
  ]);
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  await host.pidOf("sleep 3000");
  assertEquals((await exec(host, ["-d", "-t", "box", "sh", "-c", "tty; exec sleep 4000"])).code, 0);
  await host.pidOf("sleep 4000");
  await it.dhow("rm", "-f", container);
  await eventually(() => assertEquals(keepers(host), []));
});

function keepers(host: Host) {
  return host.processes().filter(({ command }) => /^(dhow-exec|sleep \d)/.test(command));
}

detachedTest(
  "what exec started goes on when dhow is killed, and a stopped dhow does not keep the container",
  async (it, host) => {
    const container = await it.named("box");
    await using killed = host.spawnDhow(["exec", "box", "sh", "-c", "echo up; exec sleep 3000"]);
    await killed.stdout.until(/up/);
    await killed.kill("KILL");
    await host.pidOf("sleep 3000");
    await using stopped = host.spawnDhow(["exec", "box", "sh", "-c", "echo up; exec sleep 4000"]);
    await stopped.stdout.until(/up/);
    await stopped.kill("STOP");
    assertEquals((await host.dhow(["rm", "-f", container])).code, 0);
    assertEquals((await host.dhow(["ps", "-aq"])).stdout, "");
    // nsenter stops with what it waits for
    Deno.kill(stopped.pid, "SIGCONT");
    assertEquals((await stopped.output()).code, 137);
  },
);

detachedTest("twenty at once", async (it, host) => {
  await it.named("box");
  const codes = Array.from({ length: 20 }, (_, index) => index);
  const results = await Promise.all(
    codes.map((code) => exec(host, ["box", "sh", "-c", `echo ${code}; exit ${code}`])),
  );
  assertEquals(results.map(({ code }) => code), codes);
  assertEquals(results.map(({ stdout }) => stdout), codes.map((code) => `${code}\n`));
  assertEquals((await exec(host, ["box", "sh", "-c", "ps | wc -l"])).stdout, "5\n");
});

detachedTest("exec in a container that ends, or is removed, at the same instant", async (it, host) => {
  for (let round = 0; round < 6; round++) {
    const container = await it.named(`box${round}`);
    const commands = Array.from({ length: 4 }, () => exec(host, [container, "sleep", "0.01"]));
    const removed = round % 2 === 0 ? host.dhow(["rm", "-f", container]) : host.dhow(["kill", container]);
    assertEquals((await removed).code, 0);
    for (const { code, stderr } of await Promise.all(commands)) {
      if (code === 1) assertMatch(stderr, /is not running|No such container/);
      else assert(code === 0 || code === 137, `${code}: ${stderr}`);
    }
  }
});

detachedTest(
  "/etc/passwd of the container is never followed on the host, nor waited for",
  async (it, host) => {
    await host.shell("echo secret:x:77:88::/:/bin/sh >> /etc/passwd");
    await it.named("box");
    const tricks = [
      "ln -s /proc/1/root/etc/passwd /etc/passwd",
      "ln -s ../../../../../../etc/passwd2 /etc/passwd",
      "mkfifo /etc/passwd",
      "mkdir /etc/passwd",
      "mknod /etc/passwd c 5 0",
      "ln -s passwd /etc/passwd",
    ];
    for (const trick of tricks) {
      assertEquals((await exec(host, ["box", "sh", "-c", `rm -rf /etc/passwd; ${trick}`])).stderr, "");
      assertEquals((await exec(host, ["box", "echo", "here"])).stdout, "here\n", trick);
      assertFailure(await exec(host, ["-u", "secret", "box", "true"]), 126, /cannot find the user "secret"/);
    }
  },
);

detachedTest("exec needs nothing that a container can take away or replace", async (it, host) => {
  await it.named("box", undefined, ["--cap-add", "SYS_ADMIN"]);
  await exec(host, [
    "box",
    "sh",
    "-c",
    "mount -t tmpfs none /proc && mkdir -p /proc/self/fd && mkfifo /proc/self/fd/0",
  ]);
  assertEquals((await exec(host, ["box", "echo", "still here"])).stdout, "still here\n");
  await exec(host, ["box", "sh", "-c", "rm /dev/null && mkfifo /dev/null"]);
  assertFailure(await exec(host, ["box", "true"]), 1, /cannot open the container's \/dev\/null/);
  assertEquals((await exec(host, ["-i", "box", "cat"], { stdin: "in" })).stdout, "in");
  await exec(host, ["-i", "box", "sh", "-c", "rm /dev/null && ln -s /etc/passwd /dev/null"]);
  assertFailure(await exec(host, ["box", "true"]), 1, /cannot open the container's \/dev\/null/);
  await exec(host, ["-i", "box", "sh", "-c", "umount /dev/pts; mkfifo /dev/pts/ptmx"]);
  assertFailure(await exec(host, ["-t", "box", "true"]), 1, /cannot open a terminal in the container/);
});

detachedTest("a container sees nothing of the host in what comes in", async (it, host) => {
  const watch = `while :; do for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) continue;; esac
    for l in $p/fd/* $p/cwd $p/root $p/exe; do readlink $l; done; tr '\\0' ' ' <$p/environ; done 2>/dev/null >>/seen; done`;
  await it.named("box", ["sh", "-c", watch]);
  const env = { HOST_SECRET: "do-not-tell" };
  for (let round = 0; round < 30; round++) {
    await host.dhow(["exec", ...(round % 2 ? ["-t"] : []), "box", "true"], { env });
  }
  const { stdout } = await exec(host, ["box", "sort", "-u", "/seen"]);
  const odd = stdout.split("\n").filter((line) =>
    !/^(|\/|\/dev\/null|\/dev\/pts\/.*|\/dev\/ptmx|\/bin\/.*|\/seen|pipe:.*|anon_inode:.*|\/memfd:dhow-exec.*|PATH=.*)$/
      .test(line)
  );
  assertEquals(odd, []);
  assert(!stdout.includes("do-not-tell"));
  assert(!stdout.includes(DHOW));
});

detachedTest(
  "exec waits for no file system that a program in the container answers for, or does not",
  async (it, host) => {
    for (const [place, mode] of [["/etc", "40000"], ["/etc/passwd", "100000"]]) {
      const script = `
        exec 3<>/dev/fuse || exit 1
        mount -t fuse -o fd=3,rootmode=${mode},user_id=0,group_id=0 none ${place} && echo silent; exec sleep 1000
      `;
      const container = await it.script(script, ["--cap-add", "SYS_ADMIN", "--device", "/dev/fuse"]);
      await eventually(async () => assertEquals(await it.dhow("logs", container), "silent"));
      assertEquals((await exec(host, [container, "echo", "in"])).stdout, "in\n");
      // the image's, as docker has it
      assertEquals((await exec(host, ["-u", "root", container, "echo", "in"])).stdout, "in\n");
      await it.dhow("rm", "-f", container);
    }
  },
);
