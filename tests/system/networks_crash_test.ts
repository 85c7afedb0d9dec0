import { assert, assertEquals } from "@std/assert";
import type { Host } from "../support/host.ts";
import { eventually } from "../support/eventually.ts";
import { busyboxArchive } from "../support/images.ts";
import {
  asBefore,
  dhow,
  isConsistent,
  isWholeOrGone,
  killEverywhere,
  networkSnapshot,
  resolve,
  serving,
  start,
} from "../support/network_crash.ts";
import { systemTest } from "../support/system_test.ts";

const exists = async (host: Host, network: string) =>
  (await host.dhow(["network", "inspect", network])).code === 0;

systemTest("a network create that is killed after any step has made the network, or not", async (host) => {
  const before = await networkSnapshot(host);
  await killEverywhere(host, ["network", "create", "--ipv6", "--label", "a=b", "it"], 1, {
    check: async (when) => {
      if (await exists(host, "it")) {
        await dhow(
          host,
          "run",
          "--network",
          "it",
          await busyboxArchive(),
          "ping",
          "-c1",
          "-W5",
          "198.51.100.2",
        );
        await dhow(host, "network", "rm", "it");
      }
      await dhow(host, "network", "create", "--ipv6", "it");
      await dhow(host, "network", "rm", "it");
      await asBefore(host, before, when);
    },
  });
});

systemTest(
  "a network connect that is killed after any step leaves the container connected or not",
  async (host) => {
    await dhow(host, "network", "create", "two");
    await start(host, "it", "--network", "none");
    const before = await networkSnapshot(host);
    await killEverywhere(host, ["network", "connect", "two", "it"], 5, {
      check: async (when) => {
        await isConsistent(host, "it", when);
        await host.dhow(["network", "disconnect", "-f", "two", "it"]);
        await dhow(host, "recover");
        await host.dhow(["network", "rm", "two"]);
        await dhow(host, "network", "create", "two");
        // its name server stays with the container
        await asBefore(host, before, when, ["layers", "processes", "files"]);
      },
    });
    await dhow(host, "rm", "-f", "it");
    await dhow(host, "network", "rm", "two");
  },
);

systemTest("a network disconnect that is killed after any step is done by the next command", async (host) => {
  await dhow(host, "network", "create", "two");
  await start(host, "it", "--network", "bridge", "--network", "two");
  await killEverywhere(host, ["network", "disconnect", "bridge", "it"], 5, {
    prepare: async () => {
      const networks = await dhow(host, "inspect", "-f", "{{json .NetworkSettings.Networks}}", "it");
      if (!networks.includes('"bridge"')) await dhow(host, "network", "connect", "bridge", "it");
    },
    check: async (when) => {
      await isConsistent(host, "it", when);
      if ((await dhow(host, "ps", "--format", "{{.Networks}}")) === "two") {
        assert((await dhow(host, "exec", "it", "ip", "route")).includes("default via"), when);
      }
    },
  });
  await dhow(host, "rm", "-f", "it");
  await dhow(host, "network", "rm", "two");
});

systemTest(
  "a connect to macvlan, and a disconnect, that are killed after any step leave the container in it or not",
  async (host) => {
    const flags = ["--opt", "parent=eth0", "--subnet", "198.51.100.0/24", "--gateway", "198.51.100.1"];
    await dhow(host, "network", "create", "-d", "macvlan", ...flags, "--ip-range", "198.51.100.64/26", "two");
    await start(host, "it", "--network", "none");
    const before = await networkSnapshot(host);
    for (const verb of ["connect", "disconnect"] as const) {
      await killEverywhere(host, ["network", verb, "two", "it"], 5, {
        prepare: async () => {
          if (verb === "disconnect") await dhow(host, "network", "connect", "two", "it");
        },
        check: async (when) => {
          await isConsistent(host, "it", when);
          await dhow(host, "network", "disconnect", "-f", "two", "it");
          await isConsistent(host, "it", when);
          await asBefore(host, before, when, ["layers", "processes", "files"]);
        },
      });
    }
    await dhow(host, "rm", "-f", "it");
    await dhow(host, "network", "rm", "two");
  },
);

systemTest("a network rm that is killed after any step leaves nothing on the host", async (host) => {
  const before = await networkSnapshot(host);
  await killEverywhere(host, ["network", "rm", "it"], 2, {
    prepare: async () => {
      if (!await exists(host, "it")) await dhow(host, "network", "create", "--ipv6", "it");
      // its bridge waits a little for others
      await dhow(host, "run", "--network", "it", await busyboxArchive(), "true");
    },
    check: async (when) => {
      await host.dhow(["network", "rm", "it"]);
      await asBefore(host, before, when);
    },
  });
});

