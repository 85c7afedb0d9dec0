import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import type { Host } from "../support/host.ts";
import { DNS_ADDRESS, HOST_ADDRESS, WEB_NAME } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { advertise } from "../support/router.ts";
import { systemTest } from "../support/system_test.ts";

/** What a command of dhow's prints; it must succeed, and have nothing to say. */
async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

/** Starts a container that stays, in networks. */
async function start(host: Host, name: string, ...flags: string[]): Promise<void> {
  await dhow(host, "run", "-d", "--name", name, ...flags, await busyboxArchive(), "sleep", "1000");
}

const exec = (host: Host, container: string, script: string) =>
  dhow(host, "exec", container, "sh", "-euc", script);

const addressIn = (host: Host, container: string, network: string) =>
  dhow(host, "inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);

const remove = async (host: Host, containers: string[], networks: string[]) => {
  await dhow(host, "rm", "-f", ...containers);
  await dhow(host, "network", "rm", ...networks);
};

systemTest("networks are made, listed, inspected and removed, in docker's form", async (host) => {
  const id = await dhow(host, "network", "create", "--label", "tier=front", "front");
  assertMatch(id, /^[0-9a-f]{64}$/);
  const list = await dhow(host, "network", "ls");
  assertMatch(list, /^NETWORK ID +NAME +DRIVER +SCOPE\n/);
  assertMatch(list, new RegExp(`^${id.slice(0, 12)} +front +bridge +local$`, "m"));
  assertEquals(
    await dhow(host, "network", "ls", "--format", "{{.Name}} {{.Driver}}"),
    [
      "bridge bridge",
      "front bridge",
      "host host",
      "none null",
    ].join("\n"),
  );
  assertEquals(await dhow(host, "network", "ls", "-q", "--no-trunc", "-f", "type=custom"), id);
  const [inspected] = JSON.parse(await dhow(host, "network", "inspect", id.slice(0, 6)));
  assertEquals([inspected.Name, inspected.Id, inspected.Internal, inspected.Labels], [
    "front",
    id,
    false,
    { tier: "front" },
  ]);
  assertMatch(inspected.IPAM.Config[0].Subnet, /^100\.100\.2\.0\/24$/);
  assertFailure(await host.dhow(["network", "create", "front"]), 1, /network with name front already exists/);
  for (const name of ["bridge", "host", "none"]) {
    assertFailure(
      await host.dhow(["network", "rm", name]),
      1,
      /is a pre-defined network and cannot be removed/,
    );
  }
  assertEquals(await dhow(host, "network", "rm", "front"), "front");
  assertFailure(
    await host.dhow(["network", "inspect", "front"]).then((output) => ({ ...output, stdout: "" })),
    1,
  );
  assertFailure(await host.dhow(["network", "rm", "front"]), 1, /network front not found/);
});

systemTest(
  "nothing of a network is on the host before its first container, nor after its last",
  async (host) => {
    const links = () => host.shell("ls /sys/class/net");
    const before = await links();
    await dhow(host, "network", "create", "mine");
    assertEquals(await links(), before);
    await start(host, "one", "--network", "mine");
    assertMatch(await links(), /^dhow-[0-9a-f]{10}$/m);
    const busy = await host.dhow(["network", "rm", "mine"]);
    assertFailure(busy, 1, /network mine id .* has active endpoints/, /1 containers/);
    await dhow(host, "rm", "-f", "one");
    await dhow(host, "network", "rm", "mine"); // at once, whatever waits to remove its bridge
    assertEquals(await links(), before);
  },
);

systemTest("a network has the addresses that it was made with", async (host) => {
  await dhow(
    host,
    "network",
    "create",
    ...["--subnet", "10.77.3.9/24", "--gateway", "10.77.3.254", "--ip-range", "10.77.3.128/30"],
    ...["--aux-address", "printer=10.77.3.129", "--opt", "mtu=1400"],
    "mine",
  );
  await start(host, "one", "--network", "mine");
  assertEquals(await addressIn(host, "one", "mine"), "10.77.3.128");
  await start(host, "two", "--network", "mine");
  assertEquals(await addressIn(host, "two", "mine"), "10.77.3.130", "129 is the printer's");
  assertMatch(await exec(host, "two", "ip route"), /default via 10\.77\.3\.254/);
  assertMatch(await exec(host, "two", "ip link show eth0"), /mtu 1400/);
  await start(host, "three", "--network", "mine:ip=10.77.3.7,mac=02:00:00:00:00:07");
  assertEquals(await addressIn(host, "three", "mine"), "10.77.3.7");
  assertMatch(await exec(host, "three", "ip link show eth0"), /link\/ether 02:00:00:00:00:07/);
  const archive = await busyboxArchive();
  const taken = await host.dhow(["run", "--network", "mine", "--ip", "10.77.3.7", archive, "true"]);
  assertFailure(taken, 125, /another container has it/);
  const gateway = await host.dhow(["run", "--network", "mine", "--ip", "10.77.3.254", archive, "true"]);
  assertFailure(gateway, 125, /10\.77\.3\.1 to 10\.77\.3\.254, without its gateway/);
  await remove(host, ["one", "two", "three"], ["mine"]);
});

systemTest("ranges that are taken, or make no sense, are refused", async (host) => {
  const create = (...args: string[]) => host.dhow(["network", "create", ...args, "mine"]);
  assertFailure(await create("--subnet", "198.51.100.128/25"), 1, /Pool overlaps/, /198\.51\.100\.0\/24/);
  await dhow(host, "network", "create", "--subnet", "10.5.0.0/16", "other");
  assertFailure(await create("--subnet", "10.5.7.0/24"), 1, /Pool overlaps/, /10\.5\.0\.0\/16/);
  assertFailure(await create("--subnet", "10.6.0.0"), 1, /"10\.6\.0\.0" is no subnet/);
  assertFailure(await create("--gateway", "10.6.0.1"), 1, /no matching subnet for gateway 10\.6\.0\.1/);
  assertFailure(await create("--subnet", "fd00::/64"), 1, /add --ipv6/);
  assertFailure(await create("--opt", "colour=red"), 1, /no --opt colour/);
  assertFailure(await create("--subnet", "127.3.0.0/16"), 1, /127\.0\.0\.0\/8, which are the host's own/);
  assertFailure(await create("--subnet", "0.0.0.0/1"), 1, /0\.0\.0\.0\/8, which are for hosts without/);
  assertFailure(await create("--subnet", "239.1.0.0/16"), 1, /224\.0\.0\.0\/4, which are for multicast/);
  assertFailure(await create("--subnet", "255.255.255.0/24"), 1, /255\/32, which are for broadcasts/);
  const create6 = (subnet: string, ...args: string[]) => create("--ipv6", "--subnet", subnet, ...args);
  assertFailure(await create6("::/1"), 1, /::\/16, which are the host's own/);
  assertFailure(await create6("::ffff:10.0.0.0/104"), 1, /::\/16.*stand for those of IPv4/);
  assertFailure(await create6("fe80::/64"), 1, /fe80::\/10, which are a single link's/);
  assertFailure(await create6("ff02::/64"), 1, /ff00::\/8, which are for multicast/);
  assertFailure(await create6("fd00::/64", "--gateway", "fd00::"), 1, /fd00:: .*cannot be its gateway/);
  assertFailure(
    await create6("fd00::/64", "--opt", "mtu=1279"),
    1,
    /an MTU of 1280 or more; raise --opt mtu/,
  );
  assertFailure(await create("--driver", "overlay"), 1, /no network driver "overlay"/);
  assertFailure(await create("--driver", "macvlan"), 1, /needs a link of the host.*eth0/);
  assertFailure(await create("--driver", "macvlan", "-o", "parent=eth7"), 1, /no link "eth7"/);
  await dhow(host, "network", "rm", "other");
});

/** Sends a datagram with a source address of one's choice (raw(7), RFC 768). */
const PRETEND = `
import socket, struct, sys
udp = struct.pack("!HHHH", 9, 9911, 8 + 6, 0) + b"forged"
addresses = socket.inet_aton(sys.argv[1]) + socket.inet_aton(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
s.sendto(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses + udp, (sys.argv[2], 0))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"honest", (sys.argv[2], 9911))
`;

const RECEIVE = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 9911))
print("ready", flush=True)
print(s.recv(100).decode())
`;

systemTest(
  "a container neither sends with another's address nor, without IPv6, speaks it with the host",
  async (host) => {
    await dhow(host, "network", "create", "mine");
    await start(host, "one", "--network", "mine");
    const bridge = "dhow-" + (await dhow(host, "network", "inspect", "-f", "{{slice .Id 0 10}}", "mine"));
    assertEquals(await host.shell(`ip -6 addr show dev ${bridge}`), "");
    const { stdout: pid } = await host.dhow(["inspect", "-f", "{{.State.Pid}}", "one"]);
    const gateway = await dhow(
      host,
      "network",
      "inspect",
      "-f",
      "{{(index .IPAM.Config 0).Gateway}}",
      "mine",
    );
    const first = async () => {
      await using receiver = host.spawn(["/usr/bin/python3", "-c", RECEIVE]);
      await receiver.stdout.until(/ready/);
      const script = ["/usr/bin/python3", "-c", PRETEND, DNS_ADDRESS, gateway];
      await host.succeed(["nsenter", "--net", "--target", pid.trim(), ...script]);
      return (await receiver.output()).stdout.trim().split("\n").at(-1);
    };
    assertEquals(await first(), "honest");
    await host.shell(`echo 0 >/proc/sys/net/ipv4/conf/${bridge}/rp_filter`);
    assertEquals(await first(), "forged", "what is tried is possible");
    await remove(host, ["one"], ["mine"]);
  },
);

systemTest("no container becomes the router of another", async (host) => {
  await dhow(host, "network", "create", "four");
  await dhow(host, "network", "create", "--ipv6", "six");
  // without IPv6 there is nothing to tell
  await start(host, "plain", "--network", "four");
  await dhow(host, "network", "connect", "bridge", "plain");
  assertEquals(await exec(host, "plain", "ip -6 -o addr show dev eth0; ip -6 -o addr show dev eth1"), "");
  for (const name of ["router", "one", "careless"]) await start(host, name, "--network", "six");
  await start(host, "late", "--network", "none");
  await dhow(host, "network", "connect", "six", "late");
  const inNetworkOf = async (name: string, ...command: string[]) => {
    const pid = await dhow(host, "inspect", "-f", "{{.State.Pid}}", name);
    return await host.succeed(["nsenter", "--net", "--target", pid, ...command]);
  };
  const learned = (name: string) => exec(host, name, "ip -6 route; ip -6 addr");
  await inNetworkOf("careless", "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra");
  await eventually(async () => {
    await inNetworkOf("router", "/usr/bin/python3", "-c", advertise("eth0", "2001:db8:bad::"));
    assertMatch(await learned("careless"), /2001:db8:bad::/, "what is tried is possible");
  });
  for (const name of ["one", "late"]) {
    const all = await learned(name);
    assert(!all.includes("2001:db8:bad::"), all);
    assertMatch(all, /^default via fd/m, all);
  }
  await remove(host, ["plain", "router", "one", "careless", "late"], ["four", "six"]);
});

systemTest("an internal network leads nowhere else", async (host) => {
  await dhow(host, "network", "create", "--internal", "inside");
  await start(host, "one", "--network", "inside");
  await start(host, "two", "--network", "inside");
  const other = await addressIn(host, "two", "inside");
  await exec(host, "one", `ping -c 1 -W 5 ${other} >/dev/null`);
  assert(!(await exec(host, "one", "ip route")).includes("default"));
  // also not for one that adds the route itself
  const gateway = await dhow(
    host,
    "network",
    "inspect",
    "-f",
    "{{(index .IPAM.Config 0).Gateway}}",
    "inside",
  );
  const wanderer = await host.dhow(
    ["run", "--cap-add", "NET_ADMIN", "--network", "inside", await busyboxArchive(), "sh", "-c"].concat(
      `ip route add default via ${gateway} && ping -c 1 -W 1 ${HOST_ADDRESS} >/dev/null && echo here; ` +
        "ping -c 1 -W 1 203.0.113.80 >/dev/null || echo not there",
    ),
  );
  assertEquals(wanderer.stdout, "here\nnot there\n");
  await remove(host, ["one", "two"], ["inside"]);
});

systemTest(
  "a container is in several networks, and the first of them that leads out is its way out",
  async (host) => {
    await dhow(host, "network", "create", "--internal", "back");
    await dhow(host, "network", "create", "front");
    await start(host, "both", "--network", "back", "--network", "front");
    await start(host, "behind", "--network", "back");
    await start(host, "before", "--network", "front");
    for (const [name, network] of [["behind", "back"], ["before", "front"]] as const) {
      await exec(host, "both", `ping -c 1 -W 5 ${await addressIn(host, name, network)} >/dev/null`);
    }
    assertEquals(await exec(host, "both", `wget -qO- http://${WEB_NAME}/cgi-bin/address`), HOST_ADDRESS);
    const inside = await exec(host, "both", "ls /sys/class/net; ip -4 -o addr; cat /etc/hosts");
    assertMatch(inside, /^eth0\neth1\nlo\n/);
    for (const network of ["back", "front"]) {
      const address = (await addressIn(host, "both", network)).replaceAll(".", "\\.");
      assertMatch(inside, new RegExp(`eth. +inet ${address}/24`));
      assertMatch(inside, new RegExp(`^${address}\t`, "m"));
    }
    assertEquals(
      await dhow(host, "ps", "--filter", "network=back", "--format", "{{.Names}} {{.Networks}}"),
      [
        "behind back",
        "both back,front",
      ].join("\n"),
    );
    await remove(host, ["both", "behind", "before"], ["back", "front"]);
  },
);

