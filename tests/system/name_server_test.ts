// A container's name server, with the programs that ask it: what answers are is in tests/unit/plan/names.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { addressRecord, DnsServer, response } from "../support/dns.ts";
import { eventually } from "../support/eventually.ts";
import { NamedContainer } from "../support/named_container.ts";
import { run, Running } from "../support/process.ts";
import { skip } from "../support/system_test.ts";
import type { NamedEndpoint } from "../../src/network/names/zone.ts";

function rootTest(name: string, test: () => Promise<void>): void {
  Deno.test(name, () => Deno.uid() === 0 ? test() : skip(name, "needs root"));
}

const ENDPOINTS: readonly NamedEndpoint[] = [
  { names: ["web", "www"], address: "100.100.1.5", address6: "fd00::5" },
  { names: ["db"], address: "100.100.1.6" },
];

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const ANSWER = (asked: Uint8Array) => response(asked, 0, addressRecord("192.0.2.7"), 1);

rootTest("dig, nslookup and glibc find containers, by names in both directions and by TCP", async () => {
  await using container = await NamedContainer.start({ endpoints: ENDPOINTS });
  assertEquals(await container.dig("WEB"), ["100.100.1.5"]);
  assertEquals(await container.dig("www.net", "AAAA"), ["fd00::5"]);
  assertEquals(await container.dig("+tcp", "db"), ["100.100.1.6"]);
  assertEquals(await container.dig("-x", "100.100.1.5"), ["web.net."]);
  const { stdout: whole } = await container.run("dig", "@127.0.0.11", "db");
  assertMatch(whole, /status: NOERROR, id: \d+\n;; flags: qr rd ra; QUERY: 1, ANSWER: 1/);
  assertMatch(whole, /EDNS: version: 0/);
  assertMatch((await container.run("busybox", "nslookup", "web")).stdout, /Address: 100\.100\.1\.5\n/);
  assertMatch((await container.run("getent", "ahostsv4", "www")).stdout, /^100\.100\.1\.5 +STREAM www\n/);
  assertMatch((await container.run("getent", "ahosts", "web")).stdout, /fd00::5 +STREAM/);
  assertMatch((await container.run("getent", "hosts", "100.100.1.6")).stdout, /^100\.100\.1\.6 +db\.net\n/);
});

rootTest("the host's server on its loopback answers the container, also by TCP", async () => {
  await using upstream = await DnsServer.start(ANSWER);
  const servers = [{ address: LOOPBACK, port: upstream.port, scope: 0 }];
  await using container = await NamedContainer.start({ endpoints: ENDPOINTS, servers });
  assertEquals(await container.dig("example.com"), ["192.0.2.7"]);
  assertEquals(await container.dig("+tcp", "example.com"), ["192.0.2.7"]);
  assertEquals(await container.dig("web"), ["100.100.1.5"]);
  assertEquals(upstream.asked.length, 2);
});

rootTest("a server of the container's own has port 53, and is asked where --dns says so", async () => {
  const servers = [{ address: LOOPBACK, port: 53, scope: 0 }];
  await using container = await NamedContainer.start({
    endpoints: ENDPOINTS,
    servers,
    asksFrom: "container",
  });
  const records = ["--address=/own.test/192.0.2.8", "--port=53", "--no-daemon"];
  const dnsmasq = [
    "dnsmasq",
    "--conf-file=/dev/null",
    "--user=root",
    "--pid-file=",
    "--no-resolv",
    "--no-hosts",
  ];
  // not bound to addresses: it has 0.0.0.0:53
  await using own = new Running(container.enter(...dnsmasq, ...records));
  await own.stderr.until(/started/);
  const { stdout } = await container.run("dig", "+short", "@127.0.0.1", "own.test");
  assertEquals(stdout, "192.0.2.8\n");
  assertEquals(await container.dig("own.test"), ["192.0.2.8"]);
  assertEquals(await container.dig("web"), ["100.100.1.5"]);
  assertEquals(await container.dig("+tcp", "own.test"), ["192.0.2.8"]);
});

