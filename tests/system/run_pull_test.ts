import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { DHOW, type Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import type { Output } from "../support/process.ts";
import { ADDRESS, ARCHITECTURES, PROXY_ADDRESS, startFaultProxy, TestRegistry } from "../support/registry.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";
import { Terminal } from "../support/terminal.ts";

const NAME = `${ADDRESS}/app:1`;

function runImage(
  host: Host,
  image: string,
  flags: readonly string[],
  ...command: string[]
): Promise<Output> {
  return host.dhow(["run", "--network", "none", ...flags, image, ...command]);
}

/** Puts an image with a file /version into a registry. */
async function putVersion(host: Host, registry: TestRegistry, version: string): Promise<void> {
  const layers = [busyboxLayer(), [{ path: "version", content: version }]];
  await registry.put(await host.write("image.tar", archive({ layers })), "app:1");
}

systemTest("run downloads an image that is missing, and tells so on standard error", async (host) => {
  {
    await using registry = await TestRegistry.start(host);
    await registry.put(await busyboxArchive(), "app:1");
    const { code, stdout, stderr } = await runImage(host, NAME, [], "cat", "/var/www/index.html");
    assertEquals([code, stdout], [0, "hello from a container\n"], stderr);
    const lines = stderr.split("\n");
    assertEquals(lines.slice(0, 2), [`Unable to find image '${NAME}' locally`, "1: Pulling from app"]);
    assertEquals(lines.filter((line) => /^[0-9a-f]{12}: Pull complete$/.test(line)).length, 2);
    assertMatch(
      lines.slice(-3).join("\n"),
      /^Digest: sha256:[0-9a-f]{64}\nStatus: Downloaded newer image for .*app:1\n$/,
    );
  }
  // the registry is gone, and not asked
  assertSuccess(await runImage(host, NAME, [], "true"));
  assertFailure(await runImage(host, NAME, ["--pull", "always"], "true"), 125, /cannot pull .*refused/);
});

systemTest("an image that is named by its digest is downloaded once, and runs by it", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  const { stdout } = await host.dhow(["pull", NAME]);
  const [digest] = /sha256:\w+/.exec(stdout)!;
  await host.succeed([DHOW, "rmi", NAME]);
  const named = `${ADDRESS}/app@${digest}`;
  const first = await runImage(host, named, [], "echo", "ran");
  assertEquals([first.code, first.stdout], [0, "ran\n"], first.stderr);
  assert(first.stderr.startsWith(`Unable to find image '${named}' locally\n${named}: Pulling`), first.stderr);
  assertSuccess(await runImage(host, named, [], "true"));
  assertSuccess(await runImage(host, `${ADDRESS}/app:whatever@${digest}`, [], "true"));
});

systemTest("run says nothing of a download when it is told to", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  assertSuccess(await runImage(host, NAME, ["-q"], "true"));
});

systemTest("--pull always looks for a newer image, missing and never do not", async (host) => {
  await using registry = await TestRegistry.start(host);
  const version = async (...flags: string[]) => {
    const { code, stdout, stderr } = await runImage(host, NAME, flags, "cat", "/version");
    return code === 0 ? stdout : stderr;
  };
  await putVersion(host, registry, "old");
  assertEquals(
    await version("--pull=never"),
    `dhow: No such image: ${NAME}; download it with: dhow pull ${NAME}\n`,
  );
  assertEquals(await version(), "old");
  await putVersion(host, registry, "new");
  assertEquals([await version("--pull=missing"), await version("--pull=never")], ["old", "old"]);
  assertEquals(await version("--pull=always"), "new");
  const { stderr } = await runImage(host, NAME, ["--pull=always"], "true");
  assertMatch(stderr, /^1: Pulling from app\nDigest: .*\nStatus: Image is up to date for .*\n$/);
});