systemTest(
  "a running container comes to a network and leaves it, and a stopped one does with its next start",
  async (host) => {
    await dhow(host, "network", "create", "one");
    await dhow(host, "network", "create", "--ipv6", "--subnet", "fd00:5::/64", "two");
    await start(host, "it", "--network", "one");
    await start(host, "other", "--network", "two");
    await dhow(host, "network", "connect", "--ip6", "fd00:5::99", "--alias", "thing", "two", "it");
    const [four, six] = (await dhow(
      host,
      "inspect",
      "-f",
      "{{.NetworkSettings.Networks.two.IPAddress}} {{.NetworkSettings.Networks.two.GlobalIPv6Address}}",
      "other",
    )).split(" ");
    await exec(host, "it", `ping -c 1 -W 5 ${four} >/dev/null; ping -6 -c 1 -W 5 ${six} >/dev/null`);
    assertMatch(await exec(host, "it", "cat /etc/hosts"), /^fd00:5::99\t/m);
    const again = await host.dhow(["network", "connect", "two", "it"]);
    assertFailure(again, 1, /endpoint with name it already exists in network two/);
    await dhow(host, "network", "disconnect", "one", "it");
    assertEquals(await exec(host, "it", "ls /sys/class/net"), "eth1\nlo");
    assertEquals(await exec(host, "it", `wget -qO- http://${WEB_NAME}/cgi-bin/address`), HOST_ADDRESS);
    await dhow(host, "stop", "-t", "0", "it");
    await dhow(host, "network", "connect", "one", "it");
    await dhow(host, "network", "disconnect", "two", "it");
    await dhow(host, "start", "it");
    assertEquals(
      await dhow(
        host,
        "inspect",
        "-f",
        "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}",
        "it",
      ),
      "one",
    );
    await dhow(host, "network", "disconnect", "one", "it");
    assertEquals(await exec(host, "it", "ls /sys/class/net"), "lo");
    assertFailure(
      await host.dhow(["network", "disconnect", "one", "it"]),
      1,
      /is not connected to network one/,
    );
    await remove(host, ["it", "other"], ["one", "two"]);
  },
);

