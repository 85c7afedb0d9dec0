import { assert, assertEquals, assertMatch } from "@std/assert";
import { libcCall } from "../../ffi/table.ts";
import { TarWriter } from "../../src/image/tar/writer.ts";
import { TreeArchive } from "../../src/image/walk/archive.ts";
import { openFolder } from "../../src/image/walk/directory.ts";
import { walk } from "../../src/image/walk/walker.ts";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { archive, sha256 } from "../support/image.ts";
import { REPOSITORY } from "../support/host.ts";
import { type Output, run, succeed } from "../support/process.ts";
import { type Store, storeTest } from "../support/store.ts";
import { tar } from "../support/tar.ts";
import { Memory } from "../support/tar_writer.ts";
import { describeTree, makeTree } from "../support/tree.ts";

/** Two images that share a layer; the first has two names. Returns the tree that is their lower layer. */
async function loadImages(store: Store): Promise<string> {
  const tree = store.file("tree");
  Deno.mkdirSync(tree);
  await makeTree(tree);
  const options = ["--numeric-owner", "--format=pax", "--xattrs", "--xattrs-include=*"];
  await succeed(["tar", "-C", tree, ...options, "-cf", store.file("layer.tar"), "."]);
  const lower = Deno.readFileSync(store.file("layer.tar"));
  for (
    const [upper, tags] of [
      [{ path: "app", content: "1" }, ["app:1", "app:latest"]],
      [{ path: "team", content: "2" }, ["example.com/team/app:x"]],
    ] as const
  ) {
    const image = archive({ layers: [lower, tar([upper])], tags, config: { Cmd: ["/app"], Env: ["A=1"] } });
    assertSuccess(await store.dhow("load", "-q", "-i", store.write("image.tar", image)));
  }
  return tree;
}

const NAMES = ["app:1", "app:latest", "example.com/team/app:x"];

async function save(store: Store, file: string, ...args: string[]): Promise<string> {
  assertSuccess(await store.dhow("save", "-q", "-o", store.file(file), ...args));
  return store.file(file);
}

/** What an archive holds, by its names: the image's id and its diff ids. */
async function truth(path: string): Promise<Map<string, string>> {
  const read = (name: string) => succeed(["tar", "-xOf", path, name]);
  const images = new Map<string, string>();
  for (const { Config, RepoTags } of JSON.parse(await read("manifest.json"))) {
    const { rootfs } = JSON.parse(await read(Config));
    for (const tag of RepoTags) images.set(tag, [Config.slice(-64), ...rootfs.diff_ids].join(" "));
  }
  return images;
}

/**
 * Runs a script with a dockerd of its own, which "$docker" speaks to.
 * @param args of the script; `$1` is a folder of the script's own
 */
function withDocker(store: Store, script: string, ...args: string[]): Promise<string> {
  const whole = `cd ${REPOSITORY}; . scripts/lib/common.sh; . scripts/lib/dockerd.sh
    on_exit stop_dockerd; start_dockerd "$1/docker" --storage-driver vfs --bridge none --iptables=false
    ${script}`;
  return succeed(["sh", "-euc", whole, "sh", store.folder, ...args]);
}

storeTest("what dhow saves, docker loads: the same images, under all of their names", async (store) => {
  await loadImages(store);
  const path = await save(store, "all.tar", "app", "example.com/team/app:x");
  // docker itself hashes what it loads
  const format = "$name {{.Id}}{{range .RootFS.Layers}} {{.}}{{end}}";
  const script = `"$docker" load -q -i "$2" >&2; shift 2
    for name; do "$docker" image inspect --format "${format}" "$name"; done`;
  const expected = [...await truth(path)].map(([name, image]) => `${name} sha256:${image}\n`);
  assertEquals([expected.length, await withDocker(store, script, path, ...NAMES)], [3, expected.join("")]);
});

