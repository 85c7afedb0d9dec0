/** Containers beside programs that think the host's firewall is theirs. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import {
  endDockerd,
  endFirewalld,
  firewallsFrom,
  installUfw,
  startBus,
  startDockerd,
  startFirewalld,
} from "../support/firewalls.ts";
import { type Host, HOST_ADDRESS, type RunningInHost, WEB_ADDRESS, WEB_NAME } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { hostTest } from "../support/system_test.ts";

/**
 * A container that tells whether it reaches the internet, whenever it is asked, and has a web server with a published port; no
 * command of dhow's is needed for that.
 */
class Asked implements AsyncDisposable {
  #questions = 0;

  private constructor(readonly host: Host, readonly running: RunningInHost) {}

  static async start(host: Host): Promise<Asked> {
    const script = `
      echo served >/tmp/index.html
      httpd -p 80 -h /tmp
      echo up
      while read -r number; do
        if echo | nc -w 3 ${WEB_ADDRESS} 80 >/dev/null 2>&1; then echo $number reached; else echo $number blocked; fi
      done
    `;
    const running = host.spawnDhow([
      "run",
      "--rm",
      "-i",
      "-p",
      "8080:80",
      await busyboxArchive(),
      "sh",
      "-c",
      script,
    ]);
    await running.stdout.until(/up/);
    return new Asked(host, running);
  }

  /** `reached` if it reaches the internet, and the internet its published port; `blocked` if the first fails. */
  async ask(): Promise<string> {
    const answer = await this.#reachesOut();
    if (answer === "reached") assertEquals(await this.#isServed(), "served\n");
    return answer;
  }

  /** What somebody of the internet gets from the published port. */
  async #isServed(): Promise<string> {
    const server = this.host.processes().find(({ command }) =>
      command.startsWith("busybox httpd -p 203.0.113.80")
    );
    const curl = ["curl", "-sS", "--noproxy", "*", "--max-time", "20", `http://${HOST_ADDRESS}:8080/`];
    return await this.host.succeed(["nsenter", "--net", "--target", `${server!.pid}`, ...curl]);
  }

  async #reachesOut(): Promise<string> {
    const number = ++this.#questions;
    await this.running.write(`${number}\n`);
    const [, answer] = await this.running.stdout.until(new RegExp(`^${number} (.*)$`, "m"));
    return answer ?? "";
  }

  async end(): Promise<void> {
    assertSuccess(await this.running.output());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.running[Symbol.asyncDispose]();
  }
}

/** Any command of dhow's. */
async function command(host: Host): Promise<void> {
  const output = await host.dhow(["ps"]);
  assertEquals([output.code, output.stderr], [0, ""]);
}

async function reachesOut(host: Host): Promise<void> {
  const output = await host.dhow([
    ...["run", "--rm", await busyboxArchive()],
    ...["wget", "-qO-", `http://${WEB_NAME}/cgi-bin/address`],
  ]);
  assertSuccess(output);
  assertEquals(output.stdout, `${HOST_ADDRESS}\n`);
}

/** The rules, in their order, and what is not as it is in every table. */
async function rules(host: Host): Promise<string[]> {
  const saved = await host.shell("iptables-save");
  return saved.split("\n").filter((line) => /^-|^:.* (DROP|-) /.test(line)).map((line) =>
    line.replace(/ \[\d+:\d+\]$/, "")
  );
}

async function isGone(host: Host): Promise<void> {
  await eventually(async () => {
    const left = await host.shell("iptables-save; ip6tables-save; ls /sys/class/net");
    assertEquals(left.split("\n").filter((line) => /dhow/i.test(line)), []);
  });
}

