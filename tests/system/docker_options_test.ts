import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";

detachedTest("names, groups, labels and ports that run is given are the container's", async (detached) => {
  const { host } = detached;
  const labels = await host.write("labels", "a=b\n# none\nempty\nc=d\n");
  const names = ["-h", "web", "--domainname", "dom.example", "--add-host", "there:10.1.2.3"];
  const resolver = ["--dns-search", "x.example", "--dns-option", "ndots:2"];
  const groups = ["--group-add", "77", "--group-add", "root", "-u", "5"];
  const more = ["--label-file", labels, "--label", "c=e", "--expose", "80", "--expose", "90-91/udp"];
  const id = await detached.start(["sleep", "1000"], [...names, ...resolver, ...groups, ...more]);
  const inside = (...command: string[]) => detached.dhow("exec", id, ...command);
  assertEquals(
    await inside("cat", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname"),
    "web\ndom.example",
  );
  assertStringIncludes(await inside("cat", "/etc/hosts"), "10.1.2.3\tthere");
  assertMatch(await inside("cat", "/etc/resolv.conf"), /\nsearch x\.example\noptions ndots:2$/);
  assertMatch(await inside("id"), /^uid=5.* groups=.*0.*,77/);
  assertMatch(await inside("cat", "/proc/1/status"), /\nGroups:\t0 77 /);
  const shown = (template: string) => detached.dhow("inspect", "-f", template, id);
  assertEquals(await shown("{{json .Config.Labels}}"), '{"a":"b","c":"e"}');
  assertEquals(await shown("{{json .Config.ExposedPorts}}"), '{"80/tcp":{},"90/udp":{},"91/udp":{}}');
  assertEquals(
    await shown(
      "{{.Config.Domainname}} {{.HostConfig.ExtraHosts}} {{.HostConfig.DnsSearch}} {{.HostConfig.DnsOptions}} {{.HostConfig.GroupAdd}}",
    ),
    "dom.example [there:10.1.2.3] [x.example] [ndots:2] [77 root]",
  );
  const bridged = await host.dhow([
    "run",
    "-h",
    "web",
    "--domainname",
    "d",
    "--add-host",
    "up:host-gateway",
    "busybox",
    "cat",
    "/etc/hosts",
  ]);
  assertMatch(bridged.stdout, /\n100\.100\.1\.\d+\tweb\.d web\n100\.100\.1\.1\tup\n$/);
  assertFailure(
    await host.dhow(["run", "--network", "none", "--group-add", "nobodys", "busybox", "true"]),
    125,
    /cannot find the group "nobodys"/,
  );
});

detachedTest(
  "--log-driver none keeps no log, and attach shows what comes, and nothing fills the disk",
  async (detached) => {
    const { host } = detached;
    const script = "head -c 12000000 /dev/zero; read line; echo got $line; read end";
    const id = await detached.dhow(
      "run",
      "-di",
      "--network",
      "none",
      "--log-driver",
      "none",
      "busybox",
      "sh",
      "-c",
      script,
    );
    assertFailure(await host.dhow(["logs", id]), 1, /configured logging driver does not support reading/);
    assertEquals(
      await detached.dhow("inspect", "-f", "[{{.LogPath}}] {{json .HostConfig.LogConfig}}", id),
      '[] {"Type":"none","Config":{}}',
    );
    await using attached = host.spawnDhow(["attach", id]);
    await attached.write("this\n");
    await attached.stdout.until(/got this/);
    const size = await host.shell(`cat /var/lib/dhow/containers/${id}/log* | wc -c`);
    assertEquals(Number(size) < 5_000_000, true, size);
    await attached.write("end\n");
    await attached.output();
    assertSuccess(await host.dhow(["wait", id]));
  },
);
