import { assert, assertEquals, assertMatch } from "@std/assert";
import { chainNames, tablesOf } from "../../../../src/network/firewall/iptables_rules.ts";
import type { Family } from "../../../../src/network/firewall/network.ts";
import type { FilteredNetwork } from "../../../../src/plan/step.ts";
import { forward, network } from "./networks.ts";

/** The rules of one chain. */
function rulesOf(
  of: FilteredNetwork,
  table: "mangle" | "filter" | "nat",
  kind: keyof ReturnType<typeof chainNames>,
  family: Family = 4,
): readonly string[] {
  const name = chainNames(of.bridge)[kind];
  const chains = tablesOf(of, family).filter((each) => each.table === table).flatMap(({ chains }) => chains);
  return chains.find((chain) => chain.name === name)?.rules ?? [];
}

Deno.test("names of chains fit the kernel, and are a bridge's own", () => {
  const names = Object.values(chainNames("x".repeat(15)));
  assertEquals(new Set(names).size, names.length);
  for (const name of names) assert(name.length <= 28, name);
  const others = Object.values(chainNames("dhow1"));
  for (const name of Object.values(chainNames("dhow10"))) assert(!others.includes(name));
});

Deno.test("into a network comes what answers, and what was published; nothing else", () => {
  const rules = rulesOf(network(), "filter", "usual");
  const inwards = rules.filter((rule) => rule.includes("-o dhow0") && !rule.includes("-i dhow0"));
  assertEquals(inwards, [
    "-o dhow0 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT",
    "-o dhow0 -j DROP",
  ]);
});

Deno.test("what others' rules accept does not come into a network, nor with its addresses from elsewhere", () => {
  const both = network({ subnets: ["100.100.1.0/24", "fd00::/64"] });
  for (const [family, subnet] of [[4, "100.100.1.0/24"], [6, "fd00::/64"]] as const) {
    assertEquals(rulesOf(both, "mangle", "usual", family), [
      `-s ${subnet} ! -i dhow0 -j DROP`,
      "-o dhow0 ! -i dhow0 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
    ]);
  }
  const [mangle] = tablesOf(both, 4);
  assertEquals(mangle?.table, "mangle", "the kernel asks it first");
  assertEquals(mangle?.chains.map(({ jumps }) => jumps), [[["FORWARD", ""]]]);
});

Deno.test("out of a network goes what does not go to another of dhow's", () => {
  const rules = rulesOf(network(), "filter", "usual");
  assertEquals(rules.at(-1), "-i dhow0 ! -o dhow+ -j ACCEPT");
  assert(rules.indexOf("-o dhow0 -j DROP") > rules.indexOf("-i dhow0 -o dhow0 -j ACCEPT"));
});

Deno.test("an internal network ends at the host, in both families", () => {
  const internal = network({ internal: true, forwards: [forward()] });
  for (const family of [4, 6] as const) {
    const rules = rulesOf(internal, "filter", "usual", family);
    assertEquals(rules, ["-i dhow0 -o dhow0 -j ACCEPT", "-o dhow0 -j DROP", "-i dhow0 -j DROP"]);
    assertEquals(rulesOf(internal, "mangle", "usual", family), [
      "-i dhow0 ! -o dhow0 -j DROP",
      "-o dhow0 ! -i dhow0 -j DROP",
    ]);
    assertEquals(rulesOf(internal, "nat", "usual", family), []);
    assertEquals(rulesOf(internal, "nat", "ports", family), []);
  }
});

Deno.test("what leaves the bridge for elsewhere is masqueraded, unless it must not be", () => {
  const rule = "-s 100.100.1.0/24 ! -o dhow0 -j MASQUERADE";
  assert(rulesOf(network(), "nat", "usual").includes(rule));
  assert(!rulesOf(network({ masquerade: false }), "nat", "usual").includes(rule));
  // each family for itself
  assert(rulesOf(network({ masquerade6: false }), "nat", "usual").includes(rule));
  const six = (parts: Partial<FilteredNetwork>) =>
    rulesOf(network({ subnets: ["fd00::/64"], ...parts }), "nat", "usual", 6);
  assert(six({}).includes("-s fd00::/64 ! -o dhow0 -j MASQUERADE"));
  assert(!six({ masquerade6: false }).includes("-s fd00::/64 ! -o dhow0 -j MASQUERADE"));
});

Deno.test("where containers have addresses of their own outside, what is published is reached by these", () => {
  const forwards = [forward(), forward({ hostIp: "192.0.2.1", containerPort: 81 })];
  const open = (parts: Partial<FilteredNetwork>) =>
    rulesOf(network({ forwards, ...parts }), "filter", "usual").filter((rule) => rule.includes(" -d "));
  assertEquals(open({}), []);
  assertEquals(open({ masquerade6: false }), []);
  assertEquals(open({ masquerade: false }), [
    "-o dhow0 -d 100.100.1.2 -p tcp -m tcp --dport 80 -j ACCEPT",
  ]);
  assertEquals(open({ masquerade: false, internal: true }), []);
});

Deno.test("each family has the addresses of its own", () => {
  const both = network({
    subnets: ["100.100.1.0/24", "fd00::/64"],
    forwards: [forward(), forward({ address: "fd00::2" })],
  });
  for (const [family, other] of [[4, "fd00"], [6, "100.100.1"]] as const) {
    assert(!JSON.stringify(tablesOf(both, family)).includes(other));
  }
  assertEquals(rulesOf(both, "nat", "ports", 6), [
    "-p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80",
  ]);
});

Deno.test("a port is published at one address of the host, or at all", () => {
  const ports = (hostIp: string) => rulesOf(network({ forwards: [forward({ hostIp })] }), "nat", "ports");
  const everywhere = ["-p tcp -m tcp --dport 8080 -j DNAT --to-destination 100.100.1.2:80"];
  for (const hostIp of ["", "0.0.0.0"]) assertEquals(ports(hostIp), everywhere);
  assertEquals(ports("192.0.2.1"), everywhere.map((rule) => `-d 192.0.2.1 ${rule}`));
});

Deno.test("others do not reach what is published at the host's loopback", () => {
  const ports = tablesOf(network(), 4).flatMap(({ chains }) => chains)
    .find(({ name }) => name === chainNames("dhow0").ports);
  const from = (chain: string) => ports?.jumps.find(([name]) => name === chain)?.[1] ?? "";
  assertMatch(from("PREROUTING"), /^! -d 127\.0\.0\.0\/8 -m addrtype --dst-type LOCAL$/);
  assertEquals(from("OUTPUT"), "-m addrtype --dst-type LOCAL");
});

Deno.test("no packet with an address of the host's loopback comes by the bridge, but for answers", () => {
  assertEquals(rulesOf(network(), "filter", "input"), [
    "-s 127.0.0.0/8 -j DROP",
    "-d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP",
  ]);
});
