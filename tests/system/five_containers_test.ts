/** Who reaches whom: five containers, two networks, three protocols, both families. */
import { assertEquals } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

/** Which networks each is in; the one on the host's network is in all, as the host is. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  web: ["front"],
  client: ["front", "back"],
  names: ["front"],
  inner: ["back"],
  host: ["front", "back"],
};

const NETWORKS: Readonly<Record<string, readonly string[]>> = {
  front: ["--ipv6", "--subnet", "10.20.1.0/24", "--subnet", "fd00:21::/64"],
  back: ["--internal", "--ipv6", "--subnet", "10.20.2.0/24", "--subnet", "fd00:22::/64"],
};

/** A web server for TCP; a name server, the host's, for UDP. */
const SERVE = "echo x >/tmp/index.html; httpd -p [::]:8000 -h /tmp; " +
  "exec dnsmasq -k --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts --port=5300 " +
  "--address=/probe.test/192.0.2.1";

const PROGRAMS = ["/usr", "/lib", "/lib64"].flatMap((folder) => ["-v", `${folder}:${folder}:ro`]);

async function start(host: Host, name: string): Promise<void> {
  const networks = name === "host" ? ["host"] : MEMBERS[name]!;
  const flags = networks.flatMap((network) => ["--network", network]);
  const command = ["sh", "-c", `PATH=$PATH:/usr/sbin; ${SERVE}`];
  await dhow(host, "run", "-d", "--name", name, ...flags, ...PROGRAMS, await busyboxArchive(), ...command);
}

interface Place {
  readonly label: string;
  readonly network: string;
  readonly address: string;
}

/** All addresses under which each is to be found. */
async function places(host: Host, called: Readonly<Record<string, string>>): Promise<Place[]> {
  const found: Place[] = [];
  for (const [label, networks] of Object.entries(MEMBERS)) {
    for (const network of networks) {
      const addresses = label === "host"
        ? await dhow(host, "network", "inspect", "-f", "{{range .IPAM.Config}}{{.Gateway}} {{end}}", network)
        : await dhow(
          host,
          "inspect",
          "-f",
          `{{with index .NetworkSettings.Networks "${network}"}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`,
          called[label] ?? label,
        );
      for (const address of addresses.trim().split(" ")) found.push({ label, network, address });
    }
  }
  return found;
}

const line = (source: string, kind: string, { label, address }: Place) =>
  `${source} ${kind} ${label} ${address}`;

/** What one container reaches: each probe on its own, all at once. */
async function reached(host: Host, source: string, name: string, all: readonly Place[]): Promise<string[]> {
  const probes = all.flatMap((place) => {
    const url = place.address.includes(":") ? `[${place.address}]` : place.address;
    const said = (kind: string) => `echo '${line(source, kind, place)}'`;
    return [
      `(timeout 3 wget -q -O /dev/null http://${url}:8000/ && ${said("tcp")}) 2>/dev/null &`,
      `(timeout 3 nslookup -port=5300 -type=a probe.test ${place.address} | grep -q 192.0.2.1 && ${
        said("udp")
      }) 2>/dev/null &`,
      `(ping -c 1 -W 2 ${place.address} >/dev/null && ${said("icmp")}) 2>/dev/null &`,
    ];
  });
  const output = await dhow(host, "exec", name, "sh", "-c", `${probes.join("\n")}\nwait`);
  return output.split("\n").filter((text) => text !== "");
}

async function everyPair(
  host: Host,
  when: string,
  called: Readonly<Record<string, string>> = {},
): Promise<void> {
  const all = await places(host, called);
  const expected = Object.entries(MEMBERS).flatMap(([source, networks]) =>
    all.filter(({ label, network }) =>
      networks.includes(network) ||
      // the host answers by all its addresses, to whoever has a way out
      (label === "host" && networks.includes("front"))
    )
      .flatMap((place) => ["tcp", "udp", "icmp"].map((kind) => line(source, kind, place)))
  );
  await eventually(async () => {
    const found = await Promise.all(
      Object.keys(MEMBERS).map((source) => reached(host, source, called[source] ?? source, all)),
    );
    assertEquals(found.flat().sort(), expected.toSorted(), when);
  });
}

systemTest(
  "of five containers in two networks, all that should reach each other do, and no others",
  async (host) => {
    for (const [name, flags] of Object.entries(NETWORKS)) {
      await dhow(
        host,
        "network",
        "create",
        ...flags,
        name,
      );
    }
    for (const name of Object.keys(MEMBERS)) await start(host, name);
    await everyPair(host, "at first");

    await dhow(host, "restart", "-t", "0", "web", "inner");
    await everyPair(host, "after restarts");

    await dhow(host, "rename", "web", "shop");
    await everyPair(host, "after a rename", { web: "shop" });
    const asked = await dhow(
      host,
      "exec",
      "names",
      "sh",
      "-c",
      "nslookup shop; nslookup client | grep -c Address",
    );
    assertEquals(asked.includes("fd00:21::"), true, asked);

    // the host's firewall begins anew, with a policy that lets nothing pass
    await host.shell(
      "for tables in iptables ip6tables; do for table in filter nat; do " +
        "$tables -t $table -F; $tables -t $table -X; done; $tables -P FORWARD DROP; done",
    );
    await dhow(host, "network", "reload");
    await everyPair(host, "after a reload of the firewall", { web: "shop" });

    await dhow(host, "rm", "-f", "shop", "client", "names", "inner", "host");
    await dhow(host, "network", "rm", "front", "back");
    await host.shell("iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT");
  },
);

systemTest(
  "a container's network takes one program of the host's to start, and published ports one more",
  async (host) => {
    // each program of the host's that is executed tells so; those of iptables are known by what their links lead to
    const folder = host.file("programs");
    await host.shell(`mkdir ${folder}; cd ${folder}
    printf '#!/bin/sh\\necho "\${0##*/}" >>${folder}/executed; exec /usr/sbin/"\${0##*/}" "$@"\\n' >xtables-nft-multi
    chmod +x xtables-nft-multi; cp xtables-nft-multi ip
    for name in iptables-restore iptables-save ip6tables-restore ip6tables-save; do ln -s xtables-nft-multi $name; done`);
    await dhow(host, "network", "create", "mine");
    const started = async (name: string, ...flags: string[]) => {
      await host.shell(`rm -f ${folder}/executed`);
      const args = ["run", "-d", "--name", name, ...flags, await busyboxArchive(), "sleep", "1000"];
      assertSuccess(await host.dhow(args, { env: { PATH: `${folder}:/usr/sbin:/usr/bin:/sbin:/bin` } }));
      return (await host.shell(`cat ${folder}/executed`)).trim().split("\n").sort();
    };
    for (const network of ["bridge", "mine"]) {
      assertEquals(await started(`${network}1`, "--network", network), [
        "ip",
        "ip",
        "iptables-restore",
      ]);
      assertEquals(await started(`${network}2`, "--network", network), ["ip"]);
    }
    const ports = ["-p", "8080:80", "-p", "8081:81"];
    assertEquals(await started("published", "--network", "mine", ...ports), ["ip", "iptables-restore"]);
    await dhow(host, "rm", "-f", "bridge1", "bridge2", "mine1", "mine2", "published");
    await dhow(host, "network", "rm", "mine");
  },
);