systemTest("an image for another CPU is downloaded and run when it is asked for", async (host) => {
  await using registry = await TestRegistry.start(host);
  const [own, other] = ARCHITECTURES;
  await registry.putVariants("multi", ARCHITECTURES);
  const multi = `${ADDRESS}/multi`;
  const cpu = async (...flags: string[]) => (await runImage(host, multi, flags, "cat", "/for")).stdout;
  assertEquals(await cpu(), own);
  const wanted = ["--platform", `linux/${other}`];
  assertFailure(
    await runImage(host, multi, ["--pull=never", ...wanted], "true"),
    125,
    new RegExp(`does not match the specified platform: wanted linux/${other}, actual: linux/${own}`),
  );
  assertEquals(await cpu(...wanted), other);
  assertEquals(await cpu("--pull=never", ...wanted), other);
  assertFailure(await runImage(host, multi, ["--pull=never"], "true"), 125, /it is for linux/);
  assertFailure(await runImage(host, multi, ["-q", "--platform=linux/riscv64"], "true"), 125, /no variant/);
});

systemTest("--platform chooses from an archive, too", async (host) => {
  const [own, other] = ARCHITECTURES;
  const layers = [busyboxLayer(), [{ path: "for", content: other }]];
  const path = await host.write("image.tar", archive({ layers, architecture: other }));
  const { stdout } = await runImage(host, path, ["--platform", `linux/${other}`], "cat", "/for");
  assertEquals(stdout, other);
  assertFailure(await runImage(host, path, [], "true"), 125, new RegExp(`it is for linux/${other}`));
  assertFailure(await runImage(host, path, ["--platform", `linux/${own}`], "true"), 125, /only for/);
});

systemTest("what cannot be downloaded is an error of dhow's own, and leaves nothing", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  const before = await snapshot(host);
  for (
    const [image, flags, said] of [
      [`${ADDRESS}/app:2`, [], /answers 404 \(manifest unknown/],
      [`${ADDRESS}/none`, [], /answers 404 \(manifest unknown/],
      [`${ADDRESS}/app@sha256:${"0".repeat(64)}`, [], /answers 404/],
      ["127.0.0.1:5009/app", [], /127\.0\.0\.1:5009: .*refused/],
      ["App", [], /"App": there is none of that name in the store/],
      ["./app.tar", [], /"\.\/app\.tar"/],
      ["./app.tar", ["--pull=always"], /it is a path/],
      [NAME, ["--pull=maybe"], /--pull takes missing, always, never/],
      [NAME, ["--platform=x"], /platform/],
    ] as const
  ) {
    assertFailure(await runImage(host, image, ["-q", ...flags], "true"), 125, said);
  }
  await sameAgain(host, before);
});

systemTest("a run that is interrupted during the download ends at once, and leaves nothing", async (host) => {
  await using registry = await TestRegistry.start(host);
  await putVersion(host, registry, "old");
  for (const [signal, code] of [["INT", 130], ["TERM", 143]] as const) {
    await using _ = await startFaultProxy(host, [
      // the config is the first blob that is asked for
      { request: "GET /v2/app/blobs/", times: 1, do: { kind: "no-range" } },
      { request: "GET /v2/app/blobs/", times: 2, do: { kind: "hang", after: 100 } },
    ]);
    const before = await snapshot(host);
    await using run = host.spawnDhow(["run", "--network", "none", `${PROXY_ADDRESS}/app:1`, "true"]);
    await run.stderr.until(/Downloading\n/);
    await run.kill(signal);
    const ended = await run.output();
    assertEquals([ended.code, ended.stdout], [code, ""]);
    assert(ended.stderr.endsWith(`interrupted (SIG${signal})\n`), ended.stderr);
    await sameAgain(host, before);
  }
});

systemTest("a download for a program at a terminal is drawn there", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  await using terminal = new Terminal(host, [DHOW, "run", "-it", "--network", "none", NAME, "echo", "ran"]);
  await terminal.see(/Total: 2\/2 layers[^]*Status: Downloaded newer image[^]*ran\r\n/);
  assertEquals(await terminal.exitCode(), 0);
});

systemTest("explain downloads nothing", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  const before = await snapshot(host);
  for (const flags of [[], ["--pull=always"]]) {
    const explained = await host.dhow(["explain", "run", ...flags, NAME, "true"]);
    assertFailure(explained, 125, /No such image: .*; download it with: dhow pull /);
  }
  await sameAgain(host, before);
});
