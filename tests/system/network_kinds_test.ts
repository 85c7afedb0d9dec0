/** Networks that share a link of the host: macvlan and ipvlan. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { type Host, HOST_ADDRESS, WEB_ADDRESS } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { insideInternet } from "../support/internet.ts";
import { systemTest } from "../support/system_test.ts";

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

const start = async (host: Host, name: string, ...flags: string[]) =>
  await dhow(host, "run", "-d", "--name", name, ...flags, await busyboxArchive(), "sleep", "1000");

/** The network that the host is in. */
const LAN = ["--subnet", "198.51.100.0/24", "--gateway", "198.51.100.1"];

const create = (host: Host, driver: string, ...flags: string[]) =>
  dhow(host, "network", "create", "-d", driver, "-o", "parent=eth0", ...flags, "lan");

const seenAs = (host: Host, container: string) =>
  dhow(host, "exec", container, "wget", "-qO-", `http://${WEB_ADDRESS}/cgi-bin/address`);

const reaches = async (host: Host, container: string, address: string) =>
  (await host.dhow(["exec", container, "ping", "-c", "1", "-W", "2", address])).code === 0;

for (const [mode, reachEachOther] of [["bridge", true], ["private", false], ["vepa", false]] as const) {
  systemTest(
    `macvlan, ${mode}: containers reach out, and ${reachEachOther ? "" : "not "}each other`,
    async (host) => {
      await create(host, "macvlan", ...LAN, "-o", `macvlan_mode=${mode}`);
      await start(host, "one", "--network", "lan:ip=198.51.100.77,mac=02:00:00:00:00:77");
      await start(host, "two", "--network", "lan:ip=198.51.100.78");
      assertEquals(await seenAs(host, "one"), "198.51.100.77");
      assertEquals(await seenAs(host, "two"), "198.51.100.78");
      assertMatch(
        await dhow(host, "exec", "one", "ip", "link", "show", "eth0"),
        /link\/ether 02:00:00:00:00:77/,
      );
      assertEquals(await reaches(host, "one", "198.51.100.78"), reachEachOther);
      // the kernel keeps them from their host, in either direction
      assert(!await reaches(host, "one", HOST_ADDRESS));
      await dhow(host, "rm", "-f", "one", "two");
      await dhow(host, "network", "rm", "lan");
    },
  );
}

