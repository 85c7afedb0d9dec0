/** Commands that are killed after each of their steps, and what must hold of networks afterwards. */
import { assert, assertEquals } from "@std/assert";
import { assertSuccess } from "./containers.ts";
import { eventually } from "./eventually.ts";
import { killedAtEach } from "./faults.ts";
import type { Host } from "./host.ts";
import { busyboxArchive } from "./images.ts";
import { differences, type Snapshot, snapshot } from "./snapshot.ts";

const KILLED = 137;

/** What a command of dhow's prints; it must succeed, and have nothing to warn of. */
export async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

interface Attempts {
  /** Has all as it was before the command, each time. */
  readonly prepare?: () => Promise<unknown>;
  /** What must hold after the next command, whatever the killed one has done; it says when. */
  readonly check: (when: string) => Promise<unknown>;
}

/**
 * Kills a command after every step.
 * @param least how many steps it has at least
 */
export async function killEverywhere(
  host: Host,
  args: readonly string[],
  least: number,
  { prepare = () => Promise.resolve(), check }: Attempts,
): Promise<void> {
  await killedAtEach(least, async (step) => {
    await prepare();
    const { code, stderr } = await host.dhow(args, { env: { DHOW_FAULT: `kill-after:${step}` } });
    const when = `${args.join(" ")} after step ${step}`;
    assertSuccess(await host.dhow(["recover"]));
    await check(when);
    if (code !== KILLED) assertEquals([code, stderr], [0, ""], when);
    return code === KILLED;
  });
}

/** A snapshot of a host with networks, without what its bridges do by themselves: timers, and IPv6 addresses of links. */
export async function networkSnapshot(host: Host): Promise<Snapshot> {
  const { links = [], addresses = [], routes = [], ...others } = await snapshot(host);
  const isOwn = (line: string) => !/\b(fe80|ff00|ff02):/.test(line);
  return {
    ...others,
    // what is told of a link begins with blanks
    links: links.filter((line) => !line.startsWith(" ")).map((line) => line.replace(/ state .*| mtu .*/, "")),
    addresses: addresses.filter(isOwn).sort(),
    routes: routes.filter(isOwn),
  };
}

/** @param ignored headings of the snapshot that may differ */
export async function asBefore(
  host: Host,
  before: Snapshot,
  when: string,
  ignored: readonly string[] = ["layers"],
): Promise<void> {
  await eventually(async () => {
    const found = differences(before, await networkSnapshot(host), ignored);
    if (found.length > 0) throw new Error(`${when}: the host is not as it was before:\n${found.join("\n")}`);
  });
}

/** Starts a container that does nothing. */
export const start = async (host: Host, name: string, ...flags: string[]) =>
  await dhow(host, "run", "-d", "--name", name, ...flags, await busyboxArchive(), "sleep", "1000");

/** The links that a container has, and those that the record says it has, by networks. */
export async function isConsistent(host: Host, name: string, when: string): Promise<void> {
  const links = (await dhow(host, "exec", name, "ls", "/sys/class/net")).split("\n").filter((link) =>
    link !== "lo"
  );
  const networks = JSON.parse(
    await dhow(host, "inspect", "-f", "{{json .NetworkSettings.Networks}}", name),
  ) as Record<string, { IPAddress: string }>;
  const shown = await dhow(host, "exec", name, "ip", "-4", "-o", "addr");
  const real = Object.keys(networks).filter((network) => network !== "none");
  assertEquals(links.length, real.length, `${when}: ${links} for ${real}`);
  for (const network of real) {
    assert(shown.includes(`inet ${networks[network]!.IPAddress}/`), `${when}: ${network}`);
  }
}

/** Its host name, over HTTP. */
const SERVE = "hostname >/tmp/index.html; httpd -p 80 -h /tmp; exec sleep 1000";
export const PORT = 8080;
const UDP_PORT = 5353;

/** The end of the command line of a container that serves at published ports of the host. */
export const serving = async (name: string, ...flags: string[]): Promise<string[]> => [
  ...["--name", name, "-h", name],
  ...["-p", `127.0.0.1:${PORT}:80`, "-p", `${UDP_PORT}:53/udp`],
  ...flags,
  await busyboxArchive(),
  ...["sh", "-c", SERVE],
];

/** Addresses that a container finds by a name. */
export async function resolve(host: Host, from: string, name: string): Promise<string[]> {
  const output = await host.dhow(["exec", from, "nslookup", "-type=a", name]);
  return [...output.stdout.matchAll(/^Address: (\S+)$/gm)].map(([, address]) => address!);
}

/**
 * A container that serves runs as it should, or does not run, and then nothing leads to it.
 * @param id it, by its name or id
 * @param network that it serves in
 * @param neighbour another container there
 * @returns whether it runs
 */
export async function isWholeOrGone(
  host: Host,
  id: string,
  network: string,
  neighbour: string,
  when: string,
): Promise<boolean> {
  const state = await host.dhow(["inspect", "-f", "{{.State.Running}} {{.Name}}", id]);
  const [isRunning, name = `/${id}`] = state.stdout.trim().split(" ");
  const rules = await host.shell("iptables-save; ip6tables-save");
  const found = await resolve(host, neighbour, name.slice(1));
  if (state.code !== 0 || isRunning !== "true") {
    assertEquals(found, [], `${when}: it is found by its name`);
    assert(!rules.includes(`--dport ${PORT}`) && !rules.includes(`--dport ${UDP_PORT}`), `${when}: ${rules}`);
    // nothing of the host has the port, so another could
    await host.succeed(["timeout", "0.1", "busybox", "nc", "-l", "-p", `${PORT}`, "-s", "127.0.0.1"]).catch(
      (error) => assert(!/in use/.test(String(error)), `${when}: ${error}`),
    );
    return false;
  }
  await isConsistent(host, id, when);
  const address = await dhow(
    host,
    "inspect",
    "-f",
    `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`,
    id,
  );
  assertEquals(found, [address], `${when}: its name`);
  assertEquals((await resolve(host, id, neighbour)).length, 1, `${when}: its name server`);
  assert(rules.includes(`--dport ${UDP_PORT} -j DNAT --to-destination ${address}:53`), `${when}: ${rules}`);
  const get = ["wget", "-q", "-T", "5", "-t", "1", "-O-", `http://127.0.0.1:${PORT}/`];
  await eventually(async () => assertEquals((await host.run(get)).stdout, "it\n", `${when}: its port`));
  return true;
}
