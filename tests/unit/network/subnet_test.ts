import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  contains,
  formatAddress,
  formatSubnet,
  freeSubnet,
  gatewayOf,
  lastOf,
  nextAddress,
  overlaps,
  parseAddress,
  parseSubnet,
  routedSubnets,
  triedSubnets,
} from "../../../src/network/subnet.ts";

const address = (text: string) => {
  const parsed = parseAddress(text);
  assert(parsed !== undefined, text);
  return parsed;
};

Deno.test("an address is a number, and the number's text is the address", () => {
  assertEquals(parseAddress("0.0.0.0"), 0);
  assertEquals(parseAddress("1.2.3.4"), 0x01020304);
  assertEquals(parseAddress("255.255.255.255"), 0xffffffff);
  for (const text of ["0.0.0.0", "100.100.1.2", "128.0.0.1", "192.168.255.254", "255.255.255.255"]) {
    assertEquals(formatAddress(address(text)), text);
  }
});

for (
  const text of [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.-4",
    "1.2.3.+4",
    " 1.2.3.4",
    "1.2.3.4 ",
    "1.2.3.4\n",
    "1..2.3",
    "1.2.3.0x4",
    "1.2.3.1e1",
    "1.2.3.0004",
    "::1",
    "host",
    "1.2.3.4/24",
    "١.2.3.4",
  ]
) {
  Deno.test(`${JSON.stringify(text)} is no address`, () => assertEquals(parseAddress(text), undefined));
}

Deno.test("a subnet knows its gateway, its last address and what it contains", () => {
  const subnet = parseSubnet("100.100.1.0/24");
  assertEquals(formatSubnet(subnet), "100.100.1.0/24");
  assertEquals(formatAddress(gatewayOf(subnet)), "100.100.1.1");
  assertEquals(formatAddress(lastOf(subnet)), "100.100.1.255");
  assert(contains(subnet, address("100.100.1.0")));
  assert(contains(subnet, address("100.100.1.255")));
  assert(!contains(subnet, address("100.100.0.255")));
  assert(!contains(subnet, address("100.100.2.0")));
});

Deno.test("a subnet above 128.0.0.0 is as good as one below", () => {
  const subnet = parseSubnet("192.168.0.0/16");
  assertEquals(formatAddress(lastOf(subnet)), "192.168.255.255");
  assert(contains(subnet, address("192.168.3.4")));
});

Deno.test("what is no subnet is refused", () => {
  assertThrows(() => parseSubnet("100.100.1/24"), RangeError, "100.100.1/24");
  assertThrows(() => parseSubnet(""), RangeError);
});

Deno.test("subnets overlap when one holds the other, in either order, and not when they only touch", () => {
  const [wide, narrow, next] = ["100.64.0.0/10", "100.100.1.0/24", "100.100.2.0/24"].map(parseSubnet);
  assert(wide && narrow && next);
  assert(overlaps(wide, narrow));
  assert(overlaps(narrow, wide));
  assert(overlaps(narrow, narrow));
  assert(!overlaps(narrow, next));
  assert(!overlaps(next, narrow));
});

/** As Linux prints it, with its padding. */
const ROUTES = [
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       ",
  "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0                                                                               ",
  "dhow0\t00016464\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0                                                                             ",
  "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0                                                                           ",
  "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0                                                                             ",
  "wg0\t05006464\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0                                                                             ",
  "",
].join("\n");

Deno.test("a host's routes are read from /proc/net/route, without the default route", () => {
  assertEquals(routedSubnets(ROUTES).map(formatSubnet), [
    "100.100.1.0/24",
    "172.17.0.0/16",
    "192.168.2.0/24",
    "100.100.0.5/32",
  ]);
});

Deno.test("a host without routes routes nothing", () => {
  assertEquals(routedSubnets(ROUTES.split("\n", 1)[0] ?? ""), []);
  assertEquals(routedSubnets(""), []);
});

/** As Linux 6.18 prints it, with a VPN's table. */
const TABLES = `Id 52:
  +-- 0.0.0.0/1 2 0 2
     |-- 10.0.0.0
        /8 universe THROW
     |-- 100.100.0.0
        /16 link UNICAST
Main:
  +-- 0.0.0.0/0 3 0 6
     +-- 0.0.0.0/4 2 0 2
        |-- 0.0.0.0
           /0 universe UNICAST
        +-- 10.0.0.0/14 2 0 2
           |-- 10.1.0.0
              /16 universe BLACKHOLE
           |-- 10.2.3.0
              /25 link UNICAST
              /24 link UNICAST
Local:
  +-- 0.0.0.0/0 2 0 2
     |-- 198.51.100.2
        /32 host LOCAL
     |-- 198.51.100.255
        /32 link BROADCAST
`;

