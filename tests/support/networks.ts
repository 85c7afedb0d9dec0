/**
 * Networks of a test's host, made by hand: what dhow's are made of, with network namespaces in place of containers. Their firewall
 * is dhow's.
 */
import { assertEquals } from "@std/assert";
import type { FilteredNetwork, Forward } from "../../src/plan/step.ts";
import { type Host, REPOSITORY } from "./host.ts";

/** Two containers, a network of two others, one of a network that ends at the host, and somebody outside; each has a web server. */
export const ADDRESSES = {
  one: "100.100.7.2",
  two: "100.100.7.3",
  other: "100.100.8.2",
  inner: "100.100.9.2",
  inmost: "100.100.9.3",
  outside: "192.0.2.2",
} as const;
export type Name = keyof typeof ADDRESSES;

export const ADDRESSES6 = {
  one: "fd00:7::2",
  two: "fd00:7::3",
  other: "fd00:8::2",
  inner: "fd00:9::2",
  inmost: "fd00:9::3",
  outside: "fd00:2::2",
} as const;

/** The host's, outside, and on the bridge of the first. */
export const OWN = { 4: "192.0.2.1", 6: "fd00:2::1", gateway: "100.100.7.1" } as const;

const BRIDGES: Readonly<Record<Name, string>> = {
  one: "dhow7",
  two: "dhow7",
  other: "dhow8",
  inner: "dhow9",
  inmost: "dhow9",
  outside: "lan0",
};

const forward = (parts: Partial<Forward>): Forward => ({
  protocol: "tcp",
  hostIp: "",
  hostPort: 8080,
  address: ADDRESSES.one,
  containerPort: 80,
  ...parts,
});

export const NETWORKS: readonly FilteredNetwork[] = [
  {
    bridge: "dhow7",
    subnets: ["100.100.7.0/24", "fd00:7::/64"],
    internal: false,
    masquerade: true,
    forwards: [
      forward({}),
      forward({ hostPort: 8081, hostIp: "127.0.0.1" }),
      forward({ hostPort: 8082, hostIp: OWN[4] }),
      forward({ hostPort: 5353, protocol: "udp", containerPort: 53 }),
      forward({ address: ADDRESSES6.one }),
      forward({ address: ADDRESSES6.one, hostPort: 8082, hostIp: OWN[6] }),
    ],
  },
  {
    bridge: "dhow8",
    subnets: ["100.100.8.0/24", "fd00:8::/64"],
    internal: false,
    masquerade: true,
    forwards: [],
  },
  {
    bridge: "dhow9",
    subnets: ["100.100.9.0/24", "fd00:9::/64"],
    internal: true,
    masquerade: true,
    forwards: [],
  },
];

/** A datagram that comes is sent back; or all that have come before, for who asks "seen". */
const ECHO = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 53))
seen = b""
while True:
    data, peer = s.recvfrom(100)
    s.sendto(seen if data == b"seen" else data + peer[0].encode(), peer)
    seen += data
`;

/** Sends a datagram with a source address and port of one's choice (raw(7), RFC 768), and waits for no answer. */
const PRETEND = `
import socket, struct, sys
source, source_port, address, port, text = sys.argv[1:]
text = text.encode()
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
udp = struct.pack("!HHHH", int(source_port), int(port), 8 + len(text), 0) + text
addresses = socket.inet_aton(source) + socket.inet_aton(address)
s.sendto(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses + udp, (address, 0))
`;

const ASK = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.sendto(sys.argv[3].encode(), (sys.argv[1], int(sys.argv[2])))
print(s.recv(100).decode())
`;

