// Hostile layers in each way in which dhow reads them: refused, with archive, layer and entry named, and nothing is kept.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { archive } from "../support/image.ts";
import { Layout } from "../support/layout.ts";
import { type Output, run } from "../support/process.ts";
import { eachStorage, type Store } from "../support/store.ts";
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
    try: (store, layer) => store.dhow("load", "-i", written(store, layer)),
  },
  {
    name: "load of standard input",
    code: 1,
    source: /layer "[0-9a-f]{64}\/layer\.tar" of standard input/,
    try: (store, layer) => through(written(store, layer), store.command("load")),
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
    try: (store, layer) => store.dhow("load", "-i", writtenInOci(store, layer)),
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
