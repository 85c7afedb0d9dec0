import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { HOST_ADDRESS, REPOSITORY, WEB_NAME } from "../support/host.ts";
import { Running, succeed } from "../support/process.ts";
import { differences, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";
import { KEYS, Terminal } from "../support/terminal.ts";

systemTest("the test's internet answers by name, and tells who asked", async (host) => {
  const answer = await host.succeed(["wget", "-qO-", `http://${WEB_NAME}/cgi-bin/address`]);
  assertEquals(answer, `${HOST_ADDRESS}\n`);
});

systemTest(
  "a snapshot shows a mount, a link, a rule, a cgroup, a file and a process that were left",
  async (host) => {
    const before = await snapshot(host);
    await host.shell(`
    mkdir /run/dhow && mount -t tmpfs tmpfs /run/dhow && touch /run/dhow/file
    ip link add left type bridge
    iptables -A FORWARD -i left -j ACCEPT
    mkdir "$(find /sys/fs/cgroup -maxdepth 1 -type d | tail -n 1)/left"
  `);
    await using sleeper = host.spawn(["sleep", "1000"]);
    await sleeper.hostPid();
    const found = differences(before, await snapshot(host)).join("\n");
    for (const sign of ["mounts: + /run/dhow", "links: + left", "rules: + filter: -A FORWARD -i left"]) {
      assertStringIncludes(found, sign);
    }
    assertMatch(found, /cgroups: \+ .*left/);
    assertMatch(found, /files: \+ \/run\/dhow\/file/);
    assertMatch(found, /processes: \+ sleep 1000/);
    await host.shell(
      "umount /run/dhow; rmdir /run/dhow; ip link del left; iptables -D FORWARD -i left -j ACCEPT",
    );
    await host.shell("find /sys/fs/cgroup -name left -type d -exec rmdir {} +");
  },
);

systemTest("a host goes when the test that holds it is killed", async () => {
  const module = new URL("../support/host.ts", import.meta.url).href;
  const script = `
    import { Host } from "${module}";
    const host = await Host.start();
    await host.run(["sh", "-c", "sleep 1000 >/dev/null 2>&1 &"]);
    console.log(host.pid);
    await new Promise(() => {});
  `;
  await using holder = new Running([Deno.execPath(), "eval", "--config", `${REPOSITORY}/deno.json`, script], {
    env: { DENO_DIR: Deno.env.get("DENO_DIR") ?? "" },
  });
  const [, pid] = await holder.stdout.until(/(\d+)\n/);
  const names = (await Deno.readTextFile(`/proc/${pid}/cgroup`)).match(/dhow-test-\d+/);
  Deno.kill(holder.pid, "SIGKILL");
  await eventually(async () => {
    assertEquals(exists(`/proc/${pid}`), false);
    assertEquals(await succeed(["find", "/sys/fs/cgroup", "-name", `${names?.[0]}`]), "");
  });
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

systemTest("a terminal shows what is typed, and its modes can be compared", async (host) => {
  await using terminal = new Terminal(host, ["sh"], { rows: 30, columns: 100 });
  await terminal.see(/# $/);
  const before = await terminal.modes();
  await terminal.type("stty size\r", /30 100\s+# $/);
  terminal.resize(40, 120);
  await terminal.type("stty size\r", /40 120\s+# $/);
  await terminal.type("stty raw\r", /# $/);
  assertEquals(before === await terminal.modes(), false);
  await terminal.type(`stty sane\n`, /# $/);
  await terminal.type(`exit 7${KEYS.enter}`);
  assertEquals(await terminal.exitCode(), 7);
});
