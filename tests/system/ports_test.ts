import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { type Host, HOST_ADDRESS, type RunningInHost, WEB_ADDRESS } from "../support/host.ts";
import { busyboxArchive, busyboxWith } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

/** A container that serves its name over HTTP on port 80. */
const SERVE = "hostname >/tmp/index.html; httpd -p 80 -h /tmp; exec sleep 1000";

const serve = async (host: Host, name: string, ...flags: string[]) =>
  await dhow(
    host,
    "run",
    "-d",
    "--name",
    name,
    "-h",
    name,
    ...flags,
    await busyboxArchive(),
    "sh",
    "-c",
    SERVE,
  );

/** A command in the network of the internet, which the host is in, too. */
async function outside(host: Host, ...command: string[]) {
  const server = await host.pidOf("dnsmasq --conf-file=/dev/null");
  return await host.run([
    "sh",
    "-c",
    `for each in /proc/[0-9]*; do
      grep -q '^dnsmasq' "$each/cmdline" || continue
      exec nsenter --net="$each/ns/net" "$@"
    done`,
    "sh",
    ...command,
  ]).then((output) => ({ ...output, server }));
}

const get = (url: string) => ["wget", "-q", "-T", "5", "-t", "1", "-O-", url];

systemTest(
  "a published port is reached from outside, from the host, by 127.0.0.1, and from containers",
  async (host) => {
    await dhow(host, "network", "create", "other");
    await serve(host, "web", "-p", "8080:80");
    await eventually(async () =>
      assertEquals((await host.run(get("http://127.0.0.1:8080/"))).stdout, "web\n")
    );
    assertEquals((await outside(host, ...get(`http://${HOST_ADDRESS}:8080/`))).stdout, "web\n");
    for (const address of [HOST_ADDRESS, "100.100.1.1", "localhost"]) {
      assertEquals((await host.run(get(`http://${address}:8080/`))).stdout, "web\n", address);
    }
    // its own port, by the host's address; from a neighbour; from another network
    const script = `wget -qO- http://${HOST_ADDRESS}:8080/`;
    assertEquals(await dhow(host, "exec", "web", "sh", "-c", script), "web");
    const archive = await busyboxArchive();
    assertEquals(await dhow(host, "run", archive, "sh", "-c", script), "web");
    assertEquals(await dhow(host, "run", "--network", "other", archive, "sh", "-c", script), "web");
    // nobody outside gets to it but by the port
    const [address] = (await dhow(host, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web")).split(
      "\n",
    );
    await outside(host, "ip", "route", "add", "100.100.0.0/16", "via", HOST_ADDRESS);
    assertEquals((await outside(host, "busybox", "ping", "-c", "1", "-W", "1", address!)).code, 1);
    await outside(host, "ip", "route", "del", "100.100.0.0/16");
    await dhow(host, "rm", "-f", "web");
    await dhow(host, "network", "rm", "other");
  },
);

systemTest("ports are listed by port, ps and inspect, in docker's form", async (host) => {
  await serve(host, "web", "-p", "8080-8081:80-81", "-p", "127.0.0.1:5353:53/udp");
  assertEquals(
    await dhow(host, "port", "web"),
    [
      "53/udp -> 127.0.0.1:5353",
      "80/tcp -> 0.0.0.0:8080",
      "81/tcp -> 0.0.0.0:8081",
    ].join("\n"),
  );
  assertEquals(await dhow(host, "port", "web", "53/udp"), "127.0.0.1:5353");
  assertFailure(await host.dhow(["port", "web", "82"]), 1, /No public port/);
  assertEquals(
    await dhow(host, "ps", "--format", "{{.Ports}}"),
    "0.0.0.0:8080-8081->80-81/tcp, 127.0.0.1:5353->53/udp",
  );
  const [{ NetworkSettings: { Ports }, HostConfig: { PortBindings } }] = JSON.parse(
    await dhow(host, "inspect", "web"),
  );
  assertEquals(Ports["80/tcp"], [{ HostIp: "", HostPort: "8080" }]);
  assertEquals(PortBindings["53/udp"], [{ HostIp: "127.0.0.1", HostPort: "5353" }]);
  await dhow(host, "stop", "-t", "0", "web");
  assertEquals(await dhow(host, "port", "web"), "");
  await dhow(host, "rm", "web");
});

systemTest("UDP comes through, and so does its answer", async (host) => {
  await serve(host, "names", "-p", "5353:53/udp");
  const pid = await dhow(host, "inspect", "-f", "{{.State.Pid}}", "names");
  // a name server in the container's network
  await host.shell(
    `nsenter --net=/proc/${pid}/ns/net dnsmasq --conf-file=/dev/null --user=root --pid-file=/run/host/files/names \\
      --no-resolv --no-hosts --port=53 --address=/it.test/192.0.2.7`,
  );
  for (const server of ["127.0.0.1", HOST_ADDRESS]) {
    const found = await host.run(["busybox", "nslookup", "-port=5353", "-type=a", "it.test", server]);
    assertMatch(found.stdout, /192\.0\.2\.7/, found.stderr);
  }
  await host.shell("kill $(cat /run/host/files/names)");
  await dhow(host, "rm", "-f", "names");
});

/** Answers datagrams that come to port 53 with a name. */
const ANSWER = `
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
print("ready", flush=True)
while True:
    _, peer = server.recvfrom(100)
    server.sendto(sys.argv[1].encode(), peer)
`;

/** Asks with one socket, each time that it is told how many seconds to wait, and tells the answer, or that there is none. */
const KEEP_ASKING = `
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    client.settimeout(float(line))
    try:
        client.sendto(b"who", (sys.argv[1], 5353))
        print(client.recv(100).decode(), end=";", flush=True)
    except socket.timeout:
        print("nobody", end=";", flush=True)
`;

/** A client that keeps its own port, and with it its flow. */
class Client {
  #answers = 0;

  private constructor(readonly server: string, readonly process: RunningInHost) {}

  static start(host: Host, server: string): Client {
    return new Client(server, host.spawn(python(KEEP_ASKING, server)));
  }

  async asks(expected: string, when: string): Promise<void> {
    await this.process.write(expected === "nobody" ? "1\n" : "20\n");
    const all = await this.process.stdout.until(new RegExp(`^([^;]*;){${++this.#answers}}`));
    assertEquals(all[1], `${expected};`, `${when}, by ${this.server}`);
  }
}

const python = (script: string, ...args: string[]) => ["python3", "-c", script, ...args];

/** A server in a container's network. */
async function answering(host: Host, container: string) {
  const pid = await dhow(host, "inspect", "-f", "{{.State.Pid}}", container);
  const server = host.spawn(["nsenter", `--net=/proc/${pid}/ns/net`, ...python(ANSWER, container)]);
  await server.stdout.until(/ready/);
  return server;
}

systemTest(
  "a client of UDP that keeps its own port reaches whoever has the published port now, and nobody else",
  async (host) => {
    const archive = await busyboxArchive();
    const run = async (name: string, ...flags: string[]) =>
      await dhow(host, "run", "-d", "--name", name, ...flags, archive, "sleep", "1000");
    /** Where flows to that port go, as the kernel tells of them, where it does. */
    const flows = async () => {
      const text = await host.shell("cat /proc/net/nf_conntrack 2>/dev/null || true");
      return [...text.matchAll(/dst=(\S+) sport=\d+ dport=5353 /g)].map(([, address]) => address!);
    };
    // whose rules have the kernel track connections from now on
    await dhow(host, "network", "create", "two");
    await run("neighbour", "--network", "two");
    const clients = ["127.0.0.1", HOST_ADDRESS].map((server) => Client.start(host, server));
    const elsewhere = Client.start(host, WEB_ADDRESS);
    const ask = async (expected: string, when: string) => {
      for (const client of clients) await client.asks(expected, when);
    };
    try {
      await ask("nobody", "before there is a container");
      await run("first", "-p", "5353:53/udp");
      {
        await using _ = await answering(host, "first");
        await ask("first", "though they have begun before the container");
      }
      const address = await dhow(host, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "first");
      await dhow(host, "rm", "-f", "first");
      await run("heir", "--ip", address);
      {
        await using _ = await answering(host, "heir");
        await ask("nobody", "when another has the address");
      }
      await dhow(host, "rm", "-f", "heir");
      await run("second", "--network", "two", "-p", "5353:53/udp");
      {
        await using _ = await answering(host, "second");
        await ask("second", "after the first has gone");
        await dhow(host, "network", "connect", "bridge", "second");
        await dhow(host, "network", "disconnect", "two", "second");
        await ask("second", "when ports lead to it through another network");
        await host.shell("iptables -t nat -F");
        clients.push(Client.start(host, HOST_ADDRESS));
        await clients.at(-1)!.asks("nobody", "when somebody has flushed the rules");
        await dhow(host, "ps");
        await ask("second", "when they are back");
      }
      await elsewhere.asks("nobody", "it only has a flow to that port");
      const before = await flows();
      await dhow(host, "network", "disconnect", "bridge", "second");
      // those to other hosts are nobody's business
      assertEquals(await flows(), before.filter((address) => address === WEB_ADDRESS));
      await dhow(host, "rm", "-f", "second", "neighbour");
    } finally {
      for (const { process } of [...clients, elsewhere]) await process[Symbol.asyncDispose]();
    }
    await dhow(host, "network", "rm", "two");
  },
);

systemTest("a port that is bound to an address is not reached by another", async (host) => {
  await serve(host, "web", "-p", "127.0.0.1:8080:80");
  await eventually(async () => assertEquals((await host.run(get("http://127.0.0.1:8080/"))).stdout, "web\n"));
  assert((await host.run(get(`http://${HOST_ADDRESS}:8080/`))).code !== 0);
  assert((await outside(host, ...get(`http://${HOST_ADDRESS}:8080/`))).code !== 0);
  const missing = await host.dhow(["run", "-p", "203.0.113.9:80:80", await busyboxArchive(), "true"]);
  assertFailure(missing, 125, /cannot publish 203\.0\.113\.9:80\/tcp/, /EADDRNOTAVAIL/, /one of the host's/);
  await dhow(host, "rm", "-f", "web");
});

systemTest("a port that somebody has is a clear error, before anything is made", async (host) => {
  const archive = await busyboxArchive();
  await using program = host.spawn(["busybox", "nc", "-l", "-p", "8080"]);
  await eventually(async () =>
    assertMatch(await host.shell("cat /proc/net/tcp /proc/net/tcp6"), /:1F90 [0:]+ 0A/)
  );
  const run = (...flags: string[]) => host.dhow(["run", ...flags, archive, "true"]);
  assertFailure(
    await run("-p", "8080:80"),
    125,
    /Bind for 0\.0\.0\.0:8080\/tcp failed/,
    /address already in use: a program of the host/,
  );
  assertFailure(await run("-d", "-p", "127.0.0.1:8080:80"), 125, /address already in use/);
  await serve(host, "web", "-p", "8081:80");
  assertFailure(await run("-p", "8081:80"), 125, /port is already allocated: another container/);
  assertFailure(await run("-p", "127.0.0.1:8081:80"), 125, /port is already allocated/);
  assertSuccess(await run("-p", "8081:80/udp")); // that is another one
  // a program of the host cannot take it either, as long as the container lives
  const late = await host.run(["busybox", "nc", "-l", "-p", "8081"]);
  assertMatch(late.stderr, /Address already in use/);
  await dhow(host, "rm", "-f", "web");
  assertSuccess(await run("-p", "8081:80"));
  await program.kill("SIGKILL");
});

systemTest(
  "a free port is chosen for 0, for none, for a range, and for all that are exposed",
  async (host) => {
    await serve(host, "web", "-p", "80", "-p", "0:81", "-p", "8000-8003:82", "-P", "--expose", "90-91");
    const ports = await dhow(host, "port", "web");
    assertMatch(ports, /^80\/tcp -> 0\.0\.0\.0:\d{4,5}$/m);
    assertMatch(ports, /^81\/tcp -> 0\.0\.0\.0:\d{4,5}$/m);
    assertMatch(ports, /^82\/tcp -> 0\.0\.0\.0:8000$/m);
    assertMatch(ports, /^90\/tcp -> 0\.0\.0\.0:\d{4,5}\n91\/tcp -> 0\.0\.0\.0:\d{4,5}$/m);
    await serve(host, "next", "-p", "8000-8003:82");
    assertEquals(await dhow(host, "port", "next"), "82/tcp -> 0.0.0.0:8001");
    await dhow(host, "rm", "-f", "web", "next");
  },
);

systemTest(
  "ports come back with a restart, and after somebody else's flush with the next command",
  async (host) => {
    await serve(host, "web", "-p", "8080:80");
    const answers = () =>
      eventually(async () => assertEquals((await host.run(get("http://127.0.0.1:8080/"))).stdout, "web\n"));
    await answers();
    await dhow(host, "restart", "-t", "0", "web");
    await answers();
    await host.shell("iptables -t nat -F; iptables -F; iptables -t nat -X; iptables -X");
    await dhow(host, "ps");
    await answers();
    assertEquals((await outside(host, ...get(`http://${HOST_ADDRESS}:8080/`))).stdout, "web\n");
    await dhow(host, "rm", "-f", "web");
  },
);

systemTest("a rule that somebody has changed into another keeps no container from its end", async (host) => {
  await serve(host, "one", "-p", "8080:80");
  await serve(host, "two", "-p", "8081:80");
  const rules = () => host.shell("iptables -t nat -S DHOW-dhow0-PORTS");
  const other = "-p tcp -m tcp --dport 9 -j DNAT --to-destination 192.0.2.1:9";
  await host.shell(`iptables -t nat -R DHOW-dhow0-PORTS 1 ${other}`);
  await dhow(host, "rm", "-f", "one");
  const left = await rules();
  assertEquals(left.match(/--dport \d+/g), ["--dport 8081"], left);
  await eventually(async () => assertEquals((await host.run(get("http://127.0.0.1:8081/"))).stdout, "two\n"));
  await dhow(host, "rm", "-f", "two");
});

systemTest("IPv6 ports lead into networks with IPv6", async (host) => {
  await host.shell("ip -6 addr add 2001:db8::1/128 dev lo nodad");
  await dhow(host, "network", "create", "--ipv6", "--subnet", "fd00:6::/64", "six");
  const command = "echo six >/tmp/index.html; httpd -p [::]:80 -h /tmp; exec sleep 1000";
  await dhow(
    host,
    ...[
      "run",
      "-d",
      "--name",
      "web",
      "--network",
      "six",
      "-p",
      "8080:80",
      await busyboxArchive(),
      "sh",
      "-c",
      command,
    ],
  );
  for (const address of ["[2001:db8::1]", "[fd00:6::1]", "127.0.0.1"]) {
    await eventually(async () =>
      assertEquals((await host.run(get(`http://${address}:8080/`))).stdout, "six\n", address)
    );
  }
  const plain = await host.dhow(["run", "-p", "[2001:db8::1]:81:80", await busyboxArchive(), "true"]);
  assertFailure(plain, 125, /the container has no IPv6 address/);
  await dhow(host, "rm", "-f", "web");
  await dhow(host, "network", "rm", "six");
  await host.shell("ip -6 addr del 2001:db8::1/128 dev lo");
});

systemTest("a network that leads nowhere publishes nothing, and dhow says so", async (host) => {
  await dhow(host, "network", "create", "--internal", "inside");
  const output = await host.dhow(
    ["run", "--network", "inside", "-p", "8080:80", await busyboxArchive(), "true"],
  );
  assertEquals(output.code, 0);
  assertMatch(output.stderr, /no port is published/);
  await dhow(host, "network", "rm", "inside");
});

systemTest("ports go with their container from network to network, and lead to nobody else", async (host) => {
  await dhow(host, "network", "create", "one");
  await dhow(host, "network", "create", "two");
  await serve(host, "web", "--network", "one", "-p", "8080:80");
  const answer = async () => (await host.run(get("http://127.0.0.1:8080/"))).stdout;
  await eventually(async () => assertEquals(await answer(), "web\n"));
  await dhow(host, "network", "connect", "two", "web");
  assertEquals(await answer(), "web\n");
  await dhow(host, "network", "disconnect", "one", "web");
  assertEquals(await answer(), "web\n");
  const rules = await host.shell("iptables-save | grep -e '-j DNAT'");
  assertEquals(rules.trim().split("\n").length, 1, rules);
  // the way through its own bridge, too
  assertEquals(await dhow(host, "exec", "web", "wget", "-qO-", `http://${HOST_ADDRESS}:8080/`), "web");
  await dhow(host, "rm", "-f", "web");
  await dhow(host, "network", "rm", "one", "two");
});

systemTest("what an image says of its ports is no text for the host's firewall", async (host) => {
  const hostile = "80/tcp --dport 1 -j RETURN\n-I PREROUTING -j ACCEPT\n-A DHOW -p tcp";
  const image = await host.write("image.tar", busyboxWith({ ExposedPorts: { [hostile]: {} } }));
  const before = await host.shell("iptables-save");
  const output = await host.dhow(["run", "-P", image, "true"]);
  assertFailure(output, 125, /cannot publish all ports/, /the image exposes ".*", which is no port/);
  assertEquals(await host.shell("iptables-save"), before);
});
