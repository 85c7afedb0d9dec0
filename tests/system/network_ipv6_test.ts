/** IPv6 of networks, with a router beside the host and machines behind it that have addresses of their own. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { onlyNft } from "../support/firewalls.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { insideInternet } from "../support/internet.ts";
import type { Output } from "../support/process.ts";
import { advertise } from "../support/router.ts";
import { systemTest } from "../support/system_test.ts";

/** Of the host, its router, and a web server behind that. */
const HOST6 = "2001:db8:1::2";
const ROUTER6 = "2001:db8:1::1";
const WEB6 = "2001:db8:2::80";

async function serveByIpv6(host: Host): Promise<void> {
  await insideInternet(
    host,
    "sh",
    "-euc",
    `echo 1 >/proc/sys/net/ipv6/conf/all/forwarding # else its neighbours learn that it is no router
    ip -6 addr add ${ROUTER6}/64 dev uplink nodad
    ip -6 addr add ${WEB6}/128 dev lo nodad
    busybox httpd -p [${WEB6}]:80 -h /run/host/www`,
  );
}

async function connectByIpv6(host: Host): Promise<void> {
  await serveByIpv6(host);
  await host.shell(`
    echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra
    echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
    ip -6 addr flush dev eth0
    ip -6 addr add ${HOST6}/64 dev eth0 nodad
    ip -6 route add default via ${ROUTER6}
  `);
  const ask = `wget -qO- http://[${WEB6}]/cgi-bin/address`;
  assertMatch(await host.shell(ask), /2001:db8:1::2/);
}

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

const withoutPort = (text: string) => text.trim().replace(/^\[(.*)\](:\d+)?$/, "$1");

/** The address that the web server sees a container come from. */
const seenAs = async (host: Host, container: string) =>
  withoutPort(await dhow(host, "exec", container, "wget", "-qO-", `http://[${WEB6}]/cgi-bin/address`));

/** A web server on port 80, whose page tells where one comes from. */
async function serve(host: Host, name: string, ...flags: string[]): Promise<string> {
  const script = `
    mkdir -p /w/cgi-bin
    printf '#!/bin/sh\\nprintf "\\\\r\\\\n%%s\\\\n" "$REMOTE_ADDR"\\n' >/w/cgi-bin/address
    chmod +x /w/cgi-bin/address
    httpd -p [::]:80 -h /w
    exec sleep 1000`;
  await dhow(host, "run", "-d", "--name", name, ...flags, await busyboxArchive(), "sh", "-euc", script);
  const place = "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}";
  return await dhow(host, "inspect", "-f", place, name);
}

/** What a machine of the internet gets. */
async function fromOutside(host: Host, server: string): Promise<string> {
  const url = `http://${server}/cgi-bin/address`;
  const ask = ["timeout", "10", "wget", "-q", "-t", "1", "-O-", url];
  return withoutPort(await insideInternet(host, ...ask));
}

async function isClosed(host: Host, address: string, port: number): Promise<void> {
  const probe =
    `if busybox nc -w 1 ${address} ${port} </dev/null >/dev/null 2>&1; then echo open; else echo closed; fi`;
  assertEquals(await insideInternet(host, "sh", "-c", probe), "closed\n", `[${address}]:${port}`);
}

const FIREWALLS: readonly [name: string, prepare: (host: Host) => Promise<void>][] = [
  ["iptables", connectByIpv6],
  ["nft", async (host) => {
    await connectByIpv6(host);
    await onlyNft(host);
  }],
];