Deno.test("a host's routes and addresses of all its tables are read from /proc/net/fib_trie", () => {
  assertEquals(triedSubnets(TABLES).map(formatSubnet), [
    "100.100.0.0/16",
    "10.1.0.0/16",
    "10.2.3.0/25",
    "10.2.3.0/24",
    "198.51.100.2/32",
  ]);
  assertEquals(triedSubnets(""), []);
});

Deno.test("containers get the tutorial's range when the host does not use it", () => {
  assertEquals(freeSubnet([]), parseSubnet("100.100.1.0/24"));
  const elsewhere = ["10.0.0.0/8", "192.168.0.0/16", "100.100.0.0/24"].map(parseSubnet);
  assertEquals(freeSubnet(elsewhere), parseSubnet("100.100.1.0/24"));
});

Deno.test("containers get the next range that overlaps nothing the host routes", () => {
  const free = (...taken: string[]) => freeSubnet(taken.map(parseSubnet));
  assertEquals(free("100.100.1.0/24"), parseSubnet("100.100.2.0/24"));
  assertEquals(free("100.100.0.0/22"), parseSubnet("100.100.4.0/24"));
  assertEquals(free("100.100.1.77/32", "100.100.3.0/25"), parseSubnet("100.100.2.0/24"));
  assertEquals(free("100.100.2.0/24", "100.100.1.128/25"), parseSubnet("100.100.3.0/24"));
});

Deno.test("a host that routes all ranges that dhow could choose has none left", () => {
  assertEquals(freeSubnet([parseSubnet("100.64.0.0/10")]), parseSubnet("10.100.1.0/24"));
  assertEquals(freeSubnet(["100.64.0.0/10", "10.0.0.0/8"].map(parseSubnet)), parseSubnet("172.30.1.0/24"));
  assertEquals(freeSubnet(["100.64.0.0/10", "10.0.0.0/8", "172.16.0.0/12"].map(parseSubnet)), undefined);
});

Deno.test("a default route that a VPN wrote as two halves takes no range away", () => {
  // OpenVPN's redirect-gateway def1: 0.0.0.0/1 and 128.0.0.0/1
  const halves = "tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n" +
    "tun0\t00000080\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n";
  assertEquals(
    freeSubnet(routedSubnets(ROUTES.split("\n", 1)[0] + "\n" + halves)),
    parseSubnet("100.100.1.0/24"),
  );
});

const SMALL = parseSubnet("10.0.0.0/29"); // the gateway is .1, containers have .2 to .6
const addressesOf = (...last: number[]) => new Set(last.map((byte) => SMALL.first + byte));
const next = (last: number, taken: ReadonlySet<number>) => {
  const chosen = nextAddress(SMALL, SMALL.first + last, new Set([...taken, SMALL.first + 1]));
  return chosen === undefined ? undefined : chosen - SMALL.first;
};

Deno.test("addresses are given out one after another, from the first after the gateway", () => {
  assertEquals(next(1, new Set()), 2);
  assertEquals(next(2, addressesOf(2)), 3);
});

Deno.test("a freed address rests until all others had their turn", () => {
  assertEquals(next(4, new Set()), 5);
  assertEquals(next(5, new Set()), 6);
  assertEquals(next(6, new Set()), 2);
});

Deno.test("taken addresses are passed over, round the end of the range too", () => {
  assertEquals(next(2, addressesOf(3, 4)), 5);
  assertEquals(next(5, addressesOf(6, 2)), 3);
  assertEquals(next(3, addressesOf(2, 4, 5, 6)), 3);
});

Deno.test("neither the network, nor the gateway, nor the broadcast address is given to a container", () => {
  const given = new Set<number>();
  for (let last = 1;;) {
    const chosen = next(last, new Set([...given].map((byte) => SMALL.first + byte)));
    if (chosen === undefined) break;
    assert(!given.has(chosen));
    given.add(chosen);
    last = chosen;
  }
  assertEquals([...given], [2, 3, 4, 5, 6]);
});

Deno.test("no address is left when all are taken, or the range has none for containers", () => {
  assertEquals(next(4, addressesOf(2, 3, 4, 5, 6)), undefined);
  assertEquals(nextAddress(parseSubnet("10.0.0.0/31"), 0, new Set()), undefined);
});
