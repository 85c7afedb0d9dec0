import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";
import { Docker } from "../support/docker.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";

const STATUS = ["grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"];

const NONE = "0".repeat(16);
const DOCKERS = "00000000a80425fb";

/** What dhow itself can hand on. */
const ALL = /^CapBnd:\s*(\S+)/m.exec(Deno.readTextFileSync("/proc/self/status"))![1]!;

interface Powers {
  readonly CapInh: string;
  readonly CapPrm: string;
  readonly CapEff: string;
  readonly CapBnd: string;
  readonly CapAmb: string;
  readonly NoNewPrivs: string;
  readonly Seccomp: string;
}

function parse(status: string): Powers {
  return Object.fromEntries(status.trim().split("\n").map((line) => line.split(/:\s*/))) as unknown as Powers;
}

const powers = (capabilities: string, more: Partial<Powers> = {}): Powers => ({
  CapInh: NONE,
  CapPrm: capabilities,
  CapEff: capabilities,
  CapBnd: capabilities,
  CapAmb: NONE,
  NoNewPrivs: "0",
  Seccomp: "2",
  ...more,
});

const run = (host: Host, flags: readonly string[], command: readonly string[]) =>
  host.dhow(["run", "--network", "none", ...flags, "busybox", ...command]);

async function inside(it: Detached, ...flags: string[]): Promise<Powers> {
  return parse(await it.dhow("run", "--network", "none", ...flags, "busybox", ...STATUS));
}

detachedTest(
  "what a container may do is what docker's may, and none of its powers can be inherited",
  async (it) => {
    assertEquals(await inside(it), powers(DOCKERS));
    const ofUser = powers(NONE, { CapBnd: DOCKERS });
    assertEquals(await inside(it, "-u", "1000:1000"), ofUser);
    assertEquals(await inside(it, "--init"), powers(DOCKERS));
    assertEquals(await inside(it, "--userns"), powers(DOCKERS));
    assertEquals(await inside(it, "--cap-drop", "ALL"), powers(NONE));
    assertEquals(await inside(it, "--cap-drop=ALL", "--cap-add=kill"), powers("0000000000000020"));
    assertEquals(
      await inside(it, "--security-opt", "no-new-privileges"),
      powers(DOCKERS, { NoNewPrivs: "1" }),
    );
    assertEquals(
      await inside(it, "--security-opt", "no-new-privileges", "--init", "-u", "7"),
      { ...ofUser, NoNewPrivs: "1" },
    );
    assertEquals(await inside(it, "--security-opt", "seccomp=unconfined"), powers(DOCKERS, { Seccomp: "0" }));
    assertEquals(await inside(it, "--cap-add", "ALL"), powers(ALL));
    assertEquals(await inside(it, "--privileged"), powers(ALL, { Seccomp: "0" }));
  },
);

detachedTest("docker's own containers have the same powers", async (it) => {
  await using docker = await Docker.start();
  assertEquals((await docker.docker("load", "-i", await busyboxArchive())).code, 0);
  const variants = [[], ["-u", "1000:1000"], ["--cap-drop", "ALL", "--cap-add", "NET_ADMIN"]];
  const image = (await docker.docker("images", "-q")).stdout.trim().split("\n")[0]!;
  for (const flags of variants) {
    const { stdout, stderr } = await docker.docker(
      "run",
      "--rm",
      "--network",
      "none",
      ...flags,
      image,
      ...STATUS,
    );
    assertEquals(stderr, "");
    assertEquals(await inside(it, ...flags), parse(stdout), flags.join(" "));
  }
});

detachedTest("the caller's inheritable and ambient capabilities do not come in", async (it, host) => {
  const { stdout } = await host.run([
    "setpriv",
    "--inh-caps=+chown,+net_admin",
    "--ambient-caps=+chown,+net_admin",
    DHOW,
    ...["run", "--network", "none", "-u", "1000", "busybox", ...STATUS],
  ]);
  assertEquals(parse(stdout), powers(NONE, { CapBnd: DOCKERS }));
  assertEquals((await inside(it)).CapInh, NONE);
});

