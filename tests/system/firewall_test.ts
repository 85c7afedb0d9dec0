import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { onlyNft } from "../support/firewalls.ts";
import { type Host, HOST_ADDRESS, WEB_NAME } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

/** What docker and ufw leave in a host's tables, in short. */
const FOREIGN_RULES = `*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:ufw-before-forward - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth0 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -j ufw-before-forward
-A FORWARD -m comment --comment "with  spaces" -j LOG
-A DOCKER-USER -j RETURN
-A ufw-before-forward -s 192.0.2.0/24 -j REJECT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
`;

async function savedRules(host: Host): Promise<string[]> {
  const saved = await host.succeed(["iptables-save"]);
  return saved.split("\n").filter((line) => /^[:*-]/.test(line)).map((line) => line.replace(/ \[.*/, ""));
}

const isForeign = (line: string) => !/dhow/i.test(line);

async function whoAsks(host: Host): Promise<string> {
  const output = await host.dhow([
    "run",
    await busyboxArchive(),
    "wget",
    "-qO-",
    `http://${WEB_NAME}/cgi-bin/address`,
  ]);
  assertSuccess(output);
  return output.stdout;
}

systemTest(
  "with the policy DROP of FORWARD, and docker's and ufw's rules, containers reach the internet",
  async (host) => {
    await host.succeed(["iptables-restore"], { stdin: FOREIGN_RULES });
    assertEquals(await whoAsks(host), `${HOST_ADDRESS}\n`);
    await host.shell(
      "iptables -P FORWARD ACCEPT; iptables -P INPUT ACCEPT; iptables -F; iptables -X; iptables -t nat -F; iptables -t nat -X; iptables -t mangle -F",
    );
  },
);

systemTest(
  "foreign rules stay as they are, in their order, while a container runs and afterwards",
  async (host) => {
    await host.succeed(["iptables-restore"], { stdin: FOREIGN_RULES });
    const before = await savedRules(host);
    await using running = host.spawnDhow(["run", "-i", await busyboxArchive(), "sh", "-c", "echo up; cat"]);
    await running.stdout.until(/up/);
    const during = await savedRules(host);
    assertEquals(during.filter(isForeign), before);
    assertEquals(during.length > before.length, true, "dhow has rules of its own");
    await running.output();
    await host.shell(
      "iptables -P FORWARD ACCEPT; iptables -P INPUT ACCEPT; iptables -F; iptables -X; iptables -t nat -F; iptables -t nat -X; iptables -t mangle -F",
    );
  },
);

systemTest("dhow's rules are in chains of its own, made once for all containers", async (host) => {
  const archive = await busyboxArchive();
  await using one = host.spawnDhow(["run", "-i", archive, "sh", "-c", "echo up; cat"]);
  await one.stdout.until(/up/);
  const rules = await savedRules(host);
  for (const line of rules.filter((line) => line.startsWith("-A") && !isForeign(line))) {
    assertMatch(line, /^-A DHOW-\S+ |^-A (FORWARD|INPUT|OUTPUT|PREROUTING|POSTROUTING) .*-j DHOW-\S+$/);
  }
  await using other = host.spawnDhow(["run", "-i", archive, "sh", "-c", "echo up; cat"]);
  await other.stdout.until(/up/);
  assertEquals(await savedRules(host), rules);
  await Promise.all([one.output(), other.output()]);
});

systemTest(
  "rules that somebody flushed do not hinder the network's end, and the next one has them again",
  async (host) => {
    const archive = await busyboxArchive();
    await using running = host.spawnDhow(["run", "-i", archive, "sh", "-c", "echo up; cat"]);
    await running.stdout.until(/up/);
    await host.shell("for table in mangle filter nat; do iptables -t $table -F; iptables -t $table -X; done");
    await running.output();
    await eventually(async () =>
      assertEquals((await host.shell("ls /sys/class/net")).includes("dhow0"), false)
    );
    assertEquals(await whoAsks(host), `${HOST_ADDRESS}\n`);
  },
);

systemTest("a bridge that somebody deleted is made anew for the next container", async (host) => {
  const archive = await busyboxArchive();
  await using running = host.spawnDhow(["run", "-i", archive, "sh", "-c", "echo up; cat"]);
  await running.stdout.until(/up/);
  await host.shell("ip link delete dhow0");
  await running.output();
  assertEquals(await whoAsks(host), `${HOST_ADDRESS}\n`);
});

systemTest(
  "rules that somebody flushed are put back by whatever command of dhow's comes next",
  async (host) => {
    const archive = await busyboxArchive();
    await using running = host.spawnDhow(["run", "-i", archive, "sh", "-c", "echo up; cat"]);
    await running.stdout.until(/up/);
    const made = await savedRules(host);
    await host.shell("for table in mangle filter nat; do iptables -t $table -F; iptables -t $table -X; done");
    assertEquals((await savedRules(host)).filter((line) => !isForeign(line)), []);
    const output = await host.dhow(["ps", "-q"]);
    assertEquals([output.code, output.stderr], [0, ""]);
    assertEquals(await savedRules(host), made);
    await running.output();
  },
);

systemTest("reload puts back all that somebody has taken away under a container", async (host) => {
  const archive = await busyboxArchive();
  const ask = `wget -qO- http://${WEB_NAME}/cgi-bin/address`;
  const script = `echo up; while read -r line; do ${ask} || echo none; done`;
  await using running = host.spawnDhow(["run", "-i", archive, "sh", "-c", script]);
  await running.stdout.until(/up/);
  const made = await savedRules(host);
  await host.shell(`
    iptables -t nat -F
    ip link delete dhow0
    echo 0 >/proc/sys/net/ipv4/ip_forward
  `);
  const reload = await host.dhow(["network", "reload"]);
  assertEquals([reload.code, reload.stdout, reload.stderr], [0, "bridge\n", ""]);
  assertEquals(await savedRules(host), made);
  await running.write("\n");
  await running.stdout.until(new RegExp(`^${HOST_ADDRESS.replaceAll(".", "\\.")}\n`, "m"));
  await running.output();
});

systemTest("reload has nothing to do where no network is in use", async (host) => {
  const reload = await host.dhow(["network", "reload"]);
  assertEquals([reload.code, reload.stdout, reload.stderr], [0, "", ""]);
  assertFailure(await host.dhow(["network", "reload", "bridge"]), 1, /takes no arguments/);
});

systemTest(
  "a host without iptables, but with nft: containers reach the internet, and nothing is left of that",
  async (host) => {
    assertEquals(await whoAsks(host), `${HOST_ADDRESS}\n`);
    await using running = host.spawnDhow(["run", "-i", await busyboxArchive(), "sh", "-c", "echo up; cat"]);
    await running.stdout.until(/up/);
    assertEquals(await host.shell("nft list tables"), "table ip dhow0\n");
    await host.shell("nft flush ruleset");
    await host.dhow(["ps"]);
    assertEquals(await host.shell("nft list tables"), "table ip dhow0\n");
    await running.output();
    await eventually(async () => assertEquals(await host.shell("nft list tables"), ""));
  },
  onlyNft,
);

systemTest("a host without iptables, but with nft: the explained script does the same", async (host) => {
  const command = ["run", await busyboxArchive(), "wget", "-qO-", `http://${WEB_NAME}/cgi-bin/address`];
  const explained = await host.dhow(["explain", ...command]);
  assertSuccess(explained);
  const script = await host.write("explained.sh", explained.stdout);
  const byHand = await host.run(["sh", script]);
  assertEquals([byHand.code, byHand.stdout, byHand.stderr], [0, `${HOST_ADDRESS}\n`, ""]);
}, onlyNft);

systemTest("a bridge named dhow0 that is not dhow's is left alone", async (host) => {
  await host.shell("ip link add dhow0 type bridge; ip addr add 192.0.2.1/24 dev dhow0; ip link set dhow0 up");
  assertEquals(await whoAsks(host), `${HOST_ADDRESS}\n`);
  assertMatch(await host.shell("ip addr show dhow0"), /inet 192\.0\.2\.1\/24/);
  await host.shell("ip link delete dhow0");
});

systemTest("forwarding is switched on while it is needed, and off again", async (host) => {
  const forward = async () => (await host.shell("cat /proc/sys/net/ipv4/ip_forward")).trim();
  assertEquals(await forward(), "0");
  await using running = host.spawnDhow(["run", "-i", await busyboxArchive(), "sh", "-c", "echo up; cat"]);
  await running.stdout.until(/up/);
  assertEquals(await forward(), "1");
  await running.output(); // and off again, as after every test
});

systemTest("forwarding that was on stays on", async (host) => {
  await host.shell("echo 1 >/proc/sys/net/ipv4/ip_forward");
  assertEquals(await whoAsks(host), `${HOST_ADDRESS}\n`);
  await host.dhow(["recover"]);
  assertEquals(await host.shell("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
  await eventually(async () =>
    assertEquals((await host.shell("ls /sys/class/net")).includes("dhow0"), false)
  );
  assertEquals(await host.shell("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
  await host.shell("echo 0 >/proc/sys/net/ipv4/ip_forward");
});
