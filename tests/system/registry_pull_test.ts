import { assert, assertEquals } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import { ADDRESS, ARCHITECTURES, TestRegistry } from "../support/registry.ts";
import { systemTest } from "../support/system_test.ts";

async function images(host: Host): Promise<string[]> {
  const { stdout } = await host.dhow(["images"]);
  return stdout.trim().split("\n").slice(1).map((line) => line.split(/\s+/).slice(0, 2).join(":")).sort();
}

/** What pull prints, with the digest's digits left out. */
function withoutDigest(text: string): string {
  return text.replace(/sha256:[0-9a-f]{64}/g, "sha256:…");
}

systemTest("an image is pulled, runs, and is up to date the next time", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "team/app:1");
  const first = await host.dhow(["pull", `${ADDRESS}/team/app:1`]);
  assertSuccess(first);
  const lines = first.stdout.split("\n");
  assertEquals(lines[0], "1: Pulling from team/app");
  assertEquals(lines.filter((line) => /^[0-9a-f]{12}: Download complete$/.test(line)).length, 2);
  const end = (status: string) =>
    `Digest: sha256:…\nStatus: ${status} for ${ADDRESS}/team/app:1\n${ADDRESS}/team/app:1\n`;
  assert(withoutDigest(first.stdout).endsWith(end("Downloaded newer image")), first.stdout);
  const run = await host.dhow([
    "run",
    "--network",
    "none",
    `${ADDRESS}/team/app:1`,
    "cat",
    "/var/www/index.html",
  ]);
  assertEquals([run.stdout, run.stderr], ["hello from a container\n", ""]);
  const again = await host.dhow(["pull", `${ADDRESS}/team/app:1`]);
  assertEquals(withoutDigest(again.stdout), `1: Pulling from team/app\n${end("Image is up to date")}`);
});

systemTest("this machine's own registry is reached without the proxy that leads elsewhere", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  const nowhere = "http://127.0.0.1:9";
  const env = { HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere, no_proxy: "other.example" };
  assertSuccess({ ...await host.dhow(["pull", "-q", `${ADDRESS}/app:1`], { env }), stdout: "" });
});

systemTest(
  "pull takes a default tag, a digest, all tags, and says little when it is told to",
  async (host) => {
    await using registry = await TestRegistry.start(host);
    const first = await host.write("first.tar", archive({ layers: [[{ path: "a", content: "a" }]] }));
    const second = await host.write("second.tar", archive({ layers: [[{ path: "b", content: "b" }]] }));
    await registry.put(first, "app:latest");
    await registry.put(second, "app:2");
    const latest = await host.dhow(["pull", `${ADDRESS}/app`]);
    assert(latest.stdout.startsWith("Using default tag: latest\nlatest: Pulling from app\n"), latest.stdout);
    const [digest] = /sha256:\w+/.exec(latest.stdout)!;
    const quiet = await host.dhow(["pull", "-q", `${ADDRESS}/app@${digest}`]);
    assertEquals([quiet.code, quiet.stdout, quiet.stderr], [0, `${ADDRESS}/app@${digest}\n`, ""]);
    assertEquals(await images(host), [`${ADDRESS}/app:latest`]);
    const all = await host.dhow(["pull", "--all-tags", `${ADDRESS}/app`]);
    assertSuccess(all);
    assert(/^2: Pulling from app\n[^]*\nlatest: Pulling from app\n/.test(all.stdout), all.stdout);
    assert(
      all.stdout.endsWith(`Status: Downloaded newer image for ${ADDRESS}/app\n${ADDRESS}/app\n`),
      all.stdout,
    );
    assertEquals(await images(host), [`${ADDRESS}/app:2`, `${ADDRESS}/app:latest`]);
  },
);

systemTest("only the layers that the store lacks are downloaded", async (host) => {
  await using registry = await TestRegistry.start(host);
  const layers = ["a", "b", "c"].map((name) => [{ path: name, content: name }]);
  await registry.put(await host.write("first.tar", archive({ layers: layers.slice(0, 2) })), "app:1");
  await registry.put(await host.write("second.tar", archive({ layers })), "app:2");
  assertSuccess(await host.dhow(["pull", `${ADDRESS}/app:1`]));
  const { stdout } = await host.dhow(["pull", `${ADDRESS}/app:2`]);
  const count = (what: string) => stdout.split("\n").filter((line) => line.endsWith(what)).length;
  assertEquals([count("Already exists"), count("Download complete")], [2, 1]);
});

systemTest("an image in OCI's format is pulled as well", async (host) => {
  await using registry = await TestRegistry.start(host);
  const path = await host.write("image.tar", archive({ layers: [busyboxLayer()] }));
  await host.succeed(["skopeo", "copy", "--quiet", `docker-archive:${path}`, `oci:${host.file("oci")}:x`]);
  await registry.put(`oci:${host.file("oci")}:x`, "oci:1");
  assertSuccess(await host.dhow(["pull", `${ADDRESS}/oci:1`]));
  const { stdout } = await host.dhow(["run", "--network", "none", `${ADDRESS}/oci:1`, "echo", "hello"]);
  assertEquals(stdout, "hello\n");
});

systemTest(
  "of a multi-platform image the machine's own variant is pulled, or the one that is asked for",
  async (host) => {
    await using registry = await TestRegistry.start(host);
    const [own, other] = ARCHITECTURES;
    await registry.putVariants("multi", [own, other]);
    assertSuccess({ ...await host.dhow(["pull", "-q", `${ADDRESS}/multi`]), stdout: "" });
    const { stdout } = await host.dhow(["run", "--network", "none", `${ADDRESS}/multi`, "cat", "/for"]);
    assertEquals(stdout, own);
    assertSuccess(await host.dhow(["pull", "--platform", `linux/${other}`, `${ADDRESS}/multi`]));
    const refused = await host.dhow(["run", "--network", "none", `${ADDRESS}/multi`, "true"]);
    assertFailure(refused, 125, new RegExp(`it is for linux/${other}`));
    const missing = await host.dhow(["pull", "-q", "--platform", "linux/riscv64", `${ADDRESS}/multi`]);
    assertFailure(missing, 1, /no variant for linux\/riscv64, only for linux\/\w+, linux\/\w+/);
  },
);

systemTest("what cannot be pulled is an error in one line, and leaves nothing", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  for (
    const [args, code, said] of [
      [[`${ADDRESS}/app:2`], 1, /answers 404 \(manifest unknown/],
      [[`${ADDRESS}/none:1`], 1, /answers 404 \(manifest unknown/],
      [[`${ADDRESS}/app@sha256:${"0".repeat(64)}`], 1, /answers 404/],
      [["127.0.0.1:5009/app:1"], 1, /127\.0\.0\.1:5009: .*refused/],
      [["198.51.100.2:5000/app:1"], 1, /198\.51\.100\.2:5000: .*refused/],
      [["App"], 1, /must be lowercase/],
      [[], 1, /exactly one argument/],
      [["a", "b"], 1, /exactly one argument/],
      [["-a", `${ADDRESS}/app:1`], 1, /a tag cannot be used with --all-tags/],
      [["--platform", "x", `${ADDRESS}/app:1`], 1, /platform/],
    ] as const
  ) {
    assertFailure(await host.dhow(["pull", "-q", ...args]), code, said);
  }
  assertEquals(await images(host), []);
});
