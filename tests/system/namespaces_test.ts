import { assertEquals, assertMatch } from "@std/assert";
import { busyboxOutput, busyboxShell } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

const KINDS = ["mnt", "uts", "ipc", "pid", "net", "cgroup", "user"] as const;
const LIST = `for kind in ${KINDS.join(" ")}; do readlink /proc/self/ns/$kind; done`;

async function namespaces(
  host: Host,
  flags: readonly string[],
): Promise<{ host: string[]; container: string[] }> {
  const lines = (text: string) => text.trim().split("\n");
  return {
    host: lines(await host.shell(LIST)),
    container: lines(await busyboxShell(host, LIST, flags)),
  };
}

/** Which kinds of namespace the container does not share with its host. */
async function ownKinds(host: Host, ...flags: string[]): Promise<string[]> {
  const found = await namespaces(host, flags);
  return KINDS.filter((_, index) => found.host[index] !== found.container[index]);
}

systemTest("a container has its own mount, uts, ipc, pid, net and cgroup namespaces", async (host) => {
  assertEquals(await ownKinds(host), ["mnt", "uts", "ipc", "pid", "net", "cgroup"]);
});

systemTest("--userns adds a user namespace", async (host) => {
  assertEquals(await ownKinds(host, "--userns"), [...KINDS]);
});

systemTest("--network host leaves the network namespace to the host", async (host) => {
  assertEquals(await ownKinds(host, "--network", "host"), ["mnt", "uts", "ipc", "pid", "cgroup"]);
});

systemTest("--userns maps the container's root to the caller, and nobody else", async (host) => {
  const maps = await busyboxShell(host, "cat /proc/self/uid_map /proc/self/gid_map; id", ["--userns"]);
  const [uids = "", gids = "", id = ""] = maps.split("\n");
  assertEquals([uids, gids].map((line) => line.trim().split(/ +/).join(" ")), ["0 0 1", "0 0 1"]);
  assertMatch(id, /^uid=0\(root\) gid=0\(root\)/);
});

systemTest("with --userns the root of the container has no power over the host", async (host) => {
  const attempts = "date -s 2000-01-01 2>&1; mknod /tmp/disk b 8 0 2>&1 || true";
  const seen = await busyboxShell(host, attempts, ["--userns"]);
  assertMatch(seen, /date: can't set date: Operation not permitted/);
  assertMatch(seen, /mknod: \/tmp\/disk: Operation not permitted/);
});

systemTest("the container's program is process 1, and sees only the container's processes", async (host) => {
  assertEquals(await busyboxShell(host, "echo $$"), "1\n");
  const seen = await busyboxOutput(host, ["sh", "-c", "ls /proc | grep -c '^[0-9]'; echo"]);
  assertEquals(Number(seen.trim()) <= 3, true, `it sees ${seen.trim()} processes`); // sh, ls, grep
});

systemTest("two containers share nothing but the kernel", async (host) => {
  const flags = ["run", "-i", "--network", "none", await busyboxArchive()];
  const command = ["sh", "-euc", `${LIST}; echo listed; cat`];
  // at the same time: the number of a namespace that is gone is given again
  await using one = host.spawnDhow([...flags, ...command]);
  await using other = host.spawnDhow([...flags, ...command]);
  await one.stdout.until(/listed/);
  await other.stdout.until(/listed/);
  const theirs = other.stdout.text.split("\n");
  const shared = KINDS.filter((_, index) => one.stdout.text.split("\n")[index] === theirs[index]);
  assertEquals(shared, ["user"]);
  await Promise.all([one.output(), other.output()]);
});

systemTest(
  "a container's cgroup is its own in each hierarchy of the host, and looks like the root from inside",
  async (host) => {
    const inside = await busyboxOutput(host, ["cat", "/proc/self/cgroup"]);
    for (const line of inside.trim().split("\n")) assertMatch(line, /^\d+:[^:]*:\/$/);
    await using running = host.spawnDhow([
      "run",
      "-i",
      "--network",
      "none",
      await busyboxArchive(),
      "sh",
      "-c",
      "echo up; cat",
    ]);
    await running.stdout.until(/up/);
    const pid = await host.pidOf("cat");
    const outside = (await host.succeed(["cat", `/proc/${pid}/cgroup`])).trim().split("\n");
    // beside hierarchies of version 1 that of version 2 has no controllers, and is not used; nor is that of cpuset alone
    const isLeft = (line: string) => /^0::|^\d+:cpuset:/.test(line);
    const used = outside.length === 1 ? outside : outside.filter((line) => !isLeft(line));
    for (const line of used) assertMatch(line, /^\d+:[^:]*:\/dhow-[0-9a-f]{12,64}$/);
    await running.output();
  },
);
