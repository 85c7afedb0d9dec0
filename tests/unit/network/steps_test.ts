import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type Endpoint, linkName, type Network } from "../../../src/network/network.ts";
import { chainName, connectSteps, hardwareAddress, networkSetup } from "../../../src/network/steps.ts";
import { parseAddress, parseSubnet } from "../../../src/network/subnet.ts";

const NETWORK: Network = {
  name: "bridge",
  driver: "bridge",
  bridge: "dhow0",
  subnet: parseSubnet("100.100.1.0/24"),
  gateway: parseAddress("100.100.1.1")!,
  internal: false,
  masquerade: true,
  masquerade6: true,
};
const SETUP = networkSetup(NETWORK);
const RULES = SETUP.rules.split("\n");

const endpoint = (address: string, network: Network = NETWORK, number = 0): Endpoint => ({
  network,
  address: parseAddress(address) as number,
  hardwareAddress: hardwareAddress(parseAddress(address)!),
  interface: `eth${number}`,
  link: linkName("0123456789ab", number),
});

Deno.test("the rules change tables as a whole, and no chain of the system but by one jump each", () => {
  assertEquals(RULES.filter((line) => line.startsWith("*")), ["*nat", "*filter"]);
  assertEquals(RULES.filter((line) => line === "COMMIT").length, 2);
  assert(SETUP.rules.endsWith("COMMIT\n"), "iptables-restore wants a newline after COMMIT");
  const jumps = RULES.filter((line) => line.startsWith("-I "));
  assertEquals(jumps.map((line) => line.split(" ")[1]), ["POSTROUTING", "FORWARD"]);
  for (const line of jumps) assert(line.endsWith(` -j ${chainName("dhow0")}`), line);
  for (const line of RULES.filter((line) => /^[-:]/.test(line) && !line.startsWith("-I "))) {
    assertMatch(line, new RegExp(`^(:|-A )${chainName("dhow0")} `));
  }
});

Deno.test("what leaves the bridge for elsewhere is masqueraded, and what stays on it is not", () => {
  const rule = RULES.find((line) => line.endsWith("-j MASQUERADE"));
  assertMatch(rule ?? "", /-s 100\.100\.1\.0\/24 ! -o dhow0 /);
});

Deno.test("from outside, containers get answers only, however permissive the host is", () => {
  const accepting = RULES.filter((line) => line.endsWith("-j ACCEPT"));
  assertEquals(accepting.length, 2);
  for (const line of accepting) {
    assert(line.includes(" -i dhow0 ") || line.includes("--ctstate RELATED,ESTABLISHED"), line);
  }
});

Deno.test("the jump comes before the rules of a host whose policy is DROP", () => {
  assert(RULES.includes(`-I FORWARD -j ${chainName("dhow0")}`));
});

Deno.test("names of chains and links fit the kernel", () => {
  assert(chainName("x".repeat(15)).length <= 28);
  assert(linkName("f".repeat(64)).length <= 15);
});

Deno.test("two bridges have chains of their own", () => {
  assertNotEquals(chainName("dhow0"), chainName("dhow1"));
});

Deno.test("the bridge does not take advertisements before forwarding is on", () => {
  const paths = SETUP.sysctls.map(({ path }) => path);
  assertEquals(paths, ["/proc/sys/net/ipv6/conf/dhow0/accept_ra", "/proc/sys/net/ipv4/ip_forward"]);
  assertEquals(SETUP.sysctls.map(({ value }) => value), ["0", "1"]);
});

Deno.test("the bridge gets the first address of its range", () => {
  assert(SETUP.bridgeCommands.some((command) => command.startsWith("address add 100.100.1.1/24 ")));
});

Deno.test("a container is connected in order: network, link, then address and route inside", () => {
  const steps = connectSteps([endpoint("100.100.1.7")]);
  assertEquals(steps.map((step) => step.do), ["make-network", "ip", "ip"]);
  const [, link, inside] = steps;
  assert(link?.do === "ip" && inside?.do === "ip");
  assertEquals([link.namespace, inside.namespace], ["host", "container"]);
  assertMatch(link.commands[0] ?? "", /^link add veth01234567 master dhow0 .* netns \{child\}$/);
  assertEquals(inside.commands, [
    "address add 100.100.1.7/24 brd + dev eth0",
    "link set eth0 up",
    "route replace default via 100.100.1.1",
  ]);
});

Deno.test("no word of an ip command can be taken for a command of its own", () => {
  const commands = [
    ...SETUP.bridgeCommands,
    ...connectSteps([endpoint("100.100.1.7")]).flatMap((step) => step.do === "ip" ? step.commands : []),
  ];
  for (const command of commands) assertMatch(command, /^[A-Za-z0-9 .:/+{}]+$/);
});

Deno.test("hardware addresses are local, single, and the same whenever the address is", () => {
  const hardware = (address: string) => {
    const step = connectSteps([endpoint(address)])[1];
    assert(step?.do === "ip");
    return / address (\S+) /.exec(step.commands[0] ?? "")?.[1] ?? "";
  };
  assertEquals(hardware("100.100.1.7"), "02:42:64:64:01:07");
  assertEquals(hardware("100.100.1.255"), "02:42:64:64:01:ff");
  assertNotEquals(hardware("100.100.1.7"), hardware("100.100.1.8"));
  // bit 0 of the first byte: multicast; bit 1: locally administered
  assertEquals(parseInt(hardware("100.100.1.7"), 16) & 3, 2);
});