systemTest(
  "the way out is the network that came first, whatever was left and joined again since",
  async (host) => {
    for (const name of ["one", "two"]) await dhow(host, "network", "create", "--ipv6", name);
    await start(host, "it", "--network", "one", "--network", "two", "-p", "8080:80");
    const gateway = (network: string) =>
      dhow(host, "network", "inspect", "-f", "{{range .IPAM.Config}}{{.Gateway}} {{end}}", network);
    const leadsBy = async (network: string) => {
      const [four, six] = (await gateway(network)).split(" ");
      const routes = await exec(host, "it", "ip route; ip -6 route");
      assertMatch(routes, new RegExp(`^default via ${four} `, "m"));
      assertMatch(routes, new RegExp(`^default via ${six} `, "m"));
      const rules = await host.shell("iptables-save | grep -e '-j DNAT'");
      const address = (await addressIn(host, "it", network)).replaceAll(".", "\\.");
      assertMatch(rules, new RegExp(`^.*--to-destination ${address}:80\n$`));
    };
    await leadsBy("one");
    await dhow(host, "network", "disconnect", "one", "it");
    await leadsBy("two");
    await dhow(host, "network", "connect", "one", "it");
    await leadsBy("two");
    assertEquals(await exec(host, "it", "ls /sys/class/net"), "eth1\neth2\nlo");
    await dhow(host, "restart", "-t", "0", "it");
    await leadsBy("two");
    await remove(host, ["it"], ["one", "two"]);
  },
);

