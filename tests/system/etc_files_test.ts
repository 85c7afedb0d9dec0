import { assertEquals, assertMatch } from "@std/assert";
import { busyboxOutput, busyboxShell } from "../support/containers.ts";
import { busyboxArchive } from "../support/images.ts";
import type { Host } from "../support/host.ts";
import { systemTest } from "../support/system_test.ts";

async function setResolvConf(host: Host, text: string): Promise<void> {
  await Deno.writeTextFile(host.path("/etc/resolv.conf"), text);
}

systemTest("/etc/resolv.conf has the host's servers and search list", async (host) => {
  await setResolvConf(
    host,
    "# comment\nnameserver 203.0.113.53\nnameserver 203.0.113.54\nsearch example.test\n",
  );
  const lines = (await busyboxOutput(host, ["cat", "/etc/resolv.conf"])).trim().split("\n");
  assertEquals(lines.filter((line) => line.startsWith("nameserver")), [
    "nameserver 203.0.113.53",
    "nameserver 203.0.113.54",
  ]);
  assertEquals(lines.filter((line) => line.startsWith("search")), ["search example.test"]);
});

systemTest("--dns replaces the host's servers", async (host) => {
  const seen = await busyboxOutput(host, ["grep", "nameserver", "/etc/resolv.conf"], [
    "--dns",
    "192.0.2.1",
    "--dns",
    "192.0.2.2",
  ]);
  assertEquals(seen, "nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
});

systemTest("the stub of systemd-resolved is replaced by its upstreams", async (host) => {
  await setResolvConf(host, "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n");
  await host.shell("mkdir -p /run/systemd/resolve");
  await Deno.writeTextFile(
    host.path("/run/systemd/resolve/resolv.conf"),
    "nameserver 203.0.113.53\nsearch lan\n",
  );
  const seen = await busyboxOutput(host, ["grep", "nameserver", "/etc/resolv.conf"]);
  assertEquals(seen, "nameserver 203.0.113.53\n");
  const { stdout, stderr } = await host.dhow(["run", await busyboxArchive(), "nslookup", "web.example.test"]);
  assertMatch(stdout, /203\.0\.113\.80/, stderr);
  await host.shell("rm -r /run/systemd");
});

systemTest("a link that /etc/resolv.conf is on the host is followed", async (host) => {
  await host.shell("mv /etc/resolv.conf /etc/real.conf && ln -s real.conf /etc/resolv.conf");
  assertEquals(
    await busyboxOutput(host, ["grep", "nameserver", "/etc/resolv.conf"]),
    "nameserver 203.0.113.53\n",
  );
});

systemTest("an /etc/resolv.conf of the host that cannot be read counts as none", async (host) => {
  const args = ["grep", "nameserver", "/etc/resolv.conf"];
  for (const made of ["ln -s resolv.conf resolv.conf", "mkdir resolv.conf", "mkfifo resolv.conf"]) {
    await host.shell(`cd /etc && rm -rf resolv.conf && ${made}`);
    assertEquals(await busyboxOutput(host, args), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n", made);
  }
});

systemTest("/etc/hosts names localhost and the container", async (host) => {
  const seen = await busyboxShell(host, "ping -c 1 -W 5 localhost >/dev/null && cat /etc/hosts", [
    "--hostname",
    "web1",
  ]);
  assertMatch(seen, /^127\.0\.0\.1\s+localhost/m);
  const { stdout } = await host.dhow([
    "run",
    "--hostname",
    "web1",
    await busyboxArchive(),
    "sh",
    "-c",
    `
    address=$(ip -4 -o addr show eth0 | sed 's/.*inet \\([^/]*\\).*/\\1/')
    grep -E "^$address\\s+web1" /etc/hosts && ping -c 1 -W 5 web1 >/dev/null && echo pinged
  `,
  ]); // deno-fmt-ignore
  assertMatch(stdout, /pinged/);
});

systemTest("the files that dhow puts into /etc can be written, and are the container's own", async (host) => {
  const script =
    "for name in hosts hostname resolv.conf; do echo '# added' >>/etc/$name && tail -n 1 /etc/$name; done";
  assertEquals(await busyboxShell(host, script), "# added\n# added\n# added\n");
  assertEquals(await host.shell("cat /etc/resolv.conf"), "nameserver 203.0.113.53\n");
  assertEquals((await busyboxOutput(host, ["cat", "/etc/hosts"])).includes("added"), false);
});
