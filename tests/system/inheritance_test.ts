// What whoever runs dhow has open, ignores, blocks and knows is nothing that a container's programs get: however they are started.
import { assertEquals } from "@std/assert";
import { type Detached, detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";

/** Opens, ignores and blocks what could be left to a program by mistake, and becomes a command. */
const LEAVE = `
import os, signal, sys
for signals in "HUP INT QUIT PIPE TERM USR2 CHLD WINCH TSTP TTOU".split():
    signal.signal(getattr(signal, "SIG" + signals), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGUSR1, signal.SIGRTMIN])
for number, path in [(3, "files/secret"), (5, "."), (6, ".."), (7, "files"), (8, "/proc"), (9, "/"), (12, "/"), (30, "/"), (500, "/")]:
    os.dup2(os.open(os.path.join("/run/host", path), os.O_RDONLY), number, inheritable=True)
os.execv(sys.argv[1], sys.argv[1:])
`;

const CALLER = [
  "setpriv",
  ...["--groups", "6,42", "--inh-caps=+chown,+net_admin", "--ambient-caps=+chown,+net_admin"],
  ...["env", "HOST_SECRET=do-not-tell", "LD_PRELOAD=", "python3", "-c", LEAVE, DHOW],
];

/** Tells what the program has. 3 is the folder that ls lists. */
const TELL = "echo $(ls /proc/self/fd); grep -E '^(SigBlk|SigIgn|CapInh|CapAmb|Groups)' /proc/self/status; " +
  "env | grep -E 'SECRET|LD_|SUDO|USER'; cat /proc/1/environ /proc/$$/environ | grep -c do-not-tell; echo end";

const NOTHING = "0".repeat(16);

/** @param groups root's, as the image has them */
const expected = (groups: string) =>
  `0 1 2 3\nGroups:\t${groups}\nSigBlk:\t${NOTHING}\nSigIgn:\t${NOTHING}\nCapInh:\t${NOTHING}\nCapAmb:\t${NOTHING}\n0\nend\n`;

async function asCaller({ host }: Detached, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run([...CALLER, ...args]);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

detachedTest("nothing of who runs dhow is a container's, nor of what exec brings into it", async (it) => {
  await it.host.write("secret", "of the host\n");
  const groups =
    (await it.dhow("run", "--network", "none", "busybox", "grep", "^Groups", "/proc/self/status"))
      .replace("Groups:\t", "");
  for (const flags of [[], ["--init"], ["-i"], ["-d"], ["-d", "--init"]]) {
    const said = await asCaller(it, "run", "--network", "none", ...flags, "busybox", "sh", "-c", TELL);
    if (!flags.includes("-d")) {
      assertEquals(said, expected(groups), flags.join(" "));
      continue;
    }
    const id = said.trim();
    await it.dhow("wait", id);
    assertEquals(`${await it.dhow("logs", id)}\n`, expected(groups), flags.join(" "));
  }
  const id = (await asCaller(it, "run", "-d", "--network", "none", "busybox", "sleep", "1000")).trim();
  for (const flags of [[], ["-i"]]) {
    assertEquals(await asCaller(it, "exec", ...flags, id, "sh", "-c", TELL), expected(groups));
  }
  await asCaller(it, "exec", "-d", id, "sh", "-c", `(${TELL}) >/told.new; mv /told.new /told`);
  await eventually(async () =>
    assertEquals(`${await it.dhow("exec", id, "cat", "/told")}\n`, expected(groups))
  );
});

detachedTest("nor is it when a container is started again, or its health is checked", async (it) => {
  await it.host.write("secret", "of the host\n");
  const id = (await asCaller(
    it,
    ...["run", "-d", "--network", "none", "--restart", "on-failure:2", "busybox", "sh", "-c"],
    `(${TELL}); exit 1`,
  )).trim();
  await it.becomes(id, "Exited (1)");
  const told = `${await it.dhow("logs", id)}\n`;
  const groups = /^Groups:\t(.*)$/m.exec(told)?.[1] ?? "";
  assertEquals(told, expected(groups).repeat(3));
  assertEquals(/\b(6|42)\b/.test(groups), false, groups);
  const checked = (await asCaller(
    it,
    ...["run", "-d", "--network", "none", "--health-cmd", TELL, "--health-interval", "100ms"],
    ...["busybox", "sleep", "1000"],
  )).trim();
  await eventually(async () =>
    assertEquals(await it.inspect(checked, "{{(index .State.Health.Log 0).Output}}"), expected(groups))
  );
});
