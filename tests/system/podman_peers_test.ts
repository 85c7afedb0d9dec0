/** Containers of dhow's and of podman's on one host, with networks of either kind that podman has. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { type Host, HOST_ADDRESS, WEB_ADDRESS } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { type NetworkBackend, Podman } from "../support/podman.ts";
import { hostTest } from "../support/system_test.ts";

const BACKENDS: readonly NetworkBackend[] = ["netavark", "cni"];

const serve = (
  text: string,
) => ["sh", "-c", `echo ${text} >/tmp/index.html; httpd -p 80 -h /tmp; exec sleep 1000`];

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

/** What a machine of the internet gets from a port of the host. */
async function fromOutside(host: Host, port: number): Promise<string> {
  const server = await host.pidOf("busybox httpd -p 203.0.113.80");
  const get = ["wget", "-q", "-T", "5", "-t", "1", "-O-", `http://${HOST_ADDRESS}:${port}/`];
  return (await host.run(["nsenter", "--net", "--target", `${server}`, ...get])).stdout;
}

const OWN = { dhow: 8080, podman: 8081 } as const;

/** Each reaches out, and is reached by its port from everywhere. */
async function bothWork(host: Host, podman: Podman, when: string): Promise<void> {
  const ask = ["timeout", "5", "wget", "-qO-", `http://${WEB_ADDRESS}/cgi-bin/address`];
  const isOut = await Promise.all([
    dhow(host, "exec", "ours", ...ask),
    podman.succeed("exec", "theirs", ...ask),
  ]);
  assertEquals(isOut, [HOST_ADDRESS, HOST_ADDRESS], when);
  for (const [name, port] of Object.entries(OWN)) {
    await eventually(async () => assertEquals(await fromOutside(host, port), `${name}\n`, when));
    const url = (address: string) => `http://${address}:${port}/`;
    assertEquals(await host.succeed(["wget", "-qO-", url("127.0.0.1")]), `${name}\n`, when);
    const get = ["timeout", "5", "wget", "-qO-", url(HOST_ADDRESS)];
    assertEquals(await dhow(host, "exec", "ours", ...get), name, when);
    // netavark has no way for a container's own port
    if (name !== "podman") assertEquals(await podman.succeed("exec", "theirs", ...get), name, when);
  }
}

/** The host's rules, in their order: dhow's, and all others. */
async function rules(host: Host): Promise<{ ours: string[]; others: string[] }> {
  const saved = (await host.shell("iptables-save")).split("\n").filter((line) => line.startsWith("-"));
  const isOurs = (line: string) => /dhow/i.test(line);
  return { ours: saved.filter(isOurs), others: saved.filter((line) => !isOurs(line)) };
}

async function startOurs(host: Host): Promise<void> {
  const published = ["-p", `${OWN.dhow}:80`];
  await dhow(host, "run", "-d", "--name", "ours", ...published, await busyboxArchive(), ...serve("dhow"));
}

for (const backend of BACKENDS) {
  hostTest(`beside podman with ${backend}, which comes, reloads its networks, and goes`, async (host) => {
    const podman = await Podman.install(host, backend);
    await startOurs(host);
    const { ours } = await rules(host);
    await podman.start("theirs", ["-p", `${OWN.podman}:80`], ...serve("podman"));
    await bothWork(host, podman, "when podman has come");
    await podman.succeed("network", "reload", "--all");
    await bothWork(host, podman, "after podman's reload");
    assertEquals(await dhow(host, "network", "reload"), "bridge");
    await bothWork(host, podman, "after dhow's reload");
    await host.shell("iptables -F; iptables -t nat -F; iptables -X; iptables -t nat -X");
    await podman.run("network", "reload", "--all"); // it complains that nothing is there, and makes it
    await dhow(host, "ps");
    await bothWork(host, podman, "after a flush and reloads");
    await podman.succeed("rm", "-f", "-t", "0", "theirs");
    assertEquals((await rules(host)).ours, ours);
    assertEquals(await fromOutside(host, OWN.dhow), "dhow\n");
    await dhow(host, "rm", "-f", "ours");
  });

  hostTest(`beside podman with ${backend}, which was there before, and stays`, async (host) => {
    const podman = await Podman.install(host, backend);
    await podman.start("theirs", ["-p", `${OWN.podman}:80`], ...serve("podman"));
    const before = (await rules(host)).others;
    await startOurs(host);
    await bothWork(host, podman, "when dhow has come");
    assertEquals((await rules(host)).others, before);
    const refused = await host.dhow(["run", "-p", `${OWN.podman}:80`, await busyboxArchive(), "true"]);
    assertFailure(refused, 125, /Bind for 0\.0\.0\.0:8081\/tcp failed/, /address already in use/);
    const alike = await podman.run("run", "--rm", "-p", `${OWN.dhow}:80`, "localhost/busybox", "true");
    assertMatch(alike.stderr, /8080: bind: address already in use/);
    await dhow(host, "rm", "-f", "ours");
    await eventually(async () => assertEquals(await rules(host), { ours: [], others: before }));
    assertEquals(await fromOutside(host, OWN.podman), "podman\n");
    assertEquals(await host.shell("cat /proc/sys/net/ipv4/ip_forward"), "1\n", "podman needs it");
    await podman.succeed("rm", "-f", "-t", "0", "theirs");
  });

  hostTest(`neither dhow nor podman with ${backend} takes a range that the other has`, async (host) => {
    const podman = await Podman.install(host, backend);
    const archive = await busyboxArchive();
    await podman.succeed("network", "create", "--subnet", "100.100.1.0/24", "first");
    await podman.start("theirs", ["--network", "first"], "sleep", "1000");
    const moved = await host.dhow(["run", "-d", "--name", "ours", archive, "sleep", "1000"]);
    assertEquals(moved.code, 0);
    const [, taken = ""] = /the host routes 100\.100\.1\.0\/24 already: containers get addresses of (\S+)/
      .exec(moved.stderr) ?? [];
    assertMatch(taken, /^[\d.]+\.0\/24$/, moved.stderr);
    const wanted = await host.dhow(["network", "create", "--subnet", "100.100.1.128/25", "other"]);
    assertFailure(wanted, 1, /Pool overlaps/, /100\.100\.1\.0\/24/);
    const refused = await podman.run("network", "create", "--subnet", taken, "second");
    assertMatch(refused.stderr, / is already used/);
    assert(refused.stderr.includes(taken), refused.stderr);
    assert(refused.code !== 0);
    await podman.succeed("rm", "-f", "-t", "0", "theirs");
    await dhow(host, "rm", "-f", "ours");
  });
}