storeTest("a layer that dhow writes, docker unpacks to the same files", async (store) => {
  const tree = store.file("tree");
  Deno.mkdirSync(tree);
  await makeTree(tree);
  // docker's export itself knows no fractions of seconds, no years before 1970, and no second name of a symlink
  const adapt = `cd "$0"; truncate -s 9000000 sparse; echo end >>sparse; rm "dir/link to symlink"
    find . -exec touch -h -d @1600000000 '{}' +`;
  await succeed(["sh", "-euc", adapt, tree]);
  const image = archive({ layers: [await tarOf(tree)] });
  const script = `mkdir "$1/out"; "$docker" load -q -i "$2" >&2
    "$docker" export "$("$docker" create test:latest x)" | tar -C "$1/out" --numeric-owner -xpf -
    cd "$1/out"; rm -rf .dockerenv dev etc proc sys; touch -r "$3" .`;
  await withDocker(store, script, store.write("image.tar", image), tree);
  const same = [store.file("out"), tree].map((folder) => describeTree(folder, false));
  const [actual, expected] = (await Promise.all(same)).map(sha256);
  assertEquals(actual, expected);
});

/** A folder as dhow's own writer tars it. */
async function tarOf(folder: string): Promise<Uint8Array> {
  const memory = new Memory();
  const root = openFolder(folder);
  try {
    await using writer = new TarWriter(memory);
    using tree = new TreeArchive(writer, () => {});
    for (const found of walk(root, () => {})) await tree.add(found);
    await writer.finish();
    return memory.bytes;
  } finally {
    libcCall("close", root);
  }
}

storeTest("what dhow saves, podman loads: the same images, under all of their names", async (store) => {
  await loadImages(store);
  const path = await save(store, "all.tar", "app", "example.com/team/app:x");
  const folders = [
    "--root",
    store.file("podman"),
    "--runroot",
    store.file("podman-run"),
    "--storage-driver",
    "vfs",
  ];
  const podman = (...args: string[]) => succeed(["podman", ...folders, ...args]);
  await podman("load", "-q", "-i", path);
  for (const [name, image] of await truth(path)) {
    const layers = await podman(
      "image",
      "inspect",
      "--format",
      "{{range .RootFS.Layers}} {{.}}{{end}}",
      name,
    );
    const id = await podman("image", "inspect", "--format", "{{.Id}}", name);
    assertEquals(`${id.trim()}${layers.trimEnd()}`, image);
  }
});

for (
  const [format, transport, reference] of [
    ["docker", "docker-archive", "app:latest"],
    ["docker", "oci-archive", "latest"],
    ["oci", "oci-archive", "latest"],
  ] as const
) {
  storeTest(
    `what dhow saves in format ${format}, skopeo reads as ${transport}, blob by blob`,
    async (store) => {
      await loadImages(store);
      const path = await save(store, "it.tar", "--format", format, "app:latest");
      const whole = await save(store, "docker.tar", "app:latest");
      const [id, ...diffIds] = (await truth(whole)).get("app:latest")!.split(" ");
      const source = `${transport}:${path}:${reference}`;
      const config = await run(["skopeo", "inspect", "--config", "--raw", source]);
      assertEquals(sha256(config.bytes), id);
      await succeed(["skopeo", "--insecure-policy", "copy", "-q", source, `dir:${store.file("copy")}`]);
      const { layers } = JSON.parse(Deno.readTextFileSync(store.file("copy/manifest.json")));
      assertEquals(layers.map(({ digest }: { digest: string }) => digest), diffIds);
      for (const digest of diffIds) {
        assertEquals(`sha256:${sha256(Deno.readFileSync(store.file(`copy/${digest.slice(7)}`)))}`, digest);
      }
    },
  );
}

storeTest("what dhow saves is an OCI layout: umoci unpacks the files that were loaded", async (store) => {
  const tree = await loadImages(store);
  const path = await save(store, "it.tar", "--format", "oci", "example.com/team/app:x");
  await succeed(["sh", "-euc", 'mkdir "$0"; tar -C "$0" -xf "$1"', store.file("layout"), path]);
  await succeed(["umoci", "unpack", "--image", `${store.file("layout")}:x`, store.file("bundle")]);
  const rootfs = store.file("bundle/rootfs");
  assertEquals(Deno.readTextFileSync(`${rootfs}/team`), "2");
  Deno.removeSync(`${rootfs}/team`);
  // the root folder was written to
  await succeed(["touch", "-r", tree, rootfs]);
  assertEquals(sha256(await describeTree(rootfs, false)), sha256(await describeTree(tree, false)));
});

