/** dhow's rules and real packets, with each program that may set them. */
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Host } from "../support/host.ts";
import {
  ADDRESSES,
  ADDRESSES6,
  comesFrom,
  datagramComesFrom,
  firewall,
  makeNetworks,
  type Name,
  NETWORKS,
  OWN,
} from "../support/networks.ts";
import type { Forward } from "../../src/plan/step.ts";
import { firewallsFrom } from "../support/firewalls.ts";
import { hostTest } from "../support/system_test.ts";

interface Backend {
  readonly prepare: (host: Host) => Promise<void>;
  /** What prints all rules. */
  readonly rules: string;
  /** What others may do to them. */
  readonly harms: readonly string[];
  /** Takes away what keeps a container from the host's loopback. */
  readonly withoutInput: string;
  /** Takes away what keeps others from ports that are published there. */
  readonly withoutGuard: string;
}

const IPTABLES_HARMS = [
  "iptables -F; iptables -t nat -F; iptables -X; iptables -t nat -X",
  "ip6tables -F; ip6tables -t nat -F; ip6tables -X; ip6tables -t nat -X",
  "iptables -D FORWARD -j DHOW-dhow8",
  "iptables -I FORWARD -j DHOW-dhow7",
  "iptables -t nat -F DHOW-dhow7-PORTS",
];

/** How a host has each of them and nothing else, and what it then tells of its rules. */
const BACKENDS: Readonly<Record<string, Backend>> = {
  "iptables-nft": {
    prepare: () => Promise.resolve(),
    rules: "iptables-save; ip6tables-save",
    harms: IPTABLES_HARMS,
    withoutInput: "iptables -F DHOW-dhow7-IN",
    withoutGuard: "iptables -t nat -I PREROUTING -d 127.0.0.1 -j DHOW-dhow7-PORTS",
  },
  "iptables-legacy": {
    prepare: async (host) => {
      await host.shell(`
        for tool in iptables ip6tables; do for verb in "" -save -restore; do
          ln -sf xtables-legacy-multi /usr/sbin/$tool$verb
        done; done
      `);
    },
    rules: "iptables-legacy-save; ip6tables-legacy-save",
    harms: IPTABLES_HARMS,
    withoutInput: "iptables -F DHOW-dhow7-IN",
    withoutGuard: "iptables -t nat -I PREROUTING -d 127.0.0.1 -j DHOW-dhow7-PORTS",
  },
  nft: {
    prepare: async (host) => {
      await firewallsFrom(host);
      await host.hide("iptables*", "ip6tables*", "xtables*");
    },
    rules: "nft --stateless list ruleset",
    harms: ["nft flush ruleset", "nft delete table ip dhow8", "nft flush chain ip dhow7 forward"],
    withoutInput: "nft flush chain ip dhow7 input",
    withoutGuard: "nft insert rule ip dhow7 prerouting ip daddr 127.0.0.1 jump ports",
  },
};

/** Who reaches what, and as whom; with br_netfilter, packets between containers of a network pass the rules, too. */
async function check(host: Host): Promise<void> {
  const published = `${OWN[4]}:8080`;
  const published6 = `[${OWN[6]}]:8080`;
  const web = (name: Name) => ADDRESSES[name];
  const web6 = (name: Name) => `[${ADDRESSES6[name]}]`;
  const expected: [Name | "host", string, string | undefined][] = [
    // out, with the host's address
    ["one", web("outside"), OWN[4]],
    ["one", web6("outside"), OWN[6]],
    ["one", "203.0.113.80", "198.51.100.2"],
    // among the containers of a network, as they are
    ["one", web("two"), web("one")],
    ["one", web6("two"), ADDRESSES6.one],
    ["host", web("one"), OWN.gateway],
    // by published ports
    ["outside", published, web("outside")],
    ["outside", published6, ADDRESSES6.outside],
    ["outside", `${OWN[4]}:8082`, web("outside")],
    ["outside", `[${OWN[6]}]:8082`, ADDRESSES6.outside],
    ["host", published, OWN[4]],
    ["host", "127.0.0.1:8080", OWN.gateway],
    ["host", "127.0.0.1:8081", OWN.gateway],
    ["host", published6, OWN[6]],
    ["two", published, OWN.gateway],
    ["two", published6, "fd00:7::1"],
    ["one", published, OWN.gateway],
    ["one", published6, "fd00:7::1"],
    ["other", published, OWN.gateway],
    ["other", published6, "fd00:7::1"],
    // not by an address that they are not bound to
    ["outside", `${OWN[4]}:8081`, undefined],
    ["host", "127.0.0.1:8082", undefined],
    // not directly
    ["outside", web("one"), undefined],
    ["outside", web6("one"), undefined],
    ["other", web("one"), undefined],
    ["other", web6("one"), undefined],
    ["one", web("other"), undefined],
    // a network that ends at the host
    ["inner", web("inmost"), web("inner")],
    ["inner", web6("inmost"), ADDRESSES6.inner],
    ["host", web("inner"), "100.100.9.1"],
    ["inner", web("outside"), undefined],
    ["inner", web6("outside"), undefined],
    ["inner", web("one"), undefined],
    ["outside", web("inner"), undefined],
    ["outside", web6("inner"), undefined],
    ["other", web("inner"), undefined],
  ];
  const line = (who: string, server: string, as: string | undefined) =>
    `${who} -> ${server}: ${as ?? "nothing"}`;
  const seen = await Promise.all(
    expected.map(async ([who, server]) => line(who, server, await comesFrom(host, who, server))),
  );
  assertEquals(seen, expected.map(([who, server, as]) => line(who, server, as)));
  assertEquals(await datagramComesFrom(host, "outside", OWN[4], 5353), `from ${web("outside")}`);
}