hostTest("beside ufw, which is enabled, reloaded and disabled while a container runs", async (host) => {
  await installUfw(host);
  await host.succeed(["ufw", "--force", "enable"]);
  const before = await rules(host);
  assertMatch(before.join("\n"), /^:FORWARD DROP$/m);
  await using container = await Asked.start(host);
  assertEquals(await container.ask(), "reached");
  await host.shell("iptables -F DHOW-dhow0");
  assertEquals(await container.ask(), "blocked", "ufw has a say");
  for (const words of [["reload"], ["--force", "disable"], ["--force", "enable"]]) {
    await host.succeed(["ufw", ...words]);
    await command(host);
    assertEquals(await container.ask(), "reached", words.join(" "));
  }
  await reachesOut(host);
  await container.end();
  await isGone(host);
  assertEquals(await rules(host), before);
});

hostTest("beside firewalld, which forgets the bridge when it is reloaded", async (host) => {
  await firewallsFrom(host);
  await startBus(host);
  await startFirewalld(host);
  const trusted = async () =>
    (await host.succeed(["firewall-cmd", "--zone=trusted", "--list-interfaces"])).trim();
  await using container = await Asked.start(host);
  assertEquals(await container.ask(), "reached");
  assertEquals(await trusted(), "dhow0");
  await host.succeed(["firewall-cmd", "--reload"]);
  assertEquals(await container.ask(), "blocked", "firewalld has a say");
  await command(host);
  assertEquals(await container.ask(), "reached");
  await reachesOut(host);
  await container.end();
  await isGone(host);
  assertEquals(await trusted(), "");
});

hostTest("a message bus whose daemon has ended, with firewalld, hinders nobody", async (host) => {
  await firewallsFrom(host);
  await startBus(host);
  await startFirewalld(host);
  await using container = await Asked.start(host);
  await host.succeed(["kill", `${await host.pidOf("dbus-daemon --system")}`]);
  await endFirewalld(host); // it ends by itself
  await host.succeed(["test", "-S", "/run/dbus/system_bus_socket"]);
  await command(host);
  assertEquals(await container.ask(), "reached");
  await reachesOut(host);
  await container.end();
  await isGone(host);
});

hostTest("firewalld that is started, and started anew, while a container runs", async (host) => {
  await firewallsFrom(host);
  await startBus(host);
  await using container = await Asked.start(host);
  assertEquals(await container.ask(), "reached");
  for (let time = 0; time < 2; time++) {
    await startFirewalld(host);
    assertEquals(await container.ask(), "blocked", "firewalld has a say");
    await command(host);
    assertEquals(await container.ask(), "reached");
    await endFirewalld(host);
    await command(host);
    assertEquals(await container.ask(), "reached");
  }
  await container.end();
  await isGone(host);
});

hostTest("a bridge that somebody has put into a zone of firewalld's stays there", async (host) => {
  await firewallsFrom(host);
  await startBus(host);
  await startFirewalld(host);
  const zone = async () => (await host.run(["firewall-cmd", "--get-zone-of-interface=dhow0"])).stdout.trim();
  await host.succeed(["firewall-cmd", "-q", "--zone=home", "--add-interface=dhow0"]);
  await using container = await Asked.start(host);
  assertEquals(await zone(), "home");
  await container.end();
  await isGone(host);
  assertEquals(await zone(), "home");
});

hostTest(
  "beside docker, which was there before, and is started anew while a container runs",
  async (host) => {
    await startDockerd(host);
    const alone = await rules(host);
    assertMatch(alone.join("\n"), /^:FORWARD DROP$/m);
    await using container = await Asked.start(host);
    assertEquals(await container.ask(), "reached");
    await endDockerd(host);
    await startDockerd(host);
    assertEquals(await container.ask(), "reached");
    await command(host);
    assertEquals(await container.ask(), "reached");
    await container.end();
    await isGone(host);
    assertEquals(await rules(host), alone);
  },
);

hostTest("beside docker, which is started while a container runs", async (host) => {
  await using container = await Asked.start(host);
  await startDockerd(host);
  await host.succeed(["iptables", "-P", "FORWARD", "DROP"]);
  assertEquals(await container.ask(), "reached");
  await command(host);
  assertEquals(await container.ask(), "reached");
  await reachesOut(host);
  const forward = "cat /proc/sys/net/ipv4/ip_forward";
  await container.end();
  await isGone(host);
  assertEquals(await host.shell(forward), "1\n", "docker needs it");
});