systemTest("what cannot be connected is refused in docker's words", async (host) => {
  await dhow(host, "network", "create", "mine");
  await start(host, "hosts", "--network", "host");
  await start(host, "plain");
  await start(host, "joined", "--network", "container:plain");
  const connect = (network: string, name: string) => host.dhow(["network", "connect", network, name]);
  assertFailure(await connect("mine", "hosts"), 1, /sharing network namespace/);
  assertFailure(await connect("mine", "joined"), 1, /sharing network namespace/);
  assertFailure(await connect("none", "plain"), 1, /private \(none\) mode/);
  assertFailure(await connect("host", "plain"), 1, /host network/);
  assertFailure(await connect("missing", "plain"), 1, /network missing not found/);
  const archive = await busyboxArchive();
  assertFailure(
    await host.dhow(["run", "--network", "missing", archive, "true"]),
    125,
    /network missing not found/,
  );
  assertFailure(
    await host.dhow(["run", "--network", "mine", "--network", "mine", archive, "true"]),
    125,
    /"mine" is given twice/,
  );
  assertFailure(
    await host.dhow(["run", "--network", "bridge", "--network", "bridge", archive, "true"]),
    125,
    /"bridge" is given twice/,
  );
  await remove(host, ["joined", "hosts", "plain"], ["mine"]);
});

