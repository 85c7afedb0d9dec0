// Damaged archives: what comes of each is a clean success or a clean error, and nothing is changed outside of the store.
//
//   DHOW_FUZZ_SEEDS=7 or 1000-9000: other cases than the usual ones
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { gzipSync } from "node:zlib";
import { archive } from "../support/image.ts";
import { busyboxArchive } from "../support/images.ts";
import { Layout } from "../support/layout.ts";
import { mutate } from "../support/mutate.ts";
import { type Output, run, succeed } from "../support/process.ts";
import { Random, seeds } from "../support/random.ts";
import { TreeMaker, UNLIMITED } from "../support/random_tree.ts";
import { eachStorage, Store } from "../support/store.ts";
import { gnuTar, writeTree } from "../support/write_tree.ts";

const SEEDS = seeds("DHOW_FUZZ_SEEDS", 1, 240);

/** Cases that run at once, each in a store of its own. */
const WORKERS = 2;

interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Whether it is a tar of files, for `import`. */
  readonly isLayer: boolean;
}

/** Without what differs from one run of tar to the next. */
const PAX = [
  "--format=pax",
  "--pax-option=exthdr.name=x,delete=atime,delete=ctime",
  "--xattrs",
  "--xattrs-include=*",
];

/** One archive of each kind; most are small. */
async function makeSamples(folder: string): Promise<Sample[]> {
  const layers: Uint8Array[] = [];
  for (const seed of [1, 2]) {
    const at = join(folder, `${seed}`);
    Deno.mkdirSync(at);
    const tree = new TreeMaker(new Random(seed), { ...UNLIMITED, path: 600 }).tree();
    // large files would only be more of the same
    for (const [path, node] of tree) {
      if (node.size > 20_000) tree.set(path, { ...node, size: 0, pieces: [] });
    }
    writeTree(join(at, "tree"), tree);
    const format = seed === 1 ? PAX : ["--format=gnu"];
    await gnuTar(...format, "-S", "--owner=0", "--group=0")(at, `${at}.tar`);
    layers.push(Deno.readFileSync(`${at}.tar`));
  }
  const zstd = await run(["zstd", "-qc", join(folder, "1.tar")]);
  const stored = new Map([[layers[0]!, zstd.bytes], [layers[1]!, gzipSync(layers[1]!)]]);
  const layout = new Layout();
  layout.top(layout.image({ layers, stored: (layer) => stored.get(layer)! }));
  const legacy = archive({ layers });
  const image = (name: string, bytes: Uint8Array) => ({ name, bytes, isLayer: false });
  const layer = (name: string, bytes: Uint8Array) => ({ name, bytes, isLayer: true });
  Deno.writeFileSync(join(folder, "legacy.tar"), legacy);
  return [
    image("docker save", Deno.readFileSync(await busyboxArchive())),
    image("docker save, small", legacy),
    image("docker save, small", legacy),
    image("docker save with gzip layers", archive({ layers, gzip: true })),
    image("docker save since 25", archive({ layers, layout: "oci" })),
    image("docker save since 25 with gzip layers", archive({ layers, layout: "oci", gzip: true })),
    image("OCI archive with zstd and gzip layers", layout.archive()),
    image("docker save in gzip", gzipSync(legacy)),
    image("docker save in zstd", (await run(["zstd", "-qc", join(folder, "legacy.tar")])).bytes),
    layer("pax tar", layers[0]!),
    layer("GNU tar", layers[1]!),
    layer("tar in gzip", stored.get(layers[1]!)!),
    layer("tar in zstd", zstd.bytes),
  ];
}

/** @throws {AssertionError} unless it went well or ended with one line that is an error of dhow's */
function assertClean({ code, stderr }: Output, codes: readonly number[]): void {
  const lines = stderr.split("\n").slice(0, -1);
  assert(codes.includes(code), `exit code ${code}: ${stderr}`);
  assert(lines.every((line) => line.startsWith("dhow: ")) && stderr.length < 5000, stderr);
  assert(!/a bug in dhow|panicked|fatal|core dumped/i.test(stderr), stderr);
  if (code !== 0) assertEquals(lines.filter((line) => !line.includes("warning")).length, 1, stderr);
}

/** What is in the store's folders, by its name; without the indexes of archives that were used in place. */
function contents(store: Store): string[] {
  const below = (folder: string): string[] => {
    try {
      return Array.from(Deno.readDirSync(join(store.root, folder)), ({ name }) => `${folder}/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  };
  return ["layers", "spool", "containers"].flatMap(below).sort();
}

/** One damaged archive, in one of the ways to read it. */
async function tryCase(store: Store, samples: readonly Sample[], seed: number): Promise<void> {
  const random = new Random(seed);
  const sample = random.pick(samples);
  const { bytes, what } = mutate(sample.bytes, random);
  const path = store.write("image", bytes);
  const before = contents(store);
  const way = sample.isLayer ? "import" : random.pick(["load", "load", "run", "stdin"] as const);
  try {
    if (way === "run") return await tryRun(store, path);
    const command = { load: ["load", "-q", "-i", path], stdin: ["load", "-q"], import: ["import", "-"] }[way];
    const output = way === "load"
      ? await store.dhow(...command)
      : await run(["sh", "-c", `exec "$@" <"$0"`, path, ...store.command(...command)]);
    assertClean(output, [0, 1]);
    if (output.code === 0) await assertLoaded(store);
    else assertEquals(contents(store), before);
  } catch (error) {
    const again = `DHOW_FUZZ_SEEDS=${seed}`;
    throw new Error(`${way} of ${sample.name}, ${what} (${again}): ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** In a store of its own, for `run` may keep what it loads. */
async function tryRun({ globals }: Store, path: string): Promise<void> {
  using store = new Store(globals);
  const output = await store.dhow("run", "--network", "none", path, "/no such program");
  assertClean(output, [125, 126, 127]);
  if (output.code === 125) assertEquals(contents(store), []);
}

/** What was loaded is whole, can be removed again, and leaves nothing. */
async function assertLoaded(store: Store): Promise<void> {
  const ids = [...new Set((await store.dhow("images", "-q")).stdout.trim().split("\n"))];
  for (const args of [["image", "verify", ...ids], ["rmi", "-f", ...ids]]) {
    const { code, stderr } = await store.dhow(...args);
    assertEquals(code, 0, stderr);
  }
  assertEquals(contents(store), []);
}

/** Everything that a hostile archive could have changed: what lies beside the store, and the machine's mounts. */
async function surroundings(folder: string): Promise<string> {
  const files = await succeed(["find", folder, "-printf", "%p %y %m %U:%G %s %T@ %l\n"]);
  return files + Deno.readTextFileSync("/proc/self/mountinfo");
}

eachStorage("damaged archives are used or refused, and change nothing", async (canary) => {
  Deno.mkdirSync(canary.file("samples"));
  const samples = await makeSamples(canary.file("samples"));
  const before = await surroundings(canary.folder);
  let next = 0;
  const work = async () => {
    // beside the canary, where `..` of a name would lead
    using store = new Store(canary.globals);
    await store.dhow("images");
    while (next < SEEDS.length) await tryCase(store, samples, SEEDS[next++]!);
    await store.dhow("recover");
    assertEquals((await store.dhow("images", "-q")).stdout, "");
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  assertEquals(await surroundings(canary.folder), before);
});