rootTest("dnsmasq answers large questions whole by TCP, after it was told that they are", async () => {
  const servers = [{ address: LOOPBACK, port: 53, scope: 0 }];
  await using container = await NamedContainer.start({ servers, asksFrom: "container" });
  const addresses = Array.from({ length: 120 }, (_, index) => `10.0.0.${index + 1}`);
  const records = addresses.map((address) => `--host-record=many.test,${address}`);
  const options = ["--conf-file=/dev/null", "--user=root", "--pid-file=", "--no-resolv", "--no-hosts"];
  await using own = new Running(container.enter("dnsmasq", "--no-daemon", ...options, ...records));
  await own.stderr.until(/started/);
  const short = await container.run("dig", "+ignore", "+noedns", "@127.0.0.11", "many.test");
  assertMatch(short.stdout, /flags: qr aa tc rd ra/);
  assertEquals((await container.dig("+noedns", "many.test")).sort(), [...addresses].sort());
});

rootTest("it leaves no rule and no visible port 53, is nobody, and sees only the zones", async () => {
  await using container = await NamedContainer.start({ endpoints: ENDPOINTS });
  const proc = `/proc/${container.server.pid}`;
  const status = Deno.readTextFileSync(`${proc}/status`);
  assertMatch(status, /^Name:\tdhow-names$/m);
  assertMatch(status, /^Uid:(\t65534){4}$/m);
  assertMatch(status, /^Gid:(\t65534){4}$/m);
  assertMatch(status, /^Groups:\t *$/m);
  assertMatch(status, /^NoNewPrivs:\t1$/m);
  for (const set of ["CapPrm", "CapEff", "CapInh", "CapAmb"]) {
    assertMatch(status, new RegExp(`^${set}:\t0+$`, "m"));
  }
  assertEquals(Deno.readLinkSync(`${proc}/root`), container.names);
  assertEquals(Deno.readLinkSync(`${proc}/cwd`), container.names);
  const rules = await container.run("iptables-save");
  assertEquals(rules.stdout.split("\n").filter((line) => line.startsWith("-A")), []);
  const sockets = await container.run("ss", "-Htuln");
  assertMatch(sockets.stdout, /127\.0\.0\.11:\d+/);
  assert(!/:53\b/.test(sockets.stdout), sockets.stdout);
});

/** What a process has for itself (proc(5), /proc/PID/smaps_rollup), in KiB. */
function privateMemory(pid: number): number {
  const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  return ["Private_Clean", "Private_Dirty"].reduce(
    (sum, field) => sum + Number(new RegExp(`^${field}: +(\\d+) kB`, "m").exec(rollup)?.[1]),
    0,
  );
}

rootTest(
  "it takes less than 64 KiB of memory for itself, before and after thousands of questions",
  async () => {
    await using upstream = await DnsServer.start(ANSWER);
    const servers = [{ address: LOOPBACK, port: upstream.port, scope: 0 }];
    await using container = await NamedContainer.start({ endpoints: ENDPOINTS, servers });
    const { pid } = container.server;
    const descriptors = () => [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => name).sort();
    const opened = descriptors();
    const before = privateMemory(pid);
    assert(before > 0 && before < 64, `${before} KiB`);
    const file = `${container.folder}/questions`;
    const questions = Array.from(
      { length: 3000 },
      (_, index) => index % 2 === 0 ? "web" : `n${index}.example`,
    );
    Deno.writeTextFileSync(
      file,
      questions.map((name) => `${name} A\n`).join(""),
    );
    const { stdout } = await container.run("dig", "+short", "@127.0.0.11", "-f", file);
    assertEquals(stdout.trim().split("\n").length, questions.length);
    const after = privateMemory(pid);
    assert(after < 64, `${after} KiB, and ${before} before`);
    assertEquals(descriptors(), opened);
  },
);