systemTest("a container on macvlan is one more machine on the host's network", async (host) => {
  await dhow(
    host,
    "network",
    "create",
    ...[
      "-d",
      "macvlan",
      "--subnet",
      "198.51.100.0/24",
      "--gateway",
      "198.51.100.1",
      "-o",
      "parent=eth0",
      "lan",
    ],
  );
  const seen = await dhow(
    host,
    ...["run", "--network", "lan:ip=198.51.100.77", await busyboxArchive(), "sh", "-euc"],
    `ip -4 -o addr show eth0; ip route; wget -qO- http://203.0.113.80/cgi-bin/address`,
  );
  assertMatch(seen, /inet 198\.51\.100\.77\/24/);
  assertMatch(seen, /default via 198\.51\.100\.1/);
  assertMatch(seen, /^198\.51\.100\.77$/m, "not the host's address");
  assertEquals(await host.shell("ls /sys/class/net"), "eth0\nlo\n");
  await dhow(host, "network", "rm", "lan");
});

systemTest(
  "a route that the host has got since moves a network that dhow chose the range of",
  async (host) => {
    await dhow(host, "network", "create", "free");
    await dhow(host, "network", "create", "--subnet", "10.66.0.0/24", "fixed");
    await host.shell(
      "ip route add 100.100.2.0/24 via 198.51.100.1; ip route add 10.66.0.0/16 via 198.51.100.1",
    );
    const archive = await busyboxArchive();
    const moved = await host.dhow(["run", "--network", "free", archive, "hostname", "-i"]);
    assertMatch(moved.stdout, /^100\.100\.3\.\d+\n$/);
    assertMatch(moved.stderr, /100\.100\.2\.0\/24.*free has 100\.100\.3\.0\/24/);
    const fixed = await host.dhow(["run", "--network", "fixed", archive, "true"]);
    assertFailure(fixed, 125, /its subnet is 10\.66\.0\.0\/24, and the host routes 10\.66\.0\.0\/16/);
    await host.shell("ip route del 100.100.2.0/24; ip route del 10.66.0.0/16");
    await dhow(host, "network", "rm", "free", "fixed");
  },
);

systemTest(
  "forwarding stays on as long as one of several networks needs it, and is off afterwards",
  async (host) => {
    const forwarding = async () => (await host.shell("cat /proc/sys/net/ipv4/ip_forward")).trim();
    await dhow(host, "network", "create", "one");
    await dhow(host, "network", "create", "two");
    await start(host, "first", "--network", "one");
    await start(host, "second", "--network", "two");
    await remove(host, ["first"], ["one"]);
    assertEquals(await forwarding(), "1");
    await remove(host, ["second"], ["two"]);
    assertEquals(await forwarding(), "0");
  },
);