detachedTest(
  "system calls that are not in the default profile fail, and others do not",
  async (_it, host) => {
    const refused = await run(host, [], ["unshare", "-U", "true"]);
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /Operation not permitted/);
    assertEquals(
      (await run(host, ["--security-opt", "seccomp=unconfined"], ["unshare", "-U", "true"])).code,
      0,
    );
    assertEquals((await run(host, ["--privileged"], ["unshare", "-m", "true"])).code, 0);
    assertEquals((await run(host, ["--cap-add", "SYS_ADMIN"], ["unshare", "-m", "true"])).code, 0);
    assertEquals((await run(host, ["--cap-add", "SYS_CHROOT"], ["chroot", "/", "true"])).code, 0);
    assertEquals((await run(host, ["--cap-drop", "SYS_CHROOT"], ["chroot", "/", "true"])).code, 1);
  },
);

detachedTest("a profile of one's own is used, also after its file has gone", async (it, host) => {
  const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 };
  const profile = await host.write(
    "my.json",
    JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }),
  );
  const flags = ["--security-opt", `seccomp=${profile}`];
  const command = ["sh", "-c", "mkdir /a; unshare -U true && echo allowed"];
  const { stdout, stderr } = await run(host, flags, command);
  assertEquals(stdout, "allowed\n");
  assertMatch(stderr, /No space left on device/);
  const id = await it.dhow("create", "--network", "none", ...flags, "busybox", ...command);
  await host.succeed(["rm", profile]);
  await it.dhow("start", id);
  await it.becomes(id, "Exited (0)");
  const logs = await host.dhow(["logs", id]);
  assertMatch(logs.stderr, /No space left on device/);
  assertMatch(await it.inspect(id, "{{.HostConfig.SecurityOpt}}"), /^\[seccomp=\{"defaultAction"/);
});

detachedTest("a profile that is wrong is refused before anything is made", async (it, host) => {
  const withRule = (rule: object) => JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] });
  const profile = await host.write("wrong.json", withRule({ names: ["read"], action: "NO" }));
  const flags = ["--security-opt", `seccomp=${profile}`];
  for (const verb of ["run", "create"]) {
    const { code, stderr } = await host.dhow([verb, "--network", "none", ...flags, "busybox", "true"]);
    assert(code !== 0);
    assertMatch(stderr, /syscalls\[0\]\.action is "NO", and must be one of/);
  }
  assertEquals(await it.dhow("ps", "-aq"), "");
  // what dhow itself does after it has loaded the filter
  await host.write("wrong.json", withRule({ names: ["capset"], action: "SCMP_ACT_ERRNO" }));
  assertFailure(await run(host, flags, ["true"]), 125, /cannot limit what the container may do/);
});

detachedTest("exec and health checks have the container's powers", async (it) => {
  const flags = ["--cap-drop", "NET_RAW", "--security-opt", "no-new-privileges"];
  const id = await it.start(["sleep", "1000"], [
    ...flags,
    "--health-cmd",
    "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status",
    "--health-interval",
    "100ms",
  ]);
  const expected = powers("00000000a80405fb", { NoNewPrivs: "1" });
  assertEquals(parse(await it.dhow("exec", id, ...STATUS)), expected);
  assertEquals(
    parse(await it.dhow("exec", "-u", "1000", id, ...STATUS)),
    { ...expected, CapPrm: NONE, CapEff: NONE },
  );
  assertEquals(parse(await it.dhow("exec", "--privileged", id, ...STATUS)), powers(ALL, { NoNewPrivs: "1" }));
  await eventually(async () => {
    const output = await it.inspect(id, "{{(index .State.Health.Log 0).Output}}");
    assertEquals(parse(output), expected);
  });
  const unconfined = await it.start(["sleep", "1000"], ["--security-opt", "seccomp=unconfined"]);
  assertEquals((await it.dhow("exec", unconfined, ...STATUS)).includes("Seccomp:\t0"), true);
});

detachedTest("inspect shows what was asked for", async (it) => {
  const flags = ["--cap-add", "NET_ADMIN", "--cap-drop", "kill", "--security-opt", "no-new-privileges"];
  const id = await it.dhow("create", "--network", "none", ...flags, "busybox", "true");
  const shown =
    "{{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}}";
  assertEquals(await it.inspect(id, shown), "[NET_ADMIN] [kill] [no-new-privileges] false");
});
