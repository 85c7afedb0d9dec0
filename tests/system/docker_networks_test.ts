/** What `network inspect` and `network ls` tell, beside a real docker on the same host. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { startDockerd } from "../support/firewalls.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { hostTest } from "../support/system_test.ts";

/** Names of networks, and what they are created with; the same address cannot be given twice on one host. */
const NETWORKS: Readonly<Record<string, (range: number) => string[]>> = {
  simple: (n) => ["--subnet", `10.${n}.0.0/24`, "--gateway", `10.${n}.0.1`],
  bare: (n) => ["--subnet", `10.${n}.1.0/24`],
  inner: (n) => ["--internal", "--label", "tier=back", "--label", "a", "--subnet", `10.${n}.2.0/24`],
  six: (n) => [
    ...["--ipv6", "--subnet", `10.${n}.3.0/24`, "--gateway", `10.${n}.3.1`],
    ...["--subnet", `fd00:${n}::/64`, "--gateway", `fd00:${n}::1`],
  ],
  full: (n) => [
    ...["--attachable", "--subnet", `10.${n}.4.0/24`, "--gateway", `10.${n}.4.9`],
    ...["--ip-range", `10.${n}.4.128/25`, "--aux-address", `printer=10.${n}.4.200`],
    ...["-o", "com.docker.network.driver.mtu=1400"],
  ],
  lan: (
    n,
  ) => ["-d", "macvlan", "--subnet", `10.${n}.5.0/24`, "--gateway", `10.${n}.5.1`, "-o", "parent=eth0"],
};

interface Inspected {
  [field: string]: unknown;
  IPAM: { Config: Record<string, unknown>[] };
  Containers: Record<string, Record<string, unknown>>;
}

/** Has one of the two make the networks, with a container in each, and tell of them. */
async function tellOf(host: Host, program: "docker" | "dhow", range: number) {
  const command = async (...args: string[]) => {
    const output = program === "dhow" ? await host.dhow(args) : await host.run([program, ...args]);
    assertSuccess({ ...output, stderr: output.stderr.replace(/^.*Loading layer.*\n|^.*Loaded\n/gm, "") });
    return output.stdout.trimEnd();
  };
  await command("load", "-q", "-i", await busyboxArchive());
  const names = Object.keys(NETWORKS);
  for (const [name, flags] of Object.entries(NETWORKS)) {
    assertMatch(await command("network", "create", ...flags(range), name), /^[0-9a-f]{64}$/);
    await command("run", "-d", "--name", `in-${name}`, "--network", name, "busybox", "sleep", "1000");
  }
  await command("run", "-d", "--name", "in-bridge", "busybox", "sleep", "1000");
  const told = {
    networks: JSON.parse(await command("network", "inspect", ...names)) as Inspected[],
    usual: JSON.parse(await command("network", "inspect", "bridge", "host", "none")) as Inspected[],
    list: await command(
      "network",
      "ls",
      "--format",
      "{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.IPv6}}",
    ),
  };
  await command("rm", "-f", "in-bridge", ...names.map((name) => `in-${name}`));
  await command("network", "rm", ...names);
  return told;
}

/** Without ids and times, and with docker's ranges. */
function comparable(network: Inspected): string {
  assertMatch(String(network["Id"]), /^[0-9a-f]{64}$/);
  assertMatch(String(network["Created"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)$/);
  const containers = Object.entries(network.Containers).map(([id, { EndpointID, ...container }]) => {
    assertMatch(id, /^[0-9a-f]{64}$/);
    assertMatch(String(EndpointID), /^[0-9a-f]{64}$/);
    return container;
  });
  const shown = { ...network, Id: "", Created: "", Containers: containers };
  return JSON.stringify(shown, null, 1).replaceAll("10.42.", "10.41.").replaceAll("fd00:42:", "fd00:41:")
    .replaceAll("02:42:0a:2a:", "02:42:0a:29:");
}

hostTest(
  "network inspect and ls tell what docker's do, but for the gateway that docker does not tell",
  async (host) => {
    await startDockerd(host);
    const docker = await tellOf(host, "docker", 41);
    const dhow = await tellOf(host, "dhow", 42);
    for (const [index, theirs] of docker.networks.entries()) {
      const { IPAM: { Config }, Name } = theirs;
      // docker has one there as well, the first
      if (Name === "bare" || Name === "inner") {
        Config[0]!["Gateway"] = String(Config[0]!["Subnet"]).replace("0/24", "1");
      }
      assertEquals(comparable(dhow.networks[index]!), comparable(theirs), String(Name));
    }
    assertEquals(dhow.list, docker.list);
    const [bridge, ...others] = dhow.usual;
    const [docker0, ...dockers] = docker.usual;
    assertEquals(others.map(comparable), dockers.map(comparable));
    assertEquals(Object.keys(bridge!), Object.keys(docker0!));
    // of the options of docker's daemon the one that says what the bridge is called
    assertEquals(bridge!["Options"], { "com.docker.network.bridge.name": "dhow0" });
  },
);
