// How much memory an archive can make dhow take, whatever is in it: what docs/design.md says, and no more.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { gzipSync } from "node:zlib";
import { bombArchive, dockerArchive, entries, headers } from "../support/bomb.ts";
import { type Output, run } from "../support/process.ts";
import { eachStorage, type Store, storeTest } from "../support/store.ts";
import { concatenate, tar, type TarEntry } from "../support/tar.ts";

/** What any archive may take, and an ordinary one of 100,000 files, in MiB. */
const BOUND = 1536;
const ORDINARY = 200;
/** For what is refused before much of it was read. */
const SMALL = 400;

/**
 * Runs a command, in a cgroup of its own that has BOUND and no more where there are cgroups of memory, and writes down its largest
 * resident set in KiB.
 */
const MEASURE = `
import os, resource, subprocess, sys
bounded = None
for parent, limit in ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"):
    folder = os.path.join(parent, "dhow-memory-test-%d" % os.getpid())
    if bounded or not os.path.exists(os.path.join(parent, "cgroup.procs")): continue
    os.mkdir(folder)
    if not os.path.exists(os.path.join(folder, limit)):
        os.rmdir(folder)
        continue
    open(os.path.join(folder, limit), "w").write(str(${BOUND << 20}))
    bounded = folder
def enter():
    if bounded: open(os.path.join(bounded, "cgroup.procs"), "w").write(str(os.getpid()))
try:
    code = subprocess.call(sys.argv[2:], preexec_fn=enter)
finally:
    if bounded: os.rmdir(bounded)
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code if code >= 0 else 128 - code)`;

interface Measured extends Output {
  /** The largest resident set, in MiB. */
  readonly peak: number;
}

async function measured(store: Store, ...args: string[]): Promise<Measured> {
  const file = store.file("peak");
  const output = await run(["python3", "-c", MEASURE, file, ...store.command(...args)]);
  return { ...output, peak: Number(Deno.readTextFileSync(file)) / 1024 };
}

/** Loads what must be refused. */
async function refused(store: Store, path: string, bound: number, ...whys: RegExp[]): Promise<void> {
  const { code, stdout, stderr, peak } = await measured(store, "load", "-q", "-i", path);
  assertEquals([code, stdout, stderr.split("\n").length], [1, "", 2], stderr);
  for (const why of whys) assertMatch(stderr, why);
  assertMatch(stderr, /image\.tar/);
  assertEquals(store.layerFiles(), []);
  assert(peak < bound, `${peak} MiB`);
}

const inTar = (name: string, test: (store: Store) => Promise<void>) => storeTest(name, test, "erofs");

const LAYER = /cannot use layer "layer\.tar" of /;

inTar("a million files and one more are refused within the bound", async (store) => {
  const path = await bombArchive(store, headers(1_000_001, (index) => `d${index % 1000}/file-${index}`));
  await refused(store, path, BOUND, LAYER, /entry "d0\/file-\d+": .* more than 1000000 entries/);
});

inTar(
  "half a million directories, the worst that there may be, are loaded within the bound",
  async (store) => {
    const path = await bombArchive(store, headers(490_000, (index) => `d${index}/`, "5"));
    const { code, stderr, peak } = await measured(store, "load", "-q", "-i", path);
    assertEquals([code, stderr], [0, ""]);
    assert(peak < BOUND, `${peak} MiB`);
  },
);

const TEXT = /entry ".*": the names, attributes and directories of the image take more than 268435456 bytes/;

for (
  const [what, count, entry] of [
    [
      "directories that nothing but a name asks for",
      400,
      (index) => ({ path: "x", pax: { path: `${index}${"/d".repeat(2000)}` } }),
    ],
    [
      "directories in each other, deeper than a path may be",
      400,
      (index) => ({ path: "x", pax: { path: `link/${index}${"/d".repeat(1500)}` } }),
    ],
    [
      "attributes with next to nothing in them",
      40,
      (index) => {
        const names = Array.from({ length: 20_000 }, (_, number) => [`SCHILY.xattr.user.${number}`, ""]);
        return { path: `f${index}`, pax: Object.fromEntries(names) };
      },
    ],
    [
      "large attributes",
      320,
      (index) => ({ path: `f${index}`, pax: { "SCHILY.xattr.user.x": "x".repeat(1_000_000) } }),
    ],
    [
      "maps of holes",
      40,
      (index) => {
        const map = Array.from({ length: 60_000 }, (_, number) => `${2 * number},1`).join();
        const pax = { "GNU.sparse.size": "120000", "GNU.sparse.numblocks": "60000", "GNU.sparse.map": map };
        return { path: `f${index}`, pax, content: new Uint8Array(60_000) };
      },
    ],
  ] as [string, number, (index: number) => TarEntry][]
) {
  inTar(`too many ${what} are refused within the bound`, async (store) => {
    const deep: TarEntry = { path: "link", type: "symlink", pax: { linkpath: "t".padEnd(2000, "/t") } };
    await refused(
      store,
      await bombArchive(store, [
        tar([deep]).subarray(0, -1024),
        ...entries(count, entry),
      ]),
      BOUND,
      LAYER,
      TEXT,
    );
  });
}

inTar("the archive itself may hold no more than an image", async (store) => {
  const pax = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, index) => [`SCHILY.xattr.user.${index}`, ""]),
  );
  const parts = [...entries(40, (index) => ({ path: `f${index}`, pax }))];
  await refused(store, store.write("image.tar", concatenate(parts)), BOUND, /cannot read archive/, TEXT);
});