/** Makes the bridges, the namespaces and their servers. All goes with the host. */
export async function makeNetworks(host: Host): Promise<void> {
  const names = Object.keys(ADDRESSES) as Name[];
  const namespace = (name: Name) => {
    const [near, far] = [ADDRESSES[name], ADDRESSES6[name]];
    return `
      ip netns add ${name}
      ip link add v-${name} master ${BRIDGES[name]} up type veth peer name eth0 netns ${name}
      ip link set v-${name} type bridge_slave hairpin on
      ip -n ${name} link set lo up
      ip -n ${name} link set eth0 up
      ip -n ${name} addr add ${near}/24 dev eth0
      ip -n ${name} addr add ${far}/64 dev eth0 nodad
      ip -n ${name} route add default via ${near.replace(/\d+$/, "1")}
      ip -n ${name} route add default via ${far.replace(/\d+$/, "1")}
      ip netns exec ${name} busybox httpd -p 80 -h /run/host/www
    `;
  };
  await host.write("echo.py", ECHO);
  await host.write("ask.py", ASK);
  await host.write("pretend.py", PRETEND);
  await host.shell(`
    for bridge in dhow7 dhow8 dhow9 lan0; do ip link add $bridge type bridge; ip link set $bridge up; done
    for number in 7 8 9; do
      ip addr add 100.100.$number.1/24 dev dhow$number
      ip addr add fd00:$number::1/64 dev dhow$number nodad
    done
    ip addr add ${OWN[4]}/24 dev lan0
    ip addr add ${OWN[6]}/64 dev lan0 nodad
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    ${names.map(namespace).join("")}
    for who in one outside; do
      ip netns exec $who /usr/bin/python3 ${host.file("echo.py")} >/dev/null 2>&1 &
    done
  `);
}

/** Has dhow's code work on the firewall, and says whether it is in order afterwards, as a later command would see it. */
export async function firewall(
  host: Host,
  work: "make" | "change" | "restore" | "reload" | "remove" | "look",
  networks: readonly FilteredNetwork[] = NETWORKS,
): Promise<string> {
  const script = `${REPOSITORY}/tests/support/firewall.ts`;
  const arguments_ = [host.file("store"), work, JSON.stringify(networks)];
  const output = await host.run(
    [
      `${REPOSITORY}/.toolchain/bin/deno`,
      "run",
      "-A",
      "--no-check",
      "--config",
      `${REPOSITORY}/deno.json`,
      script,
      ...arguments_,
    ],
    { env: { DENO_DIR: `${REPOSITORY}/.toolchain/cache`, DENO_NO_UPDATE_CHECK: "1" } },
  );
  assertEquals([output.code, output.stderr], [0, ""]);
  return output.stdout.trim();
}

/** The command as somebody's; on the host itself for "host". */
const as = (name: Name | "host") => name === "host" ? [] : ["ip", "netns", "exec", name];

/** In seconds: more than an answer takes, and what it costs to see that there is none. */
const PATIENCE = 3;

/** The address that a web server sees somebody come from; undefined when it is not reached. */
export async function comesFrom(host: Host, who: Name | "host", server: string): Promise<string | undefined> {
  const url = `http://${server}/cgi-bin/address`;
  const curl = ["curl", "-gsSf", "--noproxy", "*", "--max-time", `${PATIENCE}`, url];
  const { code, stdout } = await host.run([...as(who), ...curl]);
  return code === 0 ? stdout.trim().replace(/[[\]]|::ffff:/g, "") : undefined;
}

/** The same for the service of datagrams. */
export const datagramComesFrom = (host: Host, who: Name | "host", address: string, port: number) =>
  ask(host, who, address, port, "from ");

/** All that has come to a service of datagrams. */
export const datagramsSeen = (host: Host, who: Name | "host", address: string, port: number) =>
  ask(host, who, address, port, "seen");

async function ask(
  host: Host,
  who: Name | "host",
  address: string,
  port: number,
  text: string,
): Promise<string> {
  const script = host.file("ask.py");
  const output = await host.succeed([...as(who), "/usr/bin/python3", script, address, `${port}`, text]);
  return output.trim();
}

/** Sends a datagram from an address and a port that may be somebody else's. */
export async function pretend(
  host: Host,
  who: Name,
  from: readonly [address: string, port: number],
  to: readonly [address: string, port: number],
  text: string,
): Promise<void> {
  const arguments_ = [...from, ...to, text].map(String);
  await host.succeed([...as(who), "/usr/bin/python3", host.file("pretend.py"), ...arguments_]);
}