systemTest(
  "a network prune that is killed after any step has removed networks wholly, or not at all",
  async (host) => {
    await dhow(host, "network", "create", "used");
    await start(host, "neighbour", "--network", "used");
    const before = await networkSnapshot(host);
    await killEverywhere(host, ["network", "prune", "-f"], 4, {
      prepare: async () => {
        for (const name of ["one", "two"]) {
          if (!await exists(host, name)) await dhow(host, "network", "create", name);
        }
        // the bridges wait a little for others
        await dhow(host, "run", "--network", "one", "--network", "two", await busyboxArchive(), "true");
      },
      check: async (when) => {
        for (const name of ["one", "two"]) {
          if (!await exists(host, name)) continue;
          await dhow(host, "run", "--network", name, await busyboxArchive(), "true");
        }
        await isConsistent(host, "neighbour", when);
        await dhow(host, "network", "prune", "-f");
        assertEquals([await exists(host, "one"), await exists(host, "two")], [false, false], when);
        await asBefore(host, before, when);
      },
    });
    await dhow(host, "rm", "-f", "neighbour");
    await dhow(host, "network", "rm", "used");
  },
);

systemTest(
  "a network reload that is killed after any step is done by the next, and all works again",
  async (host) => {
    await dhow(host, "network", "create", "two");
    await dhow(host, "network", "create", "--ipv6", "three");
    await start(host, "neighbour", "--network", "two", "--network", "three");
    await dhow(host, "run", "-d", ...await serving("it", "--network", "two", "--network", "three"));
    const bridges = (await host.shell("ip -br link show type bridge | cut -d' ' -f1")).trim().split("\n");
    const before = await networkSnapshot(host);
    await killEverywhere(host, ["network", "reload"], 4, {
      prepare: () =>
        host.shell(`
          iptables -t nat -F DHOW-${bridges[0]}-PORTS
          iptables -F FORWARD
          for bridge in ${bridges.join(" ")}; do ip link delete "$bridge"; done
          echo 0 >/proc/sys/net/ipv4/ip_forward
        `),
      check: async (when) => {
        await dhow(host, "network", "reload");
        assert(await isWholeOrGone(host, "it", "two", "neighbour", when), when);
        await asBefore(host, before, when);
      },
    });
    await dhow(host, "rm", "-f", "it", "neighbour");
    await dhow(host, "network", "rm", "two", "three");
  },
);

systemTest("a run in two networks that is killed after any step leaves nothing", async (host) => {
  await dhow(host, "network", "create", "one");
  await dhow(host, "network", "create", "--ipv6", "two");
  const before = await networkSnapshot(host);
  const flags = ["-p", "127.0.0.1:8080:80", "-p", "5353:53/udp", "--network", "one", "--network", "two"];
  await killEverywhere(host, ["run", ...flags, await busyboxArchive(), "true"], 10, {
    check: (when) => asBefore(host, before, when),
  });
  await dhow(host, "network", "rm", "one", "two");
});

/** Those of all containers. */
const nameServers = (host: Host) =>
  host.processes().filter(({ command }) => command.startsWith("dhow-names"));

systemTest(
  "a name server that is killed is started anew by the next command, be that killed after any step as well",
  async (host) => {
    await dhow(host, "network", "create", "two");
    await start(host, "neighbour", "--network", "two");
    await start(host, "it", "--network", "none");
    await dhow(host, "network", "connect", "two", "it");
    const front = ["run", "--name", "front", "--network", "two", await busyboxArchive(), "sleep", "1000"];
    await using foreground = host.spawnDhow(front);
    await eventually(() => assertEquals(nameServers(host).length, 3));
    const kill = async () => {
      for (const { pid } of nameServers(host)) await host.succeed(["kill", "-KILL", `${pid}`]);
      await eventually(() => assertEquals(nameServers(host), []));
    };
    await killEverywhere(host, ["ps", "-q"], 4, {
      prepare: kill,
      check: async (when) => {
        assertEquals((await resolve(host, "it", "neighbour")).length, 1, when);
        assertEquals((await resolve(host, "neighbour", "it")).length, 1, when);
        assertEquals((await resolve(host, "front", "it")).length, 1, when);
        assertEquals(nameServers(host).length, 3, when);
      },
    });
    // several at once start one for each
    await kill();
    await Promise.all(Array.from({ length: 6 }, () => dhow(host, "ps", "-q")));
    assertEquals(nameServers(host).length, 3);
    // one that nobody has use for any more is not
    await dhow(host, "network", "disconnect", "two", "it");
    await kill();
    await dhow(host, "ps", "-q");
    assertEquals(nameServers(host).length, 2);
    // but when there is use for it again
    await dhow(host, "network", "connect", "two", "it");
    assertEquals(nameServers(host).length, 3);
    assertEquals((await resolve(host, "it", "neighbour")).length, 1);
    await dhow(host, "kill", "front");
    assertEquals((await foreground.output()).code, 137);
    await dhow(host, "rm", "-f", "it", "neighbour");
    await dhow(host, "network", "rm", "two");
  },
);