for (const [name, { prepare, rules, harms, withoutInput, withoutGuard }] of Object.entries(BACKENDS)) {
  const start = async (host: Host) => {
    await prepare(host);
    await makeNetworks(host);
  };

  hostTest(`${name}: containers reach out, and are reached by published ports only`, async (host) => {
    await start(host);
    const before = await host.shell(rules);
    assertEquals(await firewall(host, "make"), "untouched");
    assertMatch(await host.shell(rules), /dhow7/);
    for (const passes of [1, 0]) {
      await host.shell(`
        for family in ip ip6; do echo ${passes} >/proc/sys/net/bridge/bridge-nf-call-\${family}tables; done
      `);
      await check(host);
    }
    await firewall(host, "remove");
    assertEquals(significant(await host.shell(rules)), significant(before));
  });

  hostTest(`${name}: what somebody takes away is noticed and put back, once`, async (host) => {
    await start(host);
    await firewall(host, "make");
    const own = async () => significant(await host.shell(rules)).toSorted();
    const made = await own();
    for (const harm of harms) {
      await host.shell(harm);
      assertNotEquals(await own(), made, harm);
      assertEquals(await firewall(host, "look"), "changed", harm);
      await firewall(host, "restore");
      assertEquals(await own(), made, harm);
      assertEquals(await firewall(host, "look"), "untouched", harm);
    }
    await host.shell(harms[0]!);
    await firewall(host, "reload");
    assertEquals(await own(), made);
    await check(host);
  });

  hostTest(`${name}: what a network publishes changes, and nothing else does`, async (host) => {
    await start(host);
    await firewall(host, "make");
    // those of ports in any order: each is for another port
    const saved = async () => significant(await host.shell(rules)).sort();
    const made = await saved();
    const [first, ...others] = NETWORKS;
    const moved = first!.forwards.map((forward) =>
      forward.hostPort === 8080 ? { ...forward, hostPort: 8090 } : forward
    );
    const change = (forwards: readonly Forward[]) =>
      firewall(host, "change", [{ ...first!, forwards }, ...others]);
    assertEquals(await change(moved), "untouched");
    assertEquals((await saved()).map((line) => line.replace(/\b8090\b/, "8080")).sort(), made);
    assertEquals(await comesFrom(host, "outside", `${OWN[4]}:8090`), ADDRESSES.outside);
    assertEquals(await comesFrom(host, "outside", `${OWN[4]}:8080`), undefined);
    assertEquals(await change([]), "untouched");
    const loopback = "cat /proc/sys/net/ipv4/conf/dhow7/route_localnet";
    assertEquals(await host.shell(loopback), "0\n");
    assertEquals(await change(first!.forwards), "untouched");
    assertEquals(await saved(), made);
    assertEquals(await host.shell(loopback), "1\n");
  });

  hostTest(`${name}: a container reaches nothing that listens on the host's loopback`, async (host) => {
    await start(host);
    await firewall(host, "make");
    await host.shell("busybox httpd -p 127.0.0.1:9000 -h /run/host/www");
    await takeForLoopback(host, "two", OWN.gateway);
    assertEquals(await comesFrom(host, "two", "127.0.0.1:9000"), undefined);
    assertEquals(await comesFrom(host, "two", "127.0.0.1:8081"), undefined);
    await host.shell(withoutInput);
    assertEquals(await comesFrom(host, "two", "127.0.0.1:9000"), ADDRESSES.two, "what is tried is possible");
  });

  hostTest(`${name}: nobody outside reaches what is published on the host's loopback`, async (host) => {
    await start(host);
    await firewall(host, "make");
    await takeForLoopback(host, "outside", OWN[4]);
    assertEquals(await comesFrom(host, "outside", "127.0.0.1:8081"), undefined);
    await host.shell(withoutGuard);
    assertEquals(
      await comesFrom(host, "outside", "127.0.0.1:8081"),
      ADDRESSES.outside,
      "what is tried is possible",
    );
  });
}

/** Has somebody send to the host what is for 127.0.0.1. */
async function takeForLoopback(host: Host, who: Name, way: string): Promise<void> {
  await host.shell(`
    ip -n ${who} addr del 127.0.0.1/8 dev lo
    ip netns exec ${who} sysctl -qw net.ipv4.conf.eth0.route_localnet=1
    ip -n ${who} route add 127.0.0.1/32 via ${way}
  `);
}

/** The rules, and dhow's own tables and chains, without counters and comments. */
function significant(saved: string): string[] {
  return saved.split("\n").filter((line) => /^\t|^[-:]|^table/.test(line) && !/^:[A-Z]+ ACCEPT/.test(line))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ""));
}
