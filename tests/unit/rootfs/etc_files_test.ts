import { assert, assertEquals, assertMatch } from "@std/assert";
import { hostsFile, resolvConf, type ResolvConfSources } from "../../../src/rootfs/etc_files.ts";

const NONE: ResolvConfSources = { host: "", upstreams: undefined, dns: [], sharesLoopback: false };

const servers = (sources: Partial<ResolvConfSources>) =>
  resolvConf({ ...NONE, ...sources }).split("\n").flatMap((line) =>
    line.startsWith("nameserver ") ? [line.slice("nameserver ".length)] : []
  );

Deno.test("a container asks the host's name servers, in their order, with its search list and options", () => {
  const host = "# made by hand\nsearch example.test lan\nnameserver 203.0.113.53\n" +
    "nameserver 203.0.113.54\noptions timeout:1 rotate\nsortlist 203.0.113.0/24\n";
  assertEquals(
    resolvConf({ ...NONE, host }),
    "nameserver 203.0.113.53\nnameserver 203.0.113.54\nsearch example.test lan\noptions timeout:1 rotate\n" +
      "sortlist 203.0.113.0/24\n",
  );
});

Deno.test("lines are understood however they are indented, and comments are not", () => {
  const host =
    "\tnameserver\t203.0.113.1  \n#nameserver 203.0.113.2\n; nameserver 203.0.113.3\nnameserver203\r\n" +
    "nameserver 203.0.113.4 # the second\n  domain lan\r\n";
  assertEquals(servers({ host }), ["203.0.113.1", "203.0.113.4"]);
  assertMatch(resolvConf({ ...NONE, host }), /\ndomain lan\n$/);
});

Deno.test("the stub of systemd-resolved is replaced by the servers that it asks", () => {
  const host = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch stub.test\n";
  const upstreams = "nameserver 203.0.113.53\nsearch upstream.test\n";
  assertEquals(
    resolvConf({ ...NONE, host, upstreams }),
    "nameserver 203.0.113.53\nsearch upstream.test\n",
  );
});

Deno.test("the upstreams of systemd-resolved do not count where the host does not use its stub", () => {
  assertEquals(servers({ host: "nameserver 203.0.113.1\n", upstreams: "nameserver 203.0.113.2\n" }), [
    "203.0.113.1",
  ]);
});

Deno.test("a server on the host's loopback is left out, because the container has a loopback of its own", () => {
  assertEquals(servers({ host: "nameserver 127.0.0.1\nnameserver 203.0.113.1\nnameserver ::1\n" }), [
    "203.0.113.1",
  ]);
});

for (
  const [host, upstreams] of [
    ["", undefined],
    ["nameserver 127.0.0.1\nnameserver 127.1.2.3\n", undefined],
    ["nameserver 127.0.0.53\n", undefined],
    ["nameserver 127.0.0.53\n", "# none yet\n"],
    ["nameserver 127.0.0.53\n", "nameserver 127.0.0.1\n"],
  ] as const
) {
  const what = `${JSON.stringify(host)} with upstreams ${JSON.stringify(upstreams)}`;
  Deno.test(`public servers are asked when the host has none that a container can reach: ${what}`, () => {
    const found = servers({ host, upstreams });
    assert(found.length > 0);
    for (const server of found) assert(!server.startsWith("127."), server);
  });
}

Deno.test("an IPv6 server is left out of a network that has IPv4 only", () => {
  assertEquals(servers({ host: "nameserver 2001:db8::53\nnameserver 203.0.113.1\n" }), ["203.0.113.1"]);
});

Deno.test("a container in the host's network asks what the host asks, the stub and loopback too", () => {
  const host = "nameserver 127.0.0.53\nnameserver ::1\n";
  assertEquals(servers({ host, upstreams: "nameserver 203.0.113.1\n", sharesLoopback: true }), [
    "127.0.0.53",
    "::1",
  ]);
  assertEquals(servers({ sharesLoopback: true }), []);
});

Deno.test("--dns replaces the servers and nothing else, even by one on loopback", () => {
  const host = "nameserver 203.0.113.1\nsearch lan\n";
  assertEquals(
    resolvConf({ ...NONE, host, dns: ["192.0.2.1", "127.0.0.1"] }),
    "nameserver 192.0.2.1\nnameserver 127.0.0.1\nsearch lan\n",
  );
  assertEquals(servers({ dns: ["192.0.2.1"], sharesLoopback: true }), ["192.0.2.1"]);
});

Deno.test("--dns-search and --dns-option replace the host's, each its own", () => {
  const host = "nameserver 203.0.113.1\nsearch lan\noptions rotate\n";
  const searching = { ...NONE, host, search: ["a.example", "b.example"] };
  assertEquals(
    resolvConf(searching),
    "nameserver 203.0.113.1\noptions rotate\nsearch a.example b.example\n",
  );
  assertEquals(resolvConf({ ...NONE, host, search: ["."] }), "nameserver 203.0.113.1\noptions rotate\n");
  assertEquals(
    resolvConf({ ...NONE, host, options: ["ndots:2"] }),
    "nameserver 203.0.113.1\nsearch lan\noptions ndots:2\n",
  );
});

Deno.test("resolv.conf ends with a newline, so that a line can be added", () => {
  assert(resolvConf(NONE).endsWith("\n"));
  assert(resolvConf({ ...NONE, sharesLoopback: true }).endsWith("\n"));
});

Deno.test("hosts names localhost, for IPv4 and IPv6, and the container by its address", () => {
  const lines = hostsFile("web1", ["100.100.1.2"]).split("\n");
  assertEquals(lines[0], "127.0.0.1\tlocalhost");
  assert(lines.some((line) => line.startsWith("::1\tlocalhost")));
  assertEquals(lines.slice(-2), ["100.100.1.2\tweb1", ""]);
});

Deno.test("hosts says nothing about a container without an address", () => {
  assert(!hostsFile("web1", []).includes("web1"));
});