systemTest("network prune removes those that no container is in, or would be in", async (host) => {
  for (const name of ["used", "wanted", "old"]) await dhow(host, "network", "create", name);
  await start(host, "one", "--network", "used");
  await dhow(host, "create", "--name", "two", "--network", "wanted", await busyboxArchive());
  assertEquals(await dhow(host, "network", "prune", "-f"), "Deleted Networks:\nold");
  await remove(host, ["one", "two"], ["used", "wanted"]);
});

systemTest(
  "containers find each other by name, short id and alias, and the outside world as well",
  async (host) => {
    await dhow(host, "network", "create", "front");
    await dhow(host, "network", "create", "back");
    await start(host, "asks", "--network", "front");
    await start(host, "web", "--network", "front", "--network-alias", "www"); // later than who asks
    const find = async (name: string) =>
      await exec(host, "asks", `ping -c 1 -W 5 ${name} | sed -n 's/.*(\\(.*\\)).*/\\1/p'`);
    const address = await addressIn(host, "web", "front");
    const id = (await dhow(host, "inspect", "-f", "{{.Id}}", "web")).slice(0, 12);
    for (const name of ["web", "WEB", "www", id, "web.front"]) {
      assertEquals(
        (await find(name)).split("\n")[0],
        address,
        name,
      );
    }
    assertMatch(await exec(host, "asks", "cat /etc/resolv.conf"), /^nameserver 127\.0\.0\.11$/m);
    assertEquals(await exec(host, "asks", `wget -qO- http://${WEB_NAME}/cgi-bin/address`), HOST_ADDRESS);
    assertMatch(await exec(host, "asks", `nslookup ${address} | tail -n 3`), /web\.front/);
    const isUnknown = async (name: string) =>
      assertEquals((await host.dhow(["exec", "asks", "ping", "-c", "1", "-W", "1", name])).code, 1, name);
    await dhow(host, "rename", "web", "shop");
    assertEquals((await find("shop")).split("\n")[0], address);
    await isUnknown("web");
    // one that is in another network is none of its business, until it comes to that
    await start(host, "hidden", "--network", "back");
    await isUnknown("hidden");
    await dhow(host, "network", "connect", "back", "asks");
    assertEquals((await find("hidden")).split("\n")[0], await addressIn(host, "hidden", "back"));
    await dhow(host, "network", "disconnect", "back", "asks");
    await isUnknown("hidden");
    // a container of the default network learns to ask when it comes to one that was made
    await start(host, "plain");
    await dhow(host, "network", "connect", "--alias", "simple", "front", "plain");
    assertEquals(await exec(host, "plain", "ping -c 1 -W 5 shop >/dev/null && echo found"), "found");
    assertEquals((await find("simple")).split("\n")[0], await addressIn(host, "plain", "front"));
    await dhow(host, "restart", "-t", "0", "shop");
    assertEquals((await find("shop")).split("\n")[0], await addressIn(host, "shop", "front"));
    await dhow(host, "rm", "-f", "shop");
    await isUnknown("shop");
    await remove(host, ["asks", "hidden", "plain"], ["front", "back"]);
  },
);

systemTest("in an internal network names of containers are found, and no others", async (host) => {
  await dhow(host, "network", "create", "--internal", "inside");
  await start(host, "one", "--network", "inside");
  await start(host, "two", "--network", "inside");
  await exec(host, "one", "ping -c 1 -W 5 two >/dev/null");
  const resolves = async () => (await host.dhow(["exec", "one", "nslookup", "-type=a", WEB_NAME])).code === 0;
  assertEquals(await resolves(), false);
  // as long as it is also elsewhere
  await dhow(host, "network", "connect", "bridge", "one");
  assertEquals(await resolves(), true);
  assertEquals(await exec(host, "one", `wget -qO- http://${WEB_NAME}/cgi-bin/address`), HOST_ADDRESS);
  await dhow(host, "network", "disconnect", "bridge", "one");
  assertEquals(await resolves(), false);
  await remove(host, ["one", "two"], ["inside"]);
});
