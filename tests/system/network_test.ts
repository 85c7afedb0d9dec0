import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { DNS_ADDRESS, type Host, HOST_ADDRESS, WEB_NAME } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { differences, sameAgain, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";

/** What a script prints in a container on the bridge. */
async function bridged(host: Host, script: string, flags: readonly string[] = []): Promise<string> {
  const output = await host.dhow(["run", ...flags, await busyboxArchive(), "sh", "-euc", script]);
  assertSuccess(output);
  return output.stdout;
}

const WHO_ASKS = `wget -qO- http://${WEB_NAME}/cgi-bin/address`;

systemTest("a container reaches a server by name, and the server sees the host's address", async (host) => {
  assertEquals(
    await bridged(host, `ping -c 1 -W 5 ${WEB_NAME} >/dev/null; ${WHO_ASKS}`),
    `${HOST_ADDRESS}\n`,
  );
});

systemTest("a container has eth0 with its address, lo, and a default route to the bridge", async (host) => {
  const seen = await bridged(host, "ip -o -4 addr; ip route; ip link; ping -c 1 -W 5 127.0.0.1 >/dev/null");
  assertMatch(seen, /lo\s+inet 127\.0\.0\.1\/8/);
  assertMatch(seen, /eth0\s+inet 100\.100\.1\.\d+\/24/);
  assertMatch(seen, /^default via 100\.100\.1\.1 dev eth0/m);
  assertMatch(seen, /: eth0@.*<BROADCAST,MULTICAST,UP,LOWER_UP/);
  assertEquals(seen.match(/^\d+: \w+[@:]/gm)?.length, 2, "lo and eth0");
});

systemTest("containers and the host reach each other by their addresses", async (host) => {
  const archive = await busyboxArchive();
  const command = "echo hello >/tmp/index.html; httpd -p 80 -h /tmp; hostname -i; cat";
  await using server = host.spawnDhow(["run", "-i", archive, "sh", "-euc", command]);
  const [, address] = await server.stdout.until(/^(100\.100\.1\.\d+)\n/);
  assertEquals(await bridged(host, `wget -qO- http://${address}/`), "hello\n");
  assertEquals(await host.succeed(["wget", "-qO-", `http://${address}/`]), "hello\n");
  await server.output();
});

systemTest("--network none has lo and nothing else", async (host) => {
  const before = await snapshot(host);
  const seen = await bridged(host, "ls /sys/class/net; ping -c 1 -W 5 127.0.0.1 >/dev/null; ip route", [
    "--network",
    "none",
  ]);
  assertEquals(seen, "lo\n");
  assertEquals(differences(before, await snapshot(host), ["layers"]), []);
});

systemTest("--network host has the host's links and address", async (host) => {
  const seen = await bridged(host, `ls /sys/class/net; ${WHO_ASKS}`, ["--network", "host"]);
  assertEquals(seen, `eth0\nlo\n${HOST_ADDRESS}\n`);
});

systemTest(
  "twenty containers that start at once have twenty addresses, and all reach the internet",
  async (host) => {
    const archive = await busyboxArchive();
    await host.dhow(["run", "--network", "none", archive, "true"]);
    const before = await snapshot(host);
    const command = `${WHO_ASKS} && hostname -i && read line`; // they wait for each other
    const all = Array.from({ length: 20 }, () => host.spawnDhow(["run", "-i", archive, "sh", "-c", command]));
    try {
      const addresses = await Promise.all(all.map(async ({ stdout }) => {
        const [, client, address] = await stdout.until(/^(.*)\n(100\.100\.1\.\d+)\n/);
        assertEquals(client, HOST_ADDRESS);
        return address;
      }));
      assertEquals(new Set(addresses).size, 20, addresses.join(" "));
      await Promise.all(all.map((running) => running.write("\n")));
      const outputs = await Promise.all(all.map((running) => running.output()));
      outputs.forEach(assertSuccess);
    } finally {
      await Promise.all(all.map((running) => running[Symbol.asyncDispose]()));
    }
    await sameAgain(host, before);
  },
);

systemTest("--ip chooses the address", async (host) => {
  assertEquals(await bridged(host, "hostname -i", ["--ip", "100.100.1.77"]), "100.100.1.77\n");
});

systemTest("an address that has become free is not given again at once", async (host) => {
  const first = await bridged(host, "hostname -i");
  const second = await bridged(host, "hostname -i");
  assert(first !== second, `both had ${first}`);
});

systemTest(
  "when the host routes 100.100.1.0/24 already, the next range is taken, and dhow says so",
  async (host) => {
    await host.shell("ip route add 100.100.1.0/24 via 198.51.100.1");
    const output = await host.dhow(["run", await busyboxArchive(), "sh", "-c", `hostname -i; ${WHO_ASKS}`]);
    assertMatch(output.stdout, /^100\.100\.2\.\d+\n198\.51\.100\.2\n$/);
    assertMatch(output.stderr, /100\.100\.1\.0\/24.*100\.100\.2\.0\/24/);
    await host.shell("ip route del 100.100.1.0/24");
  },
);

systemTest("ranges that a VPN has are not chosen, wherever it has its routes", async (host) => {
  // it is chosen anew when nothing of the network is there
  const address = async () => {
    await eventually(() => assert(!Deno.readTextFileSync(host.path("/proc/1/net/dev")).includes("dhow")));
    return (await host.dhow(["run", await busyboxArchive(), "hostname", "-i"])).stdout;
  };
  await host.shell(`
    ip link add vpn0 type veth peer name vpn1
    ip link set vpn0 up
    ip link set vpn1 up
    ip route add 100.100.1.0/24 dev vpn0 table 52
    ip rule add preference 5270 lookup 52
  `);
  assertMatch(await address(), /^100\.100\.2\.\d+\n$/);
  await host.shell("ip route flush table 52; ip rule delete preference 5270");
  // Tailscale's hosts drop what comes with other addresses of its range
  await host.shell("ip address add 100.77.1.2/32 dev vpn0");
  assertMatch(await address(), /^10\.100\.1\.\d+\n$/);
  await host.shell("ip link delete vpn0");
  assertMatch(await address(), /^100\.100\.1\.\d+\n$/);
});

systemTest("a host without a name server or a route still runs a container on the bridge", async (host) => {
  await host.shell("ip route del default; rm /etc/resolv.conf");
  assertMatch(await bridged(host, "hostname -i"), /^100\.100\.1\.\d+\n$/);
  await host.shell("ip route add default via 198.51.100.1");
});

systemTest("names are looked up at the server that --dns says", async (host) => {
  await host.shell("echo nameserver 192.0.2.1 >/etc/resolv.conf");
  assertEquals(await bridged(host, WHO_ASKS, ["--dns", DNS_ADDRESS]), `${HOST_ADDRESS}\n`);
});
