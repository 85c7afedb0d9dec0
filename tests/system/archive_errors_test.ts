import { assertEquals } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer, busyboxWith } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";
import { tar } from "../support/tar.ts";

/** Both `run` and `load` refuse the file, say why in one line, and keep nothing of it. */
async function refused(host: Host, path: string, ...parts: RegExp[]): Promise<void> {
  assertFailure(await host.dhow(["run", "--network", "none", path, "true"]), 125, ...parts);
  assertFailure(await host.dhow(["load", "-q", "-i", path]), 1, ...parts);
  assertEquals((await host.dhow(["images", "-q"])).stdout, "");
  assertEquals(storedLayers(host), []);
}

function storedLayers(host: Host): string[] {
  try {
    return [...Deno.readDirSync(host.path("/var/lib/dhow/layers"))].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

systemTest("an archive that is missing", async (host) => {
  await refused(host, host.file("missing.tar"), /missing\.tar/, /no such file/);
});

systemTest("an image that is neither in the store nor a path", async (host) => {
  assertFailure(
    await host.dhow(["run", "--pull", "never", "no-such-image", "true"]),
    125,
    /no-such-image/,
    /dhow pull/,
  );
});

systemTest("a folder that is no image", async (host) => {
  await refused(host, host.file(""), /folder/, /index\.json/);
});

systemTest("an archive that ends in the middle, anywhere", async (host) => {
  const whole = await Deno.readFile(await busyboxArchive());
  for (const size of [whole.length - 20_000, Math.floor(whole.length / 2), 700, 100]) {
    const path = await host.write("cut.tar", whole.subarray(0, size));
    assertFailure(
      await host.dhow(["run", "--network", "none", path, "true"]),
      125,
      /cut\.tar/,
      /ends|truncated|not a tar/,
    );
    assertEquals(storedLayers(host), []);
  }
});

systemTest("an archive whose gzip layer ends in the middle", async (host) => {
  const cut = archive({ layers: [busyboxLayer()], gzip: true });
  // the layer's own bytes are damaged, the archive around it is whole
  const damaged = cut.slice();
  damaged.fill(0, 400_000, 500_000);
  await refused(host, await host.write("damaged.tar", damaged), /damaged\.tar|layer/);
});

systemTest("an archive that is empty", async (host) => {
  await refused(host, await host.write("empty.tar", ""), /empty\.tar/);
});

systemTest("a file that is not a tar", async (host) => {
  await refused(
    host,
    await host.write("text.tar", "just some text\n".repeat(1000)),
    /text\.tar/,
    /not a tar/,
  );
});

systemTest("a tar that is not an image", async (host) => {
  await refused(
    host,
    await host.write("files.tar", tar([{ path: "file", content: "x" }])),
    /files\.tar/,
    /manifest\.json/,
  );
});

systemTest("a manifest that is not JSON, or not what it should be", async (host) => {
  for (
    const content of [
      "{",
      "[]",
      "null",
      '"text"',
      '[{"Config":1,"Layers":{}}]',
      '[{"Config":"a.json","Layers":["../../etc/passwd"]}]',
    ]
  ) {
    await refused(host, await host.write("odd.tar", tar([{ path: "manifest.json", content }])), /odd\.tar/);
  }
});

systemTest("an image whose config is missing from the archive", async (host) => {
  const content = JSON.stringify([{ Config: "gone.json", RepoTags: ["a:b"], Layers: [] }]);
  await refused(host, await host.write("odd.tar", tar([{ path: "manifest.json", content }])), /gone\.json/);
});

systemTest("an image for another CPU can be kept, but not run", async (host) => {
  const path = await host.write("other.tar", busyboxWith({}, { architecture: "s390x" }));
  assertFailure(await host.dhow(["run", "--network", "none", path, "true"]), 125, /s390x/, /amd64|arm64/);
  assertEquals((await host.dhow(["load", "-q", "-i", path])).code, 0);
  assertFailure(await host.dhow(["run", "--network", "none", "test", "true"]), 125, /s390x/, /amd64|arm64/);
});

systemTest("an image for another operating system", async (host) => {
  await refused(host, await host.write("other.tar", busyboxWith({}, { os: "windows" })), /windows/);
});

/** What `run` uses in place is hashed only when it is told to. */
async function wrongLayer(host: Host, path: string, ...patterns: RegExp[]): Promise<void> {
  assertFailure(await host.dhow(["run", "--verify", "--network", "none", path, "true"]), 125, ...patterns);
  assertFailure(await host.dhow(["load", "-q", "-i", path]), 1, ...patterns);
  assertEquals(storedLayers(host), []);
}

for (const layout of ["legacy", "oci"] as const) {
  systemTest(`a layer whose digest is wrong, in the ${layout} layout`, async (host) => {
    const image = busyboxWith({}, { diffIds: [`sha256:${"0".repeat(64)}`], layout });
    await wrongLayer(host, await host.write("wrong.tar", image), /sha256:0000/, /layer/);
  });
}

systemTest("a second layer whose digest is wrong: the first is not kept either", async (host) => {
  const layers = [busyboxLayer(), [{ path: "file", content: "x" }]];
  const good = archive({ layers });
  const text = new TextDecoder("latin1").decode(good);
  const digests = text.match(/"diff_ids":\["(sha256:\w+)","(sha256:\w+)"\]/);
  const image = archive({ layers, diffIds: [digests?.[1] ?? "", `sha256:${"0".repeat(64)}`] });
  await wrongLayer(host, await host.write("wrong.tar", image), /sha256:0000/);
});

systemTest("a config with more or fewer layers than the archive", async (host) => {
  await refused(
    host,
    await host.write("none.tar", busyboxWith({}, { diffIds: [] })),
    /none\.tar/,
    /diff_ids/,
  );
  const diffIds = ["1", "2"].map((digit) => `sha256:${digit.repeat(64)}`);
  await refused(
    host,
    await host.write("more.tar", busyboxWith({}, { diffIds })),
    /more\.tar/,
    /\b1\b.*\b2\b|\b2\b.*\b1\b/,
  );
});

systemTest("a layer that writes outside of its folder is refused or stays inside", async (host) => {
  await host.shell("mkdir /run/host/files/victim");
  const layers = [[
    ...busyboxLayer(),
    { path: "../../../../../run/host/files/victim/dots", content: "x" },
    { path: "/run/host/files/victim/absolute", content: "x" },
    { path: "out", type: "symlink" as const, target: "/run/host/files/victim" },
    { path: "out/through-link", content: "x" },
  ]];
  await host.dhow(["run", "--network", "none", await host.write("evil.tar", archive({ layers })), "true"]);
  assertEquals(await host.shell("ls /run/host/files/victim"), "");
});