storeTest("what dhow saves, dhow loads; and saving that gives the same bytes", async (store) => {
  await loadImages(store);
  const path = await save(store, "one.tar", ...NAMES);
  assertEquals(
    sha256(Deno.readFileSync(path)),
    sha256(Deno.readFileSync(await save(store, "two.tar", ...NAMES))),
  );
  const other = ["--root", store.file("other")];
  const load = await run(store.command().slice(0, 1).concat(other, "load", "-q", "-i", path));
  assertEquals(load.stdout, NAMES.map((name) => `Loaded image: ${name}\n`).join(""));
  const again = store.file("again.tar");
  assertSuccess(await run(store.command().slice(0, 1).concat(other, "save", "-q", "-o", again, ...NAMES)));
  assertEquals(sha256(Deno.readFileSync(again)), sha256(Deno.readFileSync(path)));
});

storeTest("an image that was named by its id has no name in the archive", async (store) => {
  await loadImages(store);
  const [id] = (await truth(await save(store, "named.tar", "app:1"))).get("app:1")!.split(" ");
  const path = await save(store, "nameless.tar", id!.slice(0, 12));
  const [image] = JSON.parse(await succeed(["tar", "-xOf", path, "manifest.json"]));
  assertEquals([image.RepoTags, image.Config], [null, `blobs/sha256/${id}`]);
  const listing = await succeed(["tar", "-tf", path]);
  assertEquals([listing.includes("repositories"), listing.includes("index.json")], [false, true]);
});

storeTest("save writes to a pipe what it writes to a file; nobody reading it is no error", async (store) => {
  await loadImages(store);
  const path = await save(store, "it.tar", "app:1");
  const piped: Output = await store.dhow("save", "-q", "app:1");
  assertEquals([piped.code, sha256(piped.bytes)], [0, sha256(Deno.readFileSync(path))]);
  const script = '{ "$@"; echo "code $?" >&2; } | head -c 10 >/dev/null';
  const { stderr } = await run(["sh", "-c", script, "sh", ...store.command("save", "-q", "app:1")]);
  assertEquals(stderr, "code 141\n");
});

storeTest("save refuses what it cannot write, and makes no file then", async (store) => {
  await loadImages(store);
  const out = store.file("out.tar");
  assertFailure(
    await store.dhow("save", "-q", "-o", out, "app:1", "none"),
    1,
    /cannot save "none": there is no image/,
  );
  assertFailure(await store.dhow("save", "-q", "-o", out, "--format", "zip", "app:1"), 1, /no format "zip"/);
  assertFailure(await store.dhow("save", "-q", "-o", out), 1, /no IMAGE/);
  assertFailure(await store.dhow("save", "-q", "-o", `${out}/x`, "app:1"), 1, /no directory/);
  const long = store.file("x".repeat(300));
  assertFailure(await store.dhow("save", "-q", "-o", long, "app:1"), 1, /too long \(ENAMETOOLONG\); check/);
  assertEquals([...Deno.readDirSync(store.folder)].filter(({ name }) => /out|^\.dhow/.test(name)), []);
});

storeTest("a file that save replaces is the old one or the new one, never half", async (store) => {
  await loadImages(store);
  const path = store.write("it.tar", new TextEncoder().encode("old"));
  assertFailure(await store.dhow("save", "-q", "-o", path, "none"), 1, /no image/);
  assertEquals(Deno.readTextFileSync(path), "old");
  await save(store, "it.tar", "app:1");
  const { mode } = Deno.statSync(path);
  assertEquals(mode! & 0o777, 0o600);
  assertMatch(await succeed(["tar", "-tf", path]), /^manifest\.json$/m);
  assert([...Deno.readDirSync(store.folder)].every(({ name }) => !name.startsWith(".dhow")));
});
