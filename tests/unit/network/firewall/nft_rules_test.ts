import { assert, assertEquals, assertMatch } from "@std/assert";
import { nftPorts, nftRemoval, nftRules } from "../../../../src/network/firewall/nft_rules.ts";
import { forward, network } from "./networks.ts";

Deno.test("a table is replaced as a whole, and made where there is none", () => {
  const rules = nftRules(network());
  assert(rules.startsWith("table ip dhow0\ndelete table ip dhow0\ntable ip dhow0 {\n"), rules);
  assert(!rules.includes("ip6"));
});

Deno.test("there is a table for each family of a network, and both for an internal one", () => {
  const tables = (text: string) => text.match(/^table \S+ \S+ \{$/gm);
  const both = ["table ip dhow0 {", "table ip6 dhow0 {"];
  assertEquals(tables(nftRules(network({ subnets: ["fd00::/64"] }))), [both[1]]);
  assertEquals(tables(nftRules(network({ subnets: ["100.100.1.0/24", "fd00::/64"] }))), both);
  assertEquals(tables(nftRules(network({ internal: true }))), both);
});

Deno.test("nothing is accepted into a network but answers and what was published", () => {
  const rules = nftRules(network());
  const inwards = rules.match(/^ +oifname "dhow0".*$/gm)?.map((line) => line.trim());
  assertEquals(inwards, [
    'oifname "dhow0" ct state related,established accept',
    'oifname "dhow0" ct status dnat accept',
    'oifname "dhow0" drop',
  ]);
  assertMatch(rules, /iifname "dhow0" oifname != "dhow\*" accept/);
});

Deno.test("a published port is translated, in the container's family", () => {
  const rules = nftRules(network({
    subnets: ["100.100.1.0/24", "fd00::/64"],
    forwards: [
      forward({ protocol: "udp", hostIp: "192.0.2.1" }),
      forward({ address: "fd00::2", hostIp: "::" }),
    ],
  }));
  assertEquals(rules.match(/^.* dnat to .*$/gm)?.map((line) => line.trim()), [
    "ip daddr 192.0.2.1 udp dport 8080 dnat to 100.100.1.2:80",
    "tcp dport 8080 dnat to [fd00::2]:80",
  ]);
});

Deno.test("ports change without a touch of the other rules", () => {
  const subnets = ["100.100.1.0/24", "fd00::/64"];
  assertEquals(nftPorts(network({ subnets, forwards: [forward()] })).split("\n"), [
    "flush chain ip dhow0 ports",
    "add rule ip dhow0 ports tcp dport 8080 dnat to 100.100.1.2:80",
    "flush chain ip6 dhow0 ports",
    "",
  ]);
});

Deno.test("tables are deleted, whether they are there or not", () => {
  assertEquals(nftRemoval("dhow0", [6]), "table ip6 dhow0\ndelete table ip6 dhow0\n");
});
