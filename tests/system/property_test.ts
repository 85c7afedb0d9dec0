// Random trees in layers, packed by the tar programs that there are: a container sees what was on the disk.
//
//   DHOW_PROPERTY_SEEDS=7 or 100-200: other trees than the usual ones
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Docker } from "../support/docker.ts";
import { archive } from "../support/image.ts";
import { Random, seeds } from "../support/random.ts";
import { layerBetween, type Limits, type Tree, TreeMaker, UNLIMITED, USTAR } from "../support/random_tree.ts";
import { mountsErofs, Store, storeTest } from "../support/store.ts";
import {
  bsdTar,
  describe,
  type Description,
  gnuTar,
  type Packer,
  pythonTar,
  writeTree,
} from "../support/write_tree.ts";
import { View, VIEWER } from "../support/view.ts";

/** How an image gets to a container: where it is kept, and whether `run` is given the archive. */
const WAYS = [
  { way: "in place", storage: "erofs", isLoaded: false },
  { way: "erofs", storage: "erofs", isLoaded: true },
  { way: "loop", storage: "loop", isLoaded: true },
  { way: "unpacked", storage: "unpacked", isLoaded: true },
] as const;

/** A tar program with one of its formats, and what that can hold of a file. */
interface Format {
  readonly name: string;
  readonly pack: Packer;
  readonly limits: Limits;
  readonly carries: (truth: Description) => Description;
}

const everything = (file: Description) => file;

/** bsdtar writes the nanoseconds after a negative second as if they went on away from zero (libarchive 3.6). */
function bsdTime(file: Description): Description {
  const time = BigInt(file.mtime);
  const seconds = floor(time);
  const nanoseconds = time - seconds * 1_000_000_000n;
  return time >= 0n ? file : { ...file, mtime: `${seconds * 1_000_000_000n - nanoseconds}` };
}

/** ustar and GNU's format have whole seconds, and nothing for extended attributes. */
function wholeSeconds(file: Description): Description {
  return { ...file, mtime: `${floor(BigInt(file.mtime)) * 1_000_000_000n}`, xattrs: {} };
}

function floor(nanoseconds: bigint): bigint {
  const rest = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return (nanoseconds - rest) / 1_000_000_000n;
}

/** Which kinds of files a program writes as hard links. */
const GNU: Limits = { ...UNLIMITED, linked: ["file", "symlink"] };
const PYTHON: Limits = { ...UNLIMITED, linked: ["file"] };

/** bsdtar keeps a byte of each number for a space, and writes no times in base 256 (libarchive 3.6). */
const BSD_USTAR: Limits = { ...USTAR, id: 0o777777, minor: 0o777777 };
const BSD_GNU: Limits = { ...UNLIMITED, minor: 0o777777, times: USTAR.times };

const XATTRS = ["--xattrs", "--xattrs-include=*"];

const FORMATS: readonly Format[] = [
  { name: "GNU tar, pax", pack: gnuTar("--format=pax", ...XATTRS), limits: GNU, carries: everything },
  {
    name: "GNU tar, sparse pax",
    pack: gnuTar("--format=pax", "-S", ...XATTRS),
    limits: GNU,
    carries: everything,
  },
  { name: "GNU tar, gnu", pack: gnuTar("--format=gnu", "-S"), limits: GNU, carries: wholeSeconds },
  { name: "GNU tar, ustar", pack: gnuTar("--format=ustar"), limits: USTAR, carries: wholeSeconds },
  { name: "bsdtar, pax", pack: bsdTar("--format=pax"), limits: UNLIMITED, carries: bsdTime },
  {
    name: "bsdtar, gnutar",
    pack: bsdTar("--format=gnutar"),
    limits: BSD_GNU,
    carries: wholeSeconds,
  },
  { name: "bsdtar, ustar", pack: bsdTar("--format=ustar"), limits: BSD_USTAR, carries: wholeSeconds },
  { name: "python, pax", pack: pythonTar("PAX"), limits: PYTHON, carries: everything },
  { name: "python, gnu", pack: pythonTar("GNU"), limits: PYTHON, carries: wholeSeconds },
  { name: "python, ustar", pack: pythonTar("USTAR"), limits: USTAR, carries: wholeSeconds },
];

/** Three layers, and the tree that they make together. */
function randomLayers(seed: number, limits: Limits): { layers: Tree[]; tree: Tree } {
  const random = new Random(seed);
  const maker = new TreeMaker(random, limits);
  let tree = maker.tree();
  const layers = [tree];
  for (let count = 2; count <= 3; count++) {
    const after = maker.changed(tree);
    layers.push(layerBetween(tree, after, random));
    tree = after;
  }
  return { layers, tree };
}

async function packed(store: Store, layer: Tree, name: string, pack: Packer): Promise<Uint8Array> {
  const folder = store.file(name);
  Deno.mkdirSync(folder);
  writeTree(join(folder, "tree"), layer);
  await pack(folder, `${folder}.tar`);
  return Deno.readFileSync(`${folder}.tar`);
}

