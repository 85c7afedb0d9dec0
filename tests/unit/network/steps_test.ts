import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type Endpoint, linkName, type Network } from "../../../src/network/network.ts";
import { connectSteps, hardwareAddress, networkSetup } from "../../../src/network/steps.ts";
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

const endpoint = (address: string, network: Network = NETWORK, number = 0): Endpoint => ({
  network,
  address: parseAddress(address) as number,
  hardwareAddress: hardwareAddress(parseAddress(address)!),
  interface: `eth${number}`,
  link: linkName("0123456789ab", number),
});

Deno.test("names of links fit the kernel", () => {
  assert(linkName("f".repeat(64)).length <= 15);
  assert(linkName("f".repeat(64), 99).length <= 15);
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
  assertEquals(steps.map((step) => step.do), ["make-network", "ip", "join-bridge"]);
  const [, inside, joining] = steps;
  assert(inside?.do === "ip" && joining?.do === "join-bridge");
  assertEquals(inside.namespace, "container");
  assertMatch(
    inside.commands[0] ?? "",
    /^link add veth01234567 netns \{host\} .*up type veth peer name eth0 address [0-9a-f:]+/,
  );
  assertEquals([joining.bridge, joining.link], ["dhow0", "veth01234567"]);
  assertEquals(inside.commands.slice(1), [
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
    return / address (\S+)/.exec(step.commands[0] ?? "")?.[1] ?? "";
  };
  assertEquals(hardware("100.100.1.7"), "02:42:64:64:01:07");
  assertEquals(hardware("100.100.1.255"), "02:42:64:64:01:ff");
  assertNotEquals(hardware("100.100.1.7"), hardware("100.100.1.8"));
  // bit 0 of the first byte: multicast; bit 1: locally administered
  assertEquals(parseInt(hardware("100.100.1.7"), 16) & 3, 2);
});