rootTest("it ends with the container, whoever has started it", async () => {
  const container = await NamedContainer.start({ endpoints: ENDPOINTS });
  // a client that keeps its connection busy until the other side ends it
  const script = `import socket
connection = socket.create_connection(("127.0.0.11", 53))
query = bytes.fromhex("001c1234010000010000000000000377656200" + "00010001")
query = len(query[2:]).to_bytes(2, "big") + query[2:]
try:
    connection.sendall(query)
    while connection.recv(512):
        print("answered", flush=True)
        connection.sendall(query)
except ConnectionError: pass`;
  await using client = new Running(container.enter("python3", "-c", script));
  await client.stdout.until(/answered/);
  await container[Symbol.asyncDispose](); // waits for the server's end
  assertEquals((await client.output()).code, 0);
});

rootTest(
  "connections: eight at once, one more is closed, and the next is taken when one has ended",
  async () => {
    await using container = await NamedContainer.start({ endpoints: ENDPOINTS });
    const script = `import socket
held = [socket.create_connection(("127.0.0.11", 53)) for _ in range(8)]
query = bytes.fromhex("001c1234010000010000000000000377656200" + "00010001")
query = len(query[2:]).to_bytes(2, "big") + query[2:]
def ask(connection):
    try:
        connection.sendall(query)
        return len(connection.recv(512))
    except ConnectionError:
        return 0
print([ask(each) > 0 for each in held])
print(ask(socket.create_connection(("127.0.0.11", 53))))
held.pop().close()
while not ask(socket.create_connection(("127.0.0.11", 53))): pass
print("taken")`;
    const { stdout, stderr } = await container.run("python3", "-c", script);
    assertEquals(stdout, `[${Array(8).fill("True").join(", ")}]\n0\ntaken\n`, stderr);
  },
);

rootTest("it rests when somebody in the container ends its socket for connections", async () => {
  await using container = await NamedContainer.start({ endpoints: ENDPOINTS });
  // CAP_NET_ADMIN may, by sock_diag(7)
  const { stdout } = await container.run("ss", "--kill", "-Htl");
  assertMatch(stdout, /127\.0\.0\.11:\d+/);
  await eventually(() => {
    const state = /\) (.)/.exec(Deno.readTextFileSync(`/proc/${container.server.pid}/stat`))?.[1];
    assertEquals(state, "S", "it does not wait for anything");
  });
  assertEquals(await container.dig("web"), ["100.100.1.5"]);
});

rootTest("it may be started before the container's loopback is up", async () => {
  await using container = await NamedContainer.start({ endpoints: ENDPOINTS, hasLoopback: false });
  await container.run("ip", "link", "set", "lo", "up");
  assertEquals(await container.dig("web"), ["100.100.1.5"]);
  assertEquals(await container.dig("+tcp", "web"), ["100.100.1.5"]);
});

rootTest("a container with ids of its own has one, too", async () => {
  const namespaces = ["--user", "--map-root-user"];
  await using container = await NamedContainer.start({ endpoints: ENDPOINTS, namespaces });
  assertEquals(await container.dig("web"), ["100.100.1.5"]);
});

rootTest("where the kernel leads no packets to it, it takes port 53 of its address itself", async () => {
  // in a user namespace nobody may load such a program
  const script = new URL("../support/name_server_unprivileged.ts", import.meta.url).pathname;
  const deno = [Deno.execPath(), "run", "--no-check", "--allow-all", script];
  const { code, stdout, stderr } = await run(
    ["unshare", "--user", "--map-root-user", "--net", "--mount", ...deno],
    { env: { DENO_DIR: Deno.env.get("DENO_DIR") ?? "" } },
  );
  assertEquals(
    [code, stdout],
    [0, "100.100.1.5\n100.100.1.5\ntcp 127.0.0.11:53\nudp 127.0.0.11:53\n"],
    stderr,
  );
});