/** The header of an entry whose size is a lie. */
function lying(flag: string, size: Uint8Array): Uint8Array {
  const header = tar([{ path: "liar" }]).slice(0, 512);
  header[156] = flag.charCodeAt(0);
  header.set(size, 124);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return header;
}

const octal = (size: number) => new TextEncoder().encode(size.toString(8).padStart(11, "0"));
const EIGHT_EXBIBYTES = Uint8Array.of(0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

for (
  const [what, flag, size, why] of [
    ["a pax header of 500 MB", "x", octal(500_000_000), /extended header has 500000000 bytes/],
    ["a global pax header of 8 GB", "g", octal(8_000_000_000), /extended header has 8000000000 bytes/],
    ["a GNU long name of 500 MB", "L", octal(500_000_000), /extended header has 500000000 bytes/],
    ["a GNU long link of 500 MB", "K", octal(500_000_000), /extended header has 500000000 bytes/],
    ["a file of 8 EiB", "0", EIGHT_EXBIBYTES, /entry "liar": .*absurdly large/],
    ["a file of 8 GB that is not there", "0", octal(8_000_000_000), /it is truncated/],
  ] as const
) {
  eachStorage(`${what} is refused before it takes memory`, async (store) => {
    await refused(store, await bombArchive(store, [lying(flag, size)]), SMALL, LAYER, why);
  });
}

eachStorage("a file with a hole of 8 PiB is kept as one, or refused", async (store) => {
  const pax = { "GNU.sparse.size": `${2 ** 53 - 1}`, "GNU.sparse.numblocks": "0", "GNU.sparse.map": "" };
  const path = await bombArchive(store, entries(1, () => ({ path: "hole", pax })));
  const { code, stderr, peak } = await measured(store, "load", "-q", "-i", path);
  assert(code === 0 || /^dhow: cannot (unpack|use) "?.*hole.*\n$/.test(stderr), stderr);
  assert(peak < SMALL, `${peak} MiB`);
});

const MEBIBYTE = 1 << 20;

eachStorage("a layer of gigabytes in a gzip of a few megabytes ends where the disk does", async (store) => {
  const zeros = gzipSync(new Uint8Array(MEBIBYTE));
  const members = Array.from({ length: 3000 }, () => zeros);
  const stored = concatenate([gzipSync(lying("0", octal(3000 * MEBIBYTE))), ...members]);
  const path = store.write("image.tar", dockerArchive(stored, "0".repeat(64)));
  Deno.mkdirSync(store.root);
  // a file system of its own, in a mount namespace that goes with the shell
  const script = `truncate -s 200m "$0.img"; mkfs.ext4 -q -O ^has_journal "$0.img"; mount "$0.img" "$0"
    "$@"; code=$?; du -sm "$0" | cut -f 1; exit $code`;
  const file = store.file("peak");
  const load = ["python3", "-c", MEASURE, file, ...store.command("load", "-q", "-i", path)];
  const { code, stdout, stderr } = await run(["unshare", "--mount", "sh", "-c", script, store.root, ...load]);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /^dhow: no space left: .*layer\.tar.*\n$/);
  assert(Number(stdout) < 5, `${stdout} MiB are left`);
  const peak = Number(Deno.readTextFileSync(file)) / 1024;
  assert(peak < SMALL, `${peak} MiB`);
});

const HALF = 2_000_000;

for (
  const [what, manifest, config, why] of [
    ["a manifest of 5 MB", " ".repeat(5_000_000), "", /"manifest.json" has 5000000 bytes, more than 4194304/],
    ["lists in lists, millions deep", "[".repeat(HALF) + "]".repeat(HALF), "", /without a Config/],
    ["lists in lists that do not end", "[".repeat(2 * HALF), "", /manifest.json is not JSON/],
    [
      "a million layers",
      `[{"Config":"c","Layers":[${'"l",'.repeat(1_000_000 - 1)}"l"]}]`,
      `{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:${"0".repeat(64)}"]}}`,
      /names "l", which is no file|lists 1000000 layers/,
    ],
    [
      "a config with 50,000 layers",
      '[{"Config":"c","Layers":[]}]',
      `{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":[${
        Array(50_000).fill(`"sha256:${"0".repeat(64)}"`)
      }]}}`,
      /it has 50000 layers, more than the 500/,
    ],
    [
      "more configs than one archive may have",
      `[${Array(20).fill('{"Config":"c","Layers":["c"]}')}]`,
      `{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:${"0".repeat(64)}"]},"x":"${
        "x".repeat(4_000_000)
      }"}`,
      /more than 67108864 bytes together/,
    ],
  ] as const
) {
  inTar(`${what}: refused, and memory stays small`, async (store) => {
    const content = [{ path: "manifest.json", content: manifest }, { path: "c", content: config }];
    await refused(store, store.write("image.tar", tar(content)), SMALL + 300, why);
  });
}

eachStorage(
  "memory grows with the number of files, and 100,000 need less than 200 MB",
  async (store, storage) => {
    const peaks: number[] = [];
    for (const count of storage === "erofs" ? [1000, 10_000, 100_000] : [1000, 100_000]) {
      const path = await bombArchive(store, headers(count, (index) => `d${index % 100}/file-${index}`));
      const { code, stderr, peak } = await measured(store, "load", "-q", "-i", path);
      assertEquals([code, stderr], [0, ""]);
      peaks.push(peak);
    }
    assert(peaks.at(-1)! < ORDINARY, `${peaks} MiB`);
    // V8 collects when it likes: no more than twice a kibibyte for each
    assert(peaks.at(-1)! - peaks[0]! < 2 * 100, `${peaks} MiB`);
  },
);
