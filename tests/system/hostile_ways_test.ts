// Hostile layers in each way in which dhow reads them: refused, with archive, layer and entry named, and nothing is kept.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { assertFailure } from "../support/containers.ts";
import { archive, sha256 } from "../support/image.ts";
import { Layout } from "../support/layout.ts";
import { type Output, run } from "../support/process.ts";
import { eachStorage, type Store } from "../support/store.ts";
import { ADDRESS, TestRegistry } from "../support/registry.ts";
import { systemTest } from "../support/system_test.ts";
import { tar, type TarEntry } from "../support/tar.ts";

/** A header whose checksum is not what it says. */
function broken(): Uint8Array {
  const bytes = tar([{ path: "good" }, { path: "bad" }]);
  bytes[512] = "B".charCodeAt(0);
  return bytes;
}

function unknownType(): Uint8Array {
  const bytes = tar([{ path: "good" }, { path: "odd" }]);
  bytes[512 + 156] = "Q".charCodeAt(0);
  // the checksum, by so much larger as Q is larger than 0
  const sum = parseInt(new TextDecoder().decode(bytes.subarray(512 + 148, 512 + 155)), 8);
  const digits = (sum + "Q".charCodeAt(0) - "0".charCodeAt(0)).toString(8).padStart(7, "0");
  bytes.set(new TextEncoder().encode(digits), 512 + 148);
  return bytes;
}

interface Attack {
  readonly what: string;
  readonly layer: readonly TarEntry[] | Uint8Array;
  /** As the message has it; absent where no entry can be named. */
  readonly entry?: string;
  readonly why: string;
}

const ATTACKS: readonly Attack[] = [
  {
    what: "a name with ..",
    layer: [{ path: "a/../../b" }],
    entry: '"a/../../b"',
    why: "leads out of the layer",
  },
  {
    what: "a name that .. follows",
    layer: [{ path: "a/../..", type: "directory" }],
    entry: '"a/../.."',
    why: "leads out of the layer",
  },
  {
    what: "a hard link to a file of the host",
    layer: [{ path: "f", type: "hardlink", target: "/etc/passwd" }],
    entry: '"f"',
    why: 'hard link to "/etc/passwd", which is not in the layer',
  },
  {
    what: "a hard link out of the layer",
    layer: [{ path: "f", type: "hardlink", target: "../f" }],
    entry: '"f"',
    why: "leads out of the layer",
  },
  {
    what: "a hard link through a symlink to the host",
    layer: [
      { path: "link", type: "symlink", target: "/etc" },
      { path: "f", type: "hardlink", target: "link/passwd" },
    ],
    entry: '"f"',
    why: "which is not in the layer",
  },
  {
    what: "a hard link to a directory",
    layer: [{ path: "d/", type: "directory" }, { path: "f", type: "hardlink", target: "d" }],
    entry: '"f"',
    why: "is a directory",
  },
  {
    what: "a whiteout of ..",
    layer: [{ path: "d/.wh..." }],
    entry: '"d/.wh..."',
    why: "a whiteout of nothing",
  },
  {
    what: "a whiteout in what is above the layer",
    layer: [{ path: "../.wh.etc" }],
    entry: '"../.wh.etc"',
    why: "leads out of the layer",
  },
  {
    what: "an opaque mark above the layer",
    layer: [{ path: "../.wh..wh..opq" }],
    entry: '"../.wh..wh..opq"',
    why: "leads out of the layer",
  },
  {
    what: "symlinks in a circle",
    layer: [
      { path: "a", type: "symlink", target: "b" },
      { path: "b", type: "symlink", target: "a" },
      { path: "a/f" },
    ],
    entry: '"a/f"',
    why: "too many symlinks",
  },
  {
    what: "a NUL in a name",
    layer: [{ path: "x", pax: { path: "a\0b" } }],
    entry: '"a\\u0000b"',
    why: "there is a NUL in its name",
  },
  {
    what: "a NUL in a link's target",
    layer: [{ path: "x", type: "symlink", pax: { linkpath: "a\0b" } }],
    entry: '"x"',
    why: "there is a NUL in its name",
  },
  {
    what: "a symlink to nothing",
    layer: [{ path: "s", type: "symlink", target: "" }],
    entry: '"s"',
    why: "a symlink to nothing",
  },
  {
    what: "an extended attribute whose name is too long",
    layer: [{ path: "x", pax: { [`SCHILY.xattr.user.${"n".repeat(251)}`]: "v" } }],
    why: "no valid name",
  },
  {
    what: "a newline in the name of what is refused",
    layer: [{ path: "../a\ndhow: all is well" }],
    entry: '"../a\\ndhow: all is well"',
    why: "leads out of the layer",
  },
  {
    what: "a part of a name that is too long",
    layer: [{ path: "x", pax: { path: `d/${"n".repeat(256)}` } }],
    entry: '"d/nnn',
    why: "longer than 255 bytes",
  },
  {
    what: "a path that is too long",
    layer: [{ path: "x", pax: { path: "d/".repeat(2500) } }],
    entry: '"d/d/',
    why: "longer than 4095 bytes",
  },
  {
    what: "a file below a file",
    layer: [{ path: "f" }, { path: "f/g" }],
    entry: '"f/g"',
    why: "is not a directory",
  },
  {
    what: "a root that is a file",
    layer: [{ path: "./", type: "file" }],
    entry: '"./"',
    why: "is no directory",
  },
  {
    what: "a size beyond all disks",
    layer: [{ path: "x", pax: { size: "9".repeat(16) } }],
    why: "not valid",
  },
  {
    what: "a device that Linux cannot have",
    layer: [{ path: "x", type: "character", major: 0o10000, minor: 0 }],
    entry: '"x"',
    why: "out of range",
  },
  { what: "a broken checksum", layer: broken(), why: "checksum is wrong" },
  { what: "an unknown type", layer: unknownType(), entry: '"odd"', why: "is not known" },
  {
    what: "a layer that is cut",
    layer: tar([{ path: "f", content: "x".repeat(2000) }]).subarray(0, 1500),
    why: "truncated",
  },
];

