import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";

detachedTest("events tell of volumes, commands, copies and images as docker's do", async (detached) => {
  const { host } = detached;
  await detached.dhow("volume", "create", "named");
  const id = await detached.start(["sleep", "1000"], ["--name", "web", "-v", "named:/data:ro"]);
  await detached.dhow("exec", "web", "true", "and", "more");
  assertEquals((await host.dhow(["exec", "web", "sh", "-c", "exit 3"])).code, 3);
  await detached.dhow("exec", "-d", "web", "true");
  await host.shell("echo x >/tmp/copied");
  await detached.dhow("cp", "/tmp/copied", "web:/tmp");
  assertSuccess(await host.dhow(["cp", "web:/tmp/copied", "/tmp/back"]));
  await detached.dhow("top", "web");
  await detached.dhow("export", "-o", "/tmp/root.tar", "web");
  const committed = await detached.dhow("commit", "-m", "words", "web", "changed");
  await detached.dhow("rm", "-f", "web");
  await detached.dhow("volume", "rm", "named");
  assertSuccess(await host.dhow(["save", "-q", "-o", "/tmp/saved.tar", "busybox"]));
  const imported = (await host.dhow(["import", "/tmp/root.tar", "imported"])).stdout.trim();
  await detached.dhow("rmi", "imported", "changed");
  assertSuccess(await host.dhow(["system", "prune", "-f"]));
  await host.shell("rm /tmp/copied /tmp/back /tmp/root.tar /tmp/saved.tar");

  const told = async (...filters: string[]) => {
    const flags = filters.flatMap((filter) => ["--filter", filter]);
    const format = "{{.Type}} {{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}";
    const text = await detached.dhow(
      "events",
      "--since",
      "1h",
      "--until",
      "0s",
      "--format",
      format,
      ...flags,
    );
    return text.split("\n").map((line) => line.replace(/"execID":"[0-9a-f]{64}",/, '"execID":"",'));
  };
  const about = `"image":"busybox","name":"web"`;
  assertEquals(await told("type=volume", "volume=named"), [
    'volume create named {"driver":"local"}',
    `volume mount named {"container":"${id}","destination":"/data","driver":"local","propagation":"","read/write":"false"}`,
    `volume unmount named {"container":"${id}","driver":"local"}`,
    'volume destroy named {"driver":"local"}',
  ]);
  assertEquals(await told("event=exec_create", "event=exec_start", "event=exec_die"), [
    `container exec_create: true and more ${id} {"execID":"",${about}}`,
    `container exec_start: true and more ${id} {"execID":"",${about}}`,
    `container exec_die ${id} {"execID":"","exitCode":"0",${about}}`,
    `container exec_create: sh -c exit 3 ${id} {"execID":"",${about}}`,
    `container exec_start: sh -c exit 3 ${id} {"execID":"",${about}}`,
    `container exec_die ${id} {"execID":"","exitCode":"3",${about}}`,
    `container exec_create: true  ${id} {"execID":"",${about}}`,
    `container exec_start: true  ${id} {"execID":"",${about}}`,
  ]);
  const others = ["extract-to-dir", "archive-path", "top", "export", "commit"];
  assertEquals(await told(...others.map((action) => `event=${action}`)), [
    `container extract-to-dir ${id} {${about}}`,
    `container archive-path ${id} {${about}}`,
    `container top ${id} {${about}}`,
    `container export ${id} {${about}}`,
    `container commit ${id} {"comment":"words","image":"busybox","imageID":"${committed}","name":"web"}`,
  ]);
  const busybox = await detached.dhow("inspect", "-f", "{{.Id}}", "busybox");
  const images = (await told("type=image")).filter((line) => !/ (tag|untag|delete) /.test(line));
  assertEquals(images, [
    `image load ${busybox} {"name":"${busybox}"}`,
    `image save ${busybox} {"name":"${busybox}"}`,
    `image import ${imported} {"name":"${imported}"}`,
    'image prune  {"reclaimed":"0"}',
  ]);
  assertEquals(await told("event=prune", "type=container"), ['container prune  {"reclaimed":"0"}']);
});

detachedTest(
  "system df -v measures each, and system prune --volumes removes volumes that nobody has",
  async (detached) => {
    const { host } = detached;
    const id = await detached.start([
      "sh",
      "-c",
      "head -c 3000 /dev/zero >/file; head -c 2000 /dev/zero >/data/file; sleep 1000",
    ], [
      "--name",
      "web",
      "-v",
      "/data",
    ]);
    await detached.dhow("exec", id, "sh", "-c", "until [ -s /data/file ]; do :; done");
    await detached.dhow("volume", "create", "named");
    const text = await detached.dhow("system", "df", "-v");
    assertMatch(
      text,
      /^Images space usage:\n\nREPOSITORY +TAG +IMAGE ID +CREATED +SIZE +SHARED SIZE +UNIQUE SIZE +CONTAINERS\n/,
    );
    assertMatch(text, /\nbusybox +latest +[0-9a-f]{12} +.* ago +(\S+) +0B +\1 +1\n/);
    assertMatch(text, /\nCONTAINER ID +IMAGE +COMMAND +LOCAL VOLUMES +SIZE +CREATED +STATUS +NAMES\n/);
    assertMatch(text, new RegExp(`\n${id.slice(0, 12)} +busybox +"sh -c .*" +1 +3kB +.* ago +Up .* +web\n`));
    assertMatch(text, /\nVOLUME NAME +LINKS +SIZE\n[0-9a-f]{64} +1 +2kB\nnamed +0 +0B\n/);
    assertMatch(text, /\nBuild cache usage: 0B$/);
    assertFailure(await host.dhow(["system", "df", "-v", "--format", "json"]), 1, /--format and --verbose/);

    assertEquals(
      await detached.dhow("inspect", "--type", "volume", "-f", "{{.Name}} {{.Driver}}", "named"),
      "named local",
    );
    assertEquals(await detached.dhow("inspect", "-f", "{{.Name}}", "named", "web"), "named\n/web");
    const missing = await host.dhow(["inspect", "--type", "volume", "web"]);
    assertEquals([missing.code, missing.stdout, missing.stderr], [1, "[]\n", "dhow: No such volume: web\n"]);
    assertEquals(
      await detached.dhow("inspect", "--type", "network", "-f", "{{.Driver}}", "bridge"),
      "bridge",
    );

    await detached.dhow("rm", "-f", "web");
    const prune = (...flags: string[]) => host.dhow(["system", "prune", ...flags]);
    assertFailure(
      await prune("-f", "--volumes", "--filter", "until=1h"),
      1,
      /"until" filter is not supported with "--volumes"/,
    );
    const { stdout } = await prune("-f", "--volumes");
    assertMatch(stdout, /^Deleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: 2kB\n$/);
    assertEquals(await detached.dhow("volume", "ls", "-q"), "named");
    await detached.dhow("volume", "rm", "named");
  },
);