systemTest("macvlan, passthru: one container has the link, and a second is refused", async (host) => {
  await create(host, "macvlan", ...LAN, "-o", "mode=passthru");
  await start(host, "one", "--network", "lan:ip=198.51.100.77");
  assertEquals(await seenAs(host, "one"), "198.51.100.77");
  const second = await host.dhow(["run", "--network", "lan", await busyboxArchive(), "true"]);
  assertFailure(second, 125, /the host's link eth0/, /mode passthru" said: Invalid argument/);
  await dhow(host, "rm", "-f", "one");
  await dhow(host, "network", "rm", "lan");
});

systemTest(
  "macvlan with IPv6: a container is reached by the address that it has in each family",
  async (host) => {
    await insideInternet(host, "ip", "-6", "addr", "add", "2001:db8:5::1/64", "dev", "uplink", "nodad");
    await create(
      host,
      "macvlan",
      ...LAN,
      ...["--ipv6", "--subnet", "2001:db8:5::/64", "--gateway", "2001:db8:5::1"],
    );
    await start(host, "one", "--network", "lan:ip=198.51.100.77");
    assertEquals(
      await dhow(host, "inspect", "-f", "{{.NetworkSettings.Networks.lan.GlobalIPv6Address}}", "one"),
      "2001:db8:5::4d",
    );
    assertMatch(await dhow(host, "exec", "one", "ip", "-6", "route"), /^default via 2001:db8:5::1 dev eth0/m);
    // by another address of the router's: by its default route
    await insideInternet(host, "ip", "-6", "addr", "add", "2001:db8:9::1/128", "dev", "lo", "nodad");
    await dhow(host, "exec", "one", "ping", "-6", "-c", "1", "-W", "5", "2001:db8:9::1");
    await insideInternet(host, "busybox", "ping", "-6", "-c", "1", "-W", "5", "2001:db8:5::4d");
    await insideInternet(host, "busybox", "ping", "-c", "1", "-W", "5", "198.51.100.77");
    await dhow(host, "rm", "-f", "one");
    await dhow(host, "network", "rm", "lan");
  },
);

systemTest(
  "an internal macvlan network has no way out, and neighbours on the link all the same",
  async (host) => {
    await create(host, "macvlan", ...LAN, "--internal");
    await start(host, "one", "--network", "lan:ip=198.51.100.77");
    assertEquals(
      await dhow(host, "exec", "one", "ip", "route"),
      "198.51.100.0/24 dev eth0 scope link  src 198.51.100.77",
    );
    assert(await reaches(host, "one", "198.51.100.1"));
    assert(!await reaches(host, "one", WEB_ADDRESS));
    await dhow(host, "rm", "-f", "one");
    await dhow(host, "network", "rm", "lan");
  },
);

systemTest(
  "containers on macvlan find each other by their names, and others on bridges too",
  async (host) => {
    await create(host, "macvlan", ...LAN);
    await dhow(host, "network", "create", "--internal", "back");
    await start(host, "one", "--network", "lan:ip=198.51.100.77", "--network", "back");
    await start(host, "two", "--network", "lan:ip=198.51.100.78");
    await start(host, "behind", "--network", "back");
    for (const name of ["two", "behind"]) assert(await reaches(host, "one", name), name);
    assert(await reaches(host, "behind", "one"));
    assert(!await reaches(host, "behind", "two"));
    await dhow(host, "network", "disconnect", "lan", "one");
    assert(!await reaches(host, "one", "two"));
    assertEquals(await dhow(host, "exec", "one", "ls", "/sys/class/net"), "eth1\nlo");
    await dhow(host, "network", "connect", "--ip", "198.51.100.79", "lan", "one");
    assert(await reaches(host, "one", "two"));
    assert(await reaches(host, "two", "one"));
    assertEquals(await seenAs(host, "one"), "198.51.100.79");
    await dhow(host, "rm", "-f", "one", "two", "behind");
    await dhow(host, "network", "rm", "lan", "back");
  },
);

systemTest("ports of one that goes out by macvlan: dhow says who gets no answers", async (host) => {
  await create(host, "macvlan", ...LAN);
  const run = async (...flags: string[]) =>
    await host.dhow(["run", "-p", "8080:80", ...flags, await busyboxArchive(), "true"]);
  const alone = await run("--network", "lan");
  assertMatch(alone.stderr, /^dhow: warning: no port is published: none of the container's networks leads/);
  const away = await run("--network", "lan", "--network", "bridge");
  assertMatch(
    away.stderr,
    /^dhow: warning: ports lead into network bridge, .* way out is network lan: .*\n$/,
  );
  assertSuccess(await run("--network", "bridge", "--network", "lan"));
  await dhow(host, "network", "rm", "lan");
});

systemTest("a link that the network shares must be there, and be able to", async (host) => {
  const archive = await busyboxArchive();
  const run = () => host.dhow(["run", "--network", "lan", archive, "true"]);
  await host.shell("ip link add spare type veth peer name other");
  await dhow(
    host,
    "network",
    "create",
    "-d",
    "macvlan",
    "--subnet",
    "10.9.0.0/24",
    "-o",
    "parent=spare",
    "lan",
  );
  await host.shell("ip link add br0 type bridge; ip link set spare master br0");
  assertFailure(await run(), 125, /the host's link spare/, /said: Device or resource busy/);
  await host.shell("ip link delete br0; ip link delete spare");
  assertFailure(await run(), 125, /the host's link spare/, /said: Cannot find device "spare"/);
  await dhow(host, "network", "rm", "lan");
});

systemTest(
  "ipvlan: containers reach the network of the host and each other; or the kernel has none",
  async (host) => {
    const probe = await host.run("ip link add link eth0 name probe type ipvlan".split(" "));
    if (probe.code !== 0) {
      await create(host, "ipvlan", ...LAN);
      const archive = await busyboxArchive();
      const refusal = [/the host's link eth0: this kernel has no ipvlan/, /modprobe ipvlan/];
      assertFailure(await host.dhow(["run", "--network", "lan", archive, "true"]), 125, ...refusal);
      await start(host, "one", "--network", "bridge");
      assertFailure(await host.dhow(["network", "connect", "lan", "one"]), 1, ...refusal);
      await dhow(host, "rm", "-f", "one");
      await dhow(host, "network", "rm", "lan");
      return;
    }
    await host.shell("ip link delete probe");
    await create(host, "ipvlan", ...LAN);
    await start(host, "one", "--network", "lan:ip=198.51.100.77");
    await start(host, "two", "--network", "lan:ip=198.51.100.78");
    assertEquals([await seenAs(host, "one"), await seenAs(host, "two")], ["198.51.100.77", "198.51.100.78"]);
    assert(await reaches(host, "one", "two"));
    await dhow(host, "rm", "-f", "one", "two");
    await dhow(host, "network", "rm", "lan");
    // what is to reach another range must know the way to it
    await insideInternet(host, "ip", "route", "add", "10.44.0.0/24", "via", HOST_ADDRESS);
    await create(host, "ipvlan", "--subnet", "10.44.0.0/24", "-o", "ipvlan_mode=l3");
    await start(host, "one", "--network", "lan");
    await start(host, "two", "--network", "lan");
    assert(await reaches(host, "one", "two"));
    await eventually(async () => assertEquals(await seenAs(host, "one"), "10.44.0.2"));
    await dhow(host, "rm", "-f", "one", "two");
    await dhow(host, "network", "rm", "lan");
  },
);

systemTest("what macvlan and ipvlan cannot be made with is refused", async (host) => {
  const refused = async (driver: string, flags: string[], ...parts: RegExp[]) =>
    assertFailure(await host.dhow(["network", "create", "-d", driver, ...flags, "lan"]), 1, ...parts);
  const parent = ["-o", "parent=eth0"];
  await refused("macvlan", [], /needs a link of the host; write: --opt parent=LINK, one of eth0/);
  await refused("macvlan", ["--internal"], /needs a link of the host/);
  await refused("macvlan", ["-o", "parent=eth0.10"], /no link "eth0\.10"/, /type vlan id ID/);
  await refused("macvlan", ["-o", "parent=eth0;reboot"], /no name of a link/);
  await refused("macvlan", [...parent, "-o", "mode=l2"], /takes bridge, vepa, private, passthru/);
  await refused("ipvlan", [...parent, "-o", "ipvlan_mode=bridge"], /takes l2, l3, l3s/);
  await refused("ipvlan", [...parent, "-o", "macvlan_mode=bridge"], /no --opt macvlan_mode/);
  await refused("bridge", parent, /a bridge network has no --opt parent/);
});
