/** Many commands at once that make networks, start containers in them, and remove both. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

const MANY = 20;
const numbers = Array.from({ length: MANY }, (_, index) => index);

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

/** All at once, as twenty shells of the host would. */
const atOnce = (host: Host, ...commands: string[][]) =>
  Promise.all(commands.map((command) => dhow(host, ...command)));

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

systemTest(
  "twenty containers started at once: none shares an address, and all names resolve",
  async (host) => {
    const archive = await busyboxArchive();
    await dhow(host, "load", "-q", "-i", archive);
    await dhow(
      host,
      "network",
      "create",
      "--ipv6",
      "--subnet",
      "10.71.0.0/24",
      "--subnet",
      "fd00:71::/64",
      "mine",
    );
    await atOnce(
      host,
      ...numbers.map((
        n,
      ) => ["run", "-d", "--name", `box${n}`, "--network", "mine", "busybox", "sleep", "1000"]),
    );
    const names = numbers.map((n) => `box${n}`);
    const places = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
    const addresses = lines(await dhow(host, "inspect", "-f", places, ...names)).map((line) =>
      line.split(" ")
    );
    for (const family of [0, 1]) {
      assertEquals(new Set(addresses.map((pair) => pair[family])).size, MANY, JSON.stringify(addresses));
    }
    for (const [index, [four, six]] of addresses.entries()) {
      assertMatch(four!, /^10\.71\.0\.\d+$/);
      assertMatch(six!, /^fd00:71::[0-9a-f]+$/);
      // what the kernel has is what the database says
      const inside = await dhow(host, "exec", names[index]!, "ip", "-o", "addr", "show", "eth0");
      assertMatch(inside, new RegExp(`inet ${four}/24`));
      assertMatch(inside, new RegExp(`inet6 ${six}/64`));
    }
    // the first and the last see all
    for (const asking of [names[0]!, names[MANY - 1]!]) {
      const script = names.map((name) =>
        `nslookup ${name} | sed -n '4,$s/^Address.*: //p' | sort | paste -sd ' '`
      );
      const found = lines(await dhow(host, "exec", asking, "sh", "-euc", script.join("\n")));
      assertEquals(found, addresses.map((pair) => pair.toSorted().join(" ")));
      const [four, six] = addresses[7]!;
      await dhow(host, "exec", asking, "sh", "-euc", `ping -c 1 -W 5 ${four} && ping -6 -c 1 -W 5 ${six}`);
    }
    const removed = await atOnce(host, ...names.map((name) => ["rm", "-f", name]));
    assertEquals(removed, names);
    await dhow(host, "network", "rm", "mine");
  },
);

systemTest(
  "twenty networks created at once: each has a range and a bridge of its own, a name only one",
  async (host) => {
    const ids = await atOnce(host, ...numbers.map((n) => ["network", "create", "--ipv6", `net${n}`]));
    assertEquals(new Set(ids).size, MANY);
    const networks = numbers.map((n) => `net${n}`);
    const ranges = lines(
      await dhow(host, "network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}} {{end}}", ...networks),
    );
    for (const family of [0, 1]) {
      assertEquals(new Set(ranges.map((line) => line.split(" ")[family])).size, MANY, ranges.join("; "));
    }
    const same = await Promise.all(numbers.map(() => host.dhow(["network", "create", "same"])));
    assertEquals(same.filter(({ code }) => code === 0).length, 1);
    for (const { stderr } of same.filter(({ code }) => code !== 0)) {
      assertMatch(stderr, /^dhow: network with name same already exists: .*\n$/);
    }
    const archive = await busyboxArchive();
    await dhow(host, "load", "-q", "-i", archive);
    // one container in each, all at once, and each takes its network's bridge along
    const addresses = await atOnce(
      host,
      ...networks.map((network) => ["run", "--network", network, "busybox", "hostname", "-i"]),
    );
    for (const [index, address] of addresses.entries()) {
      assertEquals(address.split(" ")[0]!.replace(/\d+$/, "0/24"), ranges[index]!.split(" ")[0]);
    }
    const removed = await atOnce(host, ...[...networks, "same"].map((network) => ["network", "rm", network]));
    assertEquals(removed, [...networks, "same"]);
    assertEquals(await dhow(host, "network", "ls", "-q", "-f", "type=custom"), "");
  },
);

systemTest(
  "a network that is made and removed while containers start in it: in it, or not at all",
  async (host) => {
    await dhow(host, "load", "-q", "-i", await busyboxArchive());
    let isOver = false;
    const changes = async () => {
      let removed = 0;
      while (!isOver) {
        await host.dhow(["network", "create", "mine"]);
        const { code, stderr } = await host.dhow(["network", "rm", "mine"]);
        if (code === 0) removed++;
        else {assertMatch(
            stderr,
            /^dhow: error while removing network: network mine id \w+ has active endpoints/,
          );}
      }
      return removed;
    };
    const starts = async () => {
      const outcomes = { run: 0, refused: 0 };
      for (let time = 0; time < MANY; time++) {
        const { code, stdout, stderr } = await host.dhow([
          "run",
          "--network",
          "mine",
          "busybox",
          "hostname",
          "-i",
        ]);
        if (code === 0) {
          assertMatch(stdout, /^100\.100\.\d+\.\d+\n$/);
          outcomes.run++;
        } else {
          assertMatch(stderr, /^dhow: network mine not found/);
          assertEquals(code, 125);
          outcomes.refused++;
        }
      }
      return outcomes;
    };
    const changing = changes();
    const started = await Promise.all([starts(), starts()]).finally(() => isOver = true);
    await changing;
    assertEquals(started.map(({ run, refused }) => run + refused), [MANY, MANY]);
    await host.dhow(["network", "rm", "mine"]);
    assertEquals(await dhow(host, "ps", "-aq"), "");
  },
);