for (const [firewall, prepare] of FIREWALLS) {
  systemTest(`NAT66 by ${firewall}: what leaves has the host's address, and ports lead in`, async (host) => {
    await dhow(host, "network", "create", "--ipv6", "--subnet", "fd00:66::/64", "six");
    const address = await serve(host, "web", "--network", "six", "-p", "8080:80", "-p", `[${HOST6}]:8081:80`);
    assertEquals(await seenAs(host, "web"), HOST6);
    await eventually(async () => assertEquals(await fromOutside(host, `[${HOST6}]:8080`), ROUTER6));
    assertEquals(await fromOutside(host, `[${HOST6}]:8081`), ROUTER6);
    await isClosed(host, HOST6, 8082);
    // who knows the way gets no further
    await insideInternet(host, "ip", "-6", "route", "add", "fd00:66::/64", "via", HOST6);
    await isClosed(host, address, 80);
    // by the host's address, from the host, the container itself, and a neighbour
    await serve(host, "other", "--network", "six");
    const own = await host.shell(`wget -qO- http://[${HOST6}]:8080/cgi-bin/address`);
    assertEquals(withoutPort(own), HOST6);
    for (const name of ["web", "other"]) {
      const answer = await dhow(host, "exec", name, "wget", "-qO-", `http://[${HOST6}]:8080/cgi-bin/address`);
      assertEquals(withoutPort(answer), "fd00:66::1", name);
    }
    await dhow(host, "rm", "-f", "web", "other");
    await dhow(host, "network", "rm", "six");
  }, prepare);

  systemTest(
    `routed IPv6 by ${firewall}: what leaves has the container's address, and published ports are reached by it`,
    async (host) => {
      const routed = ["-o", "com.docker.network.bridge.gateway_mode_ipv6=routed"];
      await dhow(host, "network", "create", "--ipv6", "--subnet", "2001:db8:66::/64", ...routed, "six");
      await insideInternet(host, "ip", "-6", "route", "add", "2001:db8:66::/64", "via", HOST6);
      const address = await serve(
        host,
        "web",
        "--network",
        "six",
        "-p",
        "8080:80",
        "-p",
        `[${HOST6}]:8081:81`,
      );
      const silent = await serve(host, "silent", "--network", "six");
      assertEquals(address, "2001:db8:66::2");
      assertEquals(await seenAs(host, "web"), address);
      await eventually(async () => assertEquals(await fromOutside(host, `[${HOST6}]:8080`), ROUTER6));
      assertEquals(await fromOutside(host, `[${address}]:80`), ROUTER6);
      // neither what is not published, nor by another address than it was
      await isClosed(host, address, 81);
      await isClosed(host, silent, 80);
      // IPv4 of it has the host's address all the same
      const four = await dhow(host, "exec", "web", "wget", "-qO-", "http://203.0.113.80/cgi-bin/address");
      assertEquals(four, "198.51.100.2");
      // one that comes later, and one that has gone
      const late = await serve(host, "late", "--network", "six", "-p", "8082:80");
      await eventually(async () => assertEquals(await fromOutside(host, `[${late}]:80`), ROUTER6));
      const rules = () => host.shell("ip6tables-save 2>/dev/null || nft list ruleset");
      assert((await rules()).includes(address));
      await dhow(host, "rm", "-f", "web", "silent");
      assert(!(await rules()).includes(address));
      assertEquals(await fromOutside(host, `[${late}]:80`), ROUTER6);
      await dhow(host, "rm", "-f", "late");
      await dhow(host, "network", "rm", "six");
    },
    prepare,
  );
}

async function listenToRouter(host: Host): Promise<void> {
  await serveByIpv6(host);
  await host.shell(`
    echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
    echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
  `);
  const script = await host.write("advertise.py", advertise("uplink", "2001:db8:1::"));
  await eventually(async () => {
    await insideInternet(host, "/usr/bin/python3", script);
    assertMatch(await host.shell("ip -6 route"), /^default via fe80::\S+ dev eth0 proto ra /m);
  });
}

systemTest(
  "a host that listens to a router's advertisements goes on, and keeps the way that it has by them",
  async (host) => {
    const route = async () => /^default .* proto ra/m.test(await host.shell("ip -6 route"));
    const listens = () => host.shell("cat /proc/sys/net/ipv6/conf/eth0/accept_ra");
    assertEquals(await listens(), "1\n");
    const [, own] = /inet6 (2001:db8:1:\S+)\/64/.exec(await host.shell("ip -6 addr show eth0"))!;
    await dhow(host, "network", "create", "--ipv6", "--subnet", "fd00:66::/64", "six");
    await serve(host, "web", "--network", "six");
    assert(await route(), "while it forwards");
    assertEquals(await listens(), "2\n");
    assertEquals(await seenAs(host, "web"), own);
    await dhow(host, "rm", "-f", "web");
    await dhow(host, "network", "rm", "six");
    assertEquals(await listens(), "1\n");
    assert(await route(), "afterwards");
  },
  listenToRouter,
);

systemTest("a host without a way out by IPv6 has networks with it all the same", async (host) => {
  await dhow(host, "network", "create", "--ipv6", "six");
  const address = await serve(host, "web", "--network", "six");
  assertMatch(address, /^fd[0-9a-f:]+::2$/);
  const output: Output = await host.dhow([
    ...["run", "--network", "six", await busyboxArchive()],
    ...["sh", "-euc", "ping -6 -c 1 -W 5 web >/dev/null; wget -qO- http://203.0.113.80/cgi-bin/address"],
  ]);
  assertSuccess(output);
  assert(output.stdout === "198.51.100.2\n");
  await dhow(host, "rm", "-f", "web");
  await dhow(host, "network", "rm", "six");
});
