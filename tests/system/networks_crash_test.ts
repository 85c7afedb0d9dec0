import { assert, assertEquals } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";

const FAR = 500;
const KILLED = 137;

async function dhow(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(args);
  assertSuccess(output);
  return output.stdout.trimEnd();
}

/**
 * Kills a command after every step, each time with all as it was before.
 * @param check what must hold after the next command, whatever the killed one has done
 */
async function killEverywhere(
  host: Host,
  args: readonly string[],
  prepare: () => Promise<void>,
  check: (when: string) => Promise<void>,
): Promise<void> {
  for (let step = 1; step < FAR; step++) {
    await prepare();
    const { code, stderr } = await host.dhow(args, { env: { DHOW_FAULT: `kill-after:${step}` } });
    const when = `${args.join(" ")} after step ${step}`;
    assertSuccess(await host.dhow(["recover"]));
    await check(when);
    if (code !== KILLED) {
      assertEquals([code, stderr], [0, ""], when);
      assert(step > 1, "it was never killed");
      return;
    }
  }
  throw new Error(`${args.join(" ")} has no end`);
}

const start = async (host: Host, name: string, ...flags: string[]) =>
  await dhow(host, "run", "-d", "--name", name, ...flags, await busyboxArchive(), "sleep", "1000");

/** The links that a container has, and those that the record says it has, by networks. */
async function isConsistent(host: Host, name: string, when: string): Promise<void> {
  const links = (await dhow(host, "exec", name, "ls", "/sys/class/net")).split("\n").filter((link) =>
    link !== "lo"
  );
  const networks = JSON.parse(
    await dhow(host, "inspect", "-f", "{{json .NetworkSettings.Networks}}", name),
  ) as Record<string, { IPAddress: string }>;
  const shown = await dhow(host, "exec", name, "ip", "-4", "-o", "addr");
  const real = Object.keys(networks).filter((network) => network !== "none");
  assertEquals(links.length, real.length, `${when}: ${links} for ${real}`);
  for (const network of real) {
    assert(shown.includes(`inet ${networks[network]!.IPAddress}/`), `${when}: ${network}`);
  }
}

systemTest(
  "a network connect that is killed after any step leaves the container connected or not",
  async (host) => {
    await dhow(host, "network", "create", "two");
    await start(host, "it", "--network", "none");
    const before = await snapshot(host);
    await killEverywhere(host, ["network", "connect", "two", "it"], async () => {}, async (when) => {
      await isConsistent(host, "it", when);
      await host.dhow(["network", "disconnect", "-f", "two", "it"]);
      await dhow(host, "recover");
      await host.dhow(["network", "rm", "two"]);
      await dhow(host, "network", "create", "two");
      // its name server stays with the container
      await sameAgain(host, before, ["layers", "processes", "files"]).catch((cause) => {
        throw new Error(`after ${when}`, { cause });
      });
    });
    await dhow(host, "rm", "-f", "it");
    await dhow(host, "network", "rm", "two");
  },
);

systemTest("a network disconnect that is killed after any step is done by the next command", async (host) => {
  await dhow(host, "network", "create", "two");
  await start(host, "it", "--network", "bridge", "--network", "two");
  await killEverywhere(host, ["network", "disconnect", "bridge", "it"], async () => {
    const networks = await dhow(host, "inspect", "-f", "{{json .NetworkSettings.Networks}}", "it");
    if (!networks.includes('"bridge"')) await dhow(host, "network", "connect", "bridge", "it");
  }, async (when) => {
    await isConsistent(host, "it", when);
    if ((await dhow(host, "ps", "--format", "{{.Networks}}")) === "two") {
      assert((await dhow(host, "exec", "it", "ip", "route")).includes("default via"), when);
    }
  });
  await dhow(host, "rm", "-f", "it");
  await dhow(host, "network", "rm", "two");
});

systemTest("a network rm that is killed after any step leaves nothing on the host", async (host) => {
  const before = await snapshot(host);
  await killEverywhere(host, ["network", "rm", "it"], async () => {
    if ((await host.dhow(["network", "inspect", "it"])).code !== 0) {
      await dhow(host, "network", "create", "it");
    }
    // its bridge waits a little for others
    await dhow(host, "run", "--network", "it", await busyboxArchive(), "true");
  }, async (when) => {
    await host.dhow(["network", "rm", "it"]);
    await sameAgain(host, before, ["layers"]).catch((cause) => {
      throw new Error(`after ${when}`, { cause });
    });
  });
});

systemTest("a run in two networks that is killed after any step leaves nothing", async (host) => {
  await dhow(host, "network", "create", "one");
  await dhow(host, "network", "create", "--ipv6", "two");
  const before = await snapshot(host);
  const args = [
    "run",
    "-p",
    "127.0.0.1:8080:80",
    "--network",
    "one",
    "--network",
    "two",
    await busyboxArchive(),
    "true",
  ];
  await killEverywhere(host, args, async () => {}, async (when) => {
    await sameAgain(host, before, ["layers"]).catch((cause) => {
      throw new Error(`after ${when}`, { cause });
    });
  });
  await dhow(host, "network", "rm", "one", "two");
});