/** The first differences, a line each. */
function differences(seen: readonly Description[], truth: readonly Description[]): string[] {
  const lines: string[] = [];
  const left = new Map(seen.map((file) => [file.path, file]));
  for (const file of truth) {
    const found = left.get(file.path);
    left.delete(file.path);
    if (found === undefined) lines.push(`${JSON.stringify(file.path)} is missing`);
    // unpacked, an opaque directory has the mark for user namespaces too, which overlay shows outside of those
    delete found?.xattrs["user.overlay.opaque"];
    for (const [key, value] of Object.entries(found === undefined ? {} : file)) {
      const [there, expected] = [JSON.stringify(found![key as keyof Description]), JSON.stringify(value)];
      if (there !== expected) lines.push(`${JSON.stringify(file.path)} ${key}: ${there}, not ${expected}`);
    }
  }
  return [...lines, ...[...left.keys()].map((path) => `${JSON.stringify(path)} is too much`)].slice(0, 8);
}

/**
 * What a container of an image sees in `/tree`, in each way that there is, compared with what should be there.
 * @param counts what is compared of what it sees
 * @returns a line for each difference
 */
async function unlike(
  path: string,
  truth: readonly Description[],
  counts: (seen: Description) => Description = everything,
): Promise<string[]> {
  const failures: string[] = [];
  for (const { way, storage, isLoaded } of WAYS) {
    if (storage === "erofs" && !mountsErofs()) continue;
    using store = new Store(["--storage", storage]);
    try {
      if (isLoaded) assertEquals((await store.dhow("load", "-q", "-i", path)).stderr, "");
      await using view = await View.open(store, isLoaded ? "test:latest" : path);
      const seen = await describe(join(view.root, "tree"));
      failures.push(...differences(seen.map(counts), truth).map((line) => `${way}: ${line}`));
    } catch (error) {
      failures.push(`${way}: ${(error as Error).message}`);
    }
  }
  return failures;
}

const SEEDS = seeds("DHOW_PROPERTY_SEEDS", 1, 2);

for (const { name, pack, limits, carries } of FORMATS) {
  for (const seed of SEEDS) {
    storeTest(`a container sees what ${name} has packed, seed ${seed}`, async (store) => {
      const { layers, tree } = randomLayers(seed, limits);
      writeTree(store.file("truth"), tree);
      const tars = [];
      for (const [index, layer] of layers.entries()) tars.push(await packed(store, layer, `${index}`, pack));
      const path = store.write("image.tar", archive({ layers: [...tars, VIEWER] }));
      const truth = await describe(store.file("truth"));
      assertEquals(await unlike(path, truth.map(carries)), []);
    });
  }
}

const S_IFDIR = 0o040000;

/** docker drops fractions of seconds, and all attributes but capabilities; of directories it does not look at times. */
function whatDockerKeeps(file: Description): Description {
  const { "security.capability": capability } = file.xattrs;
  return {
    ...wholeSeconds(file),
    ...(file.type === S_IFDIR ? { mtime: "" } : {}),
    xattrs: capability === undefined ? {} : { "security.capability": capability },
  };
}

/** Runs docker, which must succeed. */
async function docked(docker: Docker, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await docker.docker(...args);
  assertEquals(code, 0, stderr);
  return stdout.trim();
}

/** Makes a container of an image, in which the folder `/tree` becomes another tree, and an image of that. */
async function commit(docker: Docker, image: string, tree: Tree): Promise<void> {
  const data = join(docker.folder, "data");
  const id = await docked(docker, "create", image, "true");
  const mount = Deno.readTextFileSync(join(data, "image/vfs/layerdb/mounts", id, "mount-id"));
  const root = join(data, "vfs/dir", mount);
  Deno.removeSync(join(root, "tree"), { recursive: true });
  writeTree(join(root, "tree"), tree);
  Deno.mkdirSync(join(root, ".viewer"), { recursive: true });
  Deno.copyFileSync("/bin/busybox", join(root, ".viewer/busybox"));
  await docked(docker, "commit", id, image);
}

storeTest("a container sees what docker commit and docker save have packed", async (store) => {
  await using docker = await Docker.start();
  for (const seed of SEEDS) {
    const maker = new TreeMaker(new Random(seed), GNU);
    const base = maker.tree();
    const tar = await packed(store, base, `base-${seed}`, gnuTar("--format=pax", ...XATTRS));
    await docked(docker, "import", store.write("base.tar", tar), "test:latest");
    const middle = maker.changed(base);
    const top = maker.changed(middle);
    for (const tree of [middle, top]) await commit(docker, "test:latest", tree);
    await docked(docker, "save", "-o", store.file("image.tar"), "test:latest");
    writeTree(store.file(`truth-${seed}`), top);
    const truth = await describe(store.file(`truth-${seed}`));
    const found = await unlike(store.file("image.tar"), truth.map(whatDockerKeeps), whatDockerKeeps);
    assertEquals(found, [], `seed ${seed}`);
  }
});
