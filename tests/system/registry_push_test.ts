import { assert, assertEquals } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxLayer } from "../support/images.ts";
import {
  ADDRESS,
  PASSWORD,
  PROXY_ADDRESS,
  startFaultProxy,
  TestRegistry,
  USER,
} from "../support/registry.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";

const LAYERS = [busyboxLayer(), [{ path: "greeting", content: "hello\n" }]];

/** Loads an image of two layers under some names. */
async function load(host: Host, ...tags: string[]): Promise<void> {
  const path = await host.write("image.tar", archive({ layers: LAYERS, tags }));
  assertEquals((await host.dhow(["load", "-q", "-i", path])).code, 0);
}

/** What a push says of layers, sorted, without their ids. */
function layersOf(stdout: string): string[] {
  return stdout.split("\n").flatMap((line) =>
    /^[0-9a-f]{12}: (?!Compressing|Pushing)(.*)$/.exec(line)?.[1] ?? []
  ).sort();
}

interface RawManifest {
  readonly mediaType: string;
  readonly config: { readonly mediaType: string };
  readonly layers: readonly { readonly mediaType: string; readonly digest: string }[];
}

async function rawManifest(host: Host, name: string): Promise<RawManifest> {
  const inspect = ["skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${name}`];
  return JSON.parse(await host.succeed(inspect));
}

systemTest("what dhow pushed, skopeo copies and dhow pulls", async (host) => {
  await using _ = await TestRegistry.start(host);
  const name = `${ADDRESS}/team/app`;
  await load(host, `${name}:1`);
  const pushed = await host.dhow(["push", `${name}:1`]);
  assertSuccess(pushed);
  const lines = pushed.stdout.trim().split("\n");
  assertEquals(lines[0], `The push refers to repository [${name}]`);
  assertEquals(layersOf(pushed.stdout), ["Pushed", "Pushed"]);
  const [, digest] = /^1: digest: (sha256:[0-9a-f]{64}) size: \d+$/.exec(lines.at(-1)!)!;
  const { mediaType, config, layers } = await rawManifest(host, `${name}@${digest}`);
  assertEquals([mediaType, config.mediaType, ...layers.map((layer) => layer.mediaType)], [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
  ]);
  const copy = host.file("copy.tar");
  const from = `docker://${name}:1`;
  await host.succeed([
    "skopeo",
    "copy",
    "--quiet",
    "--src-tls-verify=false",
    from,
    `docker-archive:${copy}:copy:1`,
  ]);
  for (const args of [["load", "-q", "-i", copy], ["pull", "-q", `${name}:1`]]) {
    const root = host.file(args[0]!);
    assertEquals((await host.dhow(["--root", root, ...args])).code, 0);
    const image = args[0] === "load" ? "copy:1" : `${name}:1`;
    const run = await host.dhow(["--root", root, "run", "--network", "none", image, "cat", "/greeting"]);
    assertEquals(run.stdout, "hello\n");
  }
});

systemTest(
  "layers that the registry has are not sent again, but mounted from where they are",
  async (host) => {
    await using registry = await TestRegistry.start(host);
    await load(host, `${ADDRESS}/one:1`, `${ADDRESS}/two:1`);
    const push = async (name: string, ...args: string[]) => {
      const output = await host.dhow(["push", ...args, `${ADDRESS}/${name}`]);
      assertSuccess(output);
      return layersOf(output.stdout);
    };
    assertEquals(await push("one:1"), ["Pushed", "Pushed"]);
    assertEquals(await push("one:1"), ["Layer already exists", "Layer already exists"]);
    assertEquals(await push("two:1"), ["Mounted from one", "Mounted from one"]);
    // what was pulled is known as well, although skopeo has compressed it in its own way
    const other = await host.write("other.tar", archive({ layers: [LAYERS[1]!] }));
    await registry.put(other, "three:1");
    assertSuccess({ ...await host.dhow(["pull", "-q", `${ADDRESS}/three:1`]), stdout: "" });
    assertEquals(await push("three:1"), ["Layer already exists"]);
  },
);

systemTest("all tags of a repository are pushed at once, quietly if that is wanted", async (host) => {
  await using _ = await TestRegistry.start(host);
  await load(host, `${ADDRESS}/app:1`, `${ADDRESS}/app:latest`, `${ADDRESS}/other:1`);
  const all = await host.dhow(["push", "--all-tags", `${ADDRESS}/app`]);
  assertSuccess(all);
  assertEquals(all.stdout.match(/^\w+(?=: digest: )/gm), ["1", "latest"]);
  const quiet = await host.dhow(["push", "-q", `${ADDRESS}/app`]);
  assertEquals([quiet.code, quiet.stdout, quiet.stderr], [0, `${ADDRESS}/app:latest\n`, ""]);
  const both = await host.dhow(["push", "-a", "-q", `${ADDRESS}/app`]);
  assertEquals([both.code, both.stdout, both.stderr], [0, `${ADDRESS}/app\n`, ""]);
  const tags = await host.succeed(["skopeo", "list-tags", "--tls-verify=false", `docker://${ADDRESS}/app`]);
  assertEquals(JSON.parse(tags).Tags.sort(), ["1", "latest"]);
});

systemTest("an image that was pushed is known by its digest, and found by it", async (host) => {
  await using _ = await TestRegistry.start(host);
  await load(host, `${ADDRESS}/app:1`);
  const { stdout } = await host.dhow(["push", `${ADDRESS}/app:1`]);
  const name = `${ADDRESS}/app@${/digest: (sha256:\w+)/.exec(stdout)![1]}`;
  const digests = await host.dhow(["inspect", "-f", "{{json .RepoDigests}}", name]);
  assertEquals([digests.stdout, digests.stderr], [`["${name}"]\n`, ""]);
  const { stdout: removed } = await host.dhow(["rmi", `${ADDRESS}/app:1`]);
  assert(removed.startsWith(`Untagged: ${ADDRESS}/app:1\nUntagged: ${name}\nDeleted: `), removed);
});

systemTest("an image that came with a manifest of OCI's goes out with one", async (host) => {
  await using registry = await TestRegistry.start(host);
  const path = await host.write("image.tar", archive({ layers: LAYERS }));
  await host.succeed(["skopeo", "copy", "--quiet", `docker-archive:${path}`, `oci:${host.file("oci")}:x`]);
  await registry.put(`oci:${host.file("oci")}:x`, "oci:1");
  assertSuccess({ ...await host.dhow(["pull", "-q", `${ADDRESS}/oci:1`]), stdout: "" });
  assertSuccess({ ...await host.dhow(["push", "-q", `${ADDRESS}/oci:1`]), stdout: "" });
  const { mediaType, config, layers } = await rawManifest(host, `${ADDRESS}/oci:1`);
  assertEquals([mediaType, config.mediaType, layers[0]!.mediaType], [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
  ]);
});

for (const auth of ["basic", "token"] as const) {
  systemTest(`a push needs a login where the registry wants one (${auth})`, async (host) => {
    await using _ = await TestRegistry.start(host, { auth });
    await load(host, `${ADDRESS}/private/one:1`, `${ADDRESS}/private/two:1`);
    const env = { DOCKER_CONFIG: host.file("docker") };
    const push = (name: string) => host.dhow(["push", `${ADDRESS}/private/${name}:1`], { env });
    const refused = await push("one");
    assertEquals(refused.code, 1);
    assert(/401 \(unauthorized.*dhow login/.test(refused.stderr), refused.stderr);
    const login = ["login", "-u", USER, "--password-stdin", ADDRESS];
    assertEquals((await host.dhow(login, { env, stdin: PASSWORD })).code, 0);
    assertSuccess(await push("one"));
    assertEquals(layersOf((await push("two")).stdout), [
      "Mounted from private/one",
      "Mounted from private/one",
    ]);
  });
}

systemTest("an upload that fails in passing is made again", async (host) => {
  await using _ = await TestRegistry.start(host);
  await using proxy = await startFaultProxy(host, [
    { request: "POST", times: 1, do: { kind: "status", status: 503 } },
    { request: "PATCH", times: 2, do: { kind: "status", status: 500 } },
    { request: "PATCH", times: 1, do: { kind: "cut", after: 0 } },
    { request: "PUT .*blobs", times: 1, do: { kind: "status", status: 502 } },
    { request: "PUT .*manifests", times: 2, do: { kind: "status", status: 503 } },
  ]);
  const name = `${PROXY_ADDRESS}/app:1`;
  await load(host, name);
  const pushed = await host.dhow(["push", name]);
  assertEquals([pushed.code, layersOf(pushed.stdout)], [0, ["Pushed", "Pushed"]], pushed.stderr);
  assert(proxy.stdout.text.match(/ POST .* ok/g)!.length >= 4);
  assertEquals((await rawManifest(host, `${ADDRESS}/app:1`)).layers.length, 2);
});

systemTest("a registry that takes a manifest for another one is not believed", async (host) => {
  await using _ = await TestRegistry.start(host);
  await using __ = await startFaultProxy(host, [
    { request: "PUT .*manifests", times: 1, do: { kind: "wrong-digest" } },
  ]);
  await load(host, `${PROXY_ADDRESS}/app:1`);
  const output = await host.dhow(["push", "-q", `${PROXY_ADDRESS}/app:1`]);
  assertFailure(output, 1, /has taken a manifest of digest sha256:0000/);
});

systemTest("a push that is killed leaves nothing once the next command has run", async (host) => {
  await using _ = await TestRegistry.start(host);
  await using proxy = await startFaultProxy(host, [{
    request: "PATCH",
    times: 2,
    do: { kind: "hang", after: 0 },
  }]);
  const name = `${PROXY_ADDRESS}/app:1`;
  await load(host, name);
  const before = await snapshot(host);
  await using push = host.spawnDhow(["push", name]);
  await proxy.stdout.until(/PATCH .* hang\n/);
  // the request may be the config's, which is sent while the layers are compressed
  await eventually(async () => assert((await host.shell("ls /var/lib/dhow/spool/*")).includes("sha256-")));
  await push.kill("KILL");
  await push.output();
  assertSuccess({ ...await host.dhow(["images", "-q"]), stdout: "" });
  await sameAgain(host, before);
  assertSuccess(await host.dhow(["push", name]));
});

systemTest("what cannot be pushed is an error in one line", async (host) => {
  await load(host, `${ADDRESS}/app:1`);
  for (
    const [args, code, said] of [
      [["none:1"], 1, /no image of that name in the store/],
      [["-a", "none"], 1, /no image of that name in the store/],
      [[`${ADDRESS}/app:1`], 1, /127\.0\.0\.1:5000: .*refused/],
      [[`app@sha256:${"0".repeat(64)}`], 1, /it has a digest/],
      [["-a", `${ADDRESS}/app:1`], 1, /a tag cannot be used with --all-tags/],
      [[], 1, /exactly one argument/],
    ] as const
  ) {
    assertFailure(await host.dhow(["push", "-q", ...args]), code, said);
  }
});