interface Way {
  readonly name: string;
  /** dhow's exit code when it refuses. */
  readonly code: number;
  /** How its messages name the archive. */
  readonly source: RegExp;
  readonly try: (store: Store, layer: Uint8Array) => Promise<Output>;
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const written = (store: Store, layer: Uint8Array) =>
  store.write("image.tar", archive({ layers: [[{ path: "below" }], layer] }));

/** The same as an OCI archive with gzip layers. */
function writtenInOci(store: Store, layer: Uint8Array): string {
  const layout = new Layout();
  layout.top(layout.image({ layers: [tar([{ path: "below" }]), layer], stored: (bytes) => gzipSync(bytes) }));
  return store.write("image.tar", layout.archive());
}

const through = (input: string, command: readonly string[]) =>
  run(["sh", "-c", `cat "$0" | "$@"`, input, ...command]);

const OF_FILE = /layer "[0-9a-f]{64}\/layer\.tar" of ".*\/image\.tar"/;

const WAYS: readonly Way[] = [
  {
    name: "load",
    code: 1,
    source: OF_FILE,
    try: (store, layer) => store.dhow("load", "-q", "-i", written(store, layer)),
  },
  {
    name: "load of standard input",
    code: 1,
    source: /layer "[0-9a-f]{64}\/layer\.tar" of standard input/,
    try: (store, layer) => through(written(store, layer), store.command("load", "-q")),
  },
  {
    name: "run",
    code: 125,
    source: OF_FILE,
    try: (store, layer) => store.dhow("run", "--network", "none", written(store, layer), "true"),
  },
  {
    name: "load of a compressed OCI archive",
    code: 1,
    source: /layer "blobs\/sha256\/[0-9a-f]{64}" of ".*\/image\.tar"/,
    try: (store, layer) => store.dhow("load", "-q", "-i", writtenInOci(store, layer)),
  },
  {
    name: "import",
    code: 1,
    source: /".*\/layer\.tar"/,
    try: (store, layer) => store.dhow("import", store.write("layer.tar", layer)),
  },
];

for (const way of WAYS) {
  eachStorage(`${way.name} refuses what a hostile layer does, and says where it is`, async (store) => {
    for (const { what, layer, entry, why } of ATTACKS) {
      const bytes = layer instanceof Uint8Array ? layer : tar(layer);
      const { code, stdout, stderr } = await way.try(store, bytes);
      const seen = {
        what,
        code,
        stdout,
        lines: stderr.split("\n").length - 1,
        isNamed: way.source.test(stderr),
        stderr,
      };
      assertEquals(seen, { what, code: way.code, stdout: "", lines: 1, isNamed: true, stderr });
      if (entry !== undefined) assertStringIncludes(stderr, `entry ${entry}`);
      assertStringIncludes(stderr, why);
      assertEquals(store.layerFiles(), []);
    }
    assertEquals((await store.dhow("images", "-q")).stdout, "");
  });
}

systemTest("pull refuses what a hostile layer does, and says where it is", async (host) => {
  await using registry = await TestRegistry.start(host);
  for (const [index, what] of ["a name with ..", "symlinks in a circle", "a broken checksum"].entries()) {
    const { layer, entry, why } = ATTACKS.find((attack) => attack.what === what)!;
    const bytes = layer instanceof Uint8Array ? layer : tar(layer);
    const path = await host.write("image.tar", archive({ layers: [[{ path: "below" }], bytes] }));
    await registry.put(path, `hostile:${index}`);
    const name = `${ADDRESS}/hostile:${index}`;
    const parts = [/layer sha256:[0-9a-f]{64} of /, new RegExp(name), new RegExp(escaped(why))];
    if (entry !== undefined) parts.push(new RegExp(escaped(`entry ${entry}`)));
    assertFailure(await host.dhow(["pull", "-q", name]), 1, ...parts);
    assertEquals((await host.dhow(["images", "-q"])).stdout, "");
    assertEquals(
      await host.shell("ls /var/lib/dhow/layers /var/lib/dhow/spool 2>/dev/null | grep '^[0-9]' || true"),
      "",
    );
  }
});

/** Names of configs and layers that lead to a file of the host, or would if anybody followed them. */
const HOST_PATHS = [
  (secret: string) => secret,
  (secret: string) => `../../../../../../../../..${secret}`,
  (secret: string) => `a/../../../../../../../../..${secret}`,
  () => "absolute link",
  () => "relative link",
  () => "hard link",
];

eachStorage("a manifest that points at the host's files is refused, and they are not read", async (store) => {
  const layer = tar([{ path: "from the host" }]);
  const diffId = `sha256:${sha256(layer)}`;
  const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
  const config = JSON.stringify({
    architecture,
    os: "linux",
    rootfs: { type: "layers", diff_ids: [diffId] },
  });
  // what they lead to is a config and a layer that would do
  const secrets = {
    config: store.write("secret.json", new TextEncoder().encode(config)),
    layer: store.write("secret.tar", layer),
  };
  for (const [kind, secret] of Object.entries(secrets)) {
    for (const nameOf of HOST_PATHS) {
      const name = nameOf(secret);
      const item = { Config: "c.json", RepoTags: ["test:latest"], Layers: ["l.tar"] };
      const manifest = [kind === "config" ? { ...item, Config: name } : { ...item, Layers: [name] }];
      const path = store.write(
        "image.tar",
        tar([
          { path: "c.json", content: config },
          { path: "l.tar", content: layer },
          { path: "absolute link", type: "symlink", pax: { linkpath: secret } },
          { path: "relative link", type: "symlink", pax: { linkpath: `../../../../../../..${secret}` } },
          { path: "hard link", type: "hardlink", pax: { linkpath: secret } },
          { path: "manifest.json", content: JSON.stringify(manifest) },
        ]),
      );
      for (const [code, args] of [[1, ["load", "-q", "-i"]], [125, ["run", "--network", "none"]]] as const) {
        const output = await store.dhow(...args, path);
        assertFailure(output, code, /cannot read archive ".*image\.tar"/, /which is no file in it/);
        assertEquals(store.layerFiles(), []);
      }
    }
  }
});

eachStorage("a layout that points at the host's files is refused, and they are not read", async (store) => {
  const layer = tar([{ path: "from the host" }]);
  const good = new Layout();
  good.top(good.image({ layers: [layer] })).write(store.file("layout"));
  const blobs = store.file("layout/blobs/sha256");
  for (const { name } of [...Deno.readDirSync(blobs)]) {
    const [inside, outside] = [`${blobs}/${name}`, store.file("secret")];
    Deno.renameSync(inside, outside);
    for (const target of [outside, "../../../secret"]) {
      Deno.symlinkSync(target, inside);
      const output = await store.dhow("load", "-q", "-i", store.file("layout"));
      assertFailure(output, 1, new RegExp(`cannot read folder ".*layout".*${name}.* leads out of it`));
      Deno.removeSync(inside);
    }
    Deno.renameSync(outside, inside);
  }
  assertEquals((await store.dhow("load", "-q", "-i", store.file("layout"))).code, 0);
});
