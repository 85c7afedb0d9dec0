import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/eventually.ts";
import { archive } from "../support/image.ts";
import { type Output, run } from "../support/process.ts";
import { Random } from "../support/random.ts";
import { eachStorage, type Store, storeTest } from "../support/store.ts";
import type { TarEntry } from "../support/tar.ts";
import { VIEWER } from "../support/view.ts";

const IMAGES = 4;

/** What a command may say when another one has taken the image away before it. */
const GONE =
  /No such image|reference does not exist|unable to find image|it was removed or changed meanwhile|there is no image|cannot find layer/i;

function files(name: string, count: number): TarEntry[] {
  const content = new TextEncoder().encode(name.repeat(1000));
  return Array.from({ length: count }, (_, index) => ({ path: `files/${name}-${index}`, content }));
}

/** Archives of images that share some layers and have others to themselves. */
function writeArchives(store: Store): string[] {
  const shared = [VIEWER, files("base", 200)];
  return Array.from({ length: IMAGES }, (_, index) => {
    const own = [files(`half${index % 2}`, 100), files(`own${index}`, 50), [{
      path: "id",
      content: `${index}`,
    }]];
    return store.write(`${index}.tar`, archive({ layers: [...shared, ...own], tags: [`app:${index}`] }));
  });
}

function succeeded({ code, stderr }: Output): boolean {
  if (code === 0) return true;
  assertMatch(stderr, GONE);
  return false;
}

/** Nothing that is listed is damaged, and nothing is kept that no image has. */
async function assertSound(store: Store): Promise<void> {
  const verified = await store.dhow("image", "verify");
  assertEquals([verified.code, verified.stderr], [0, ""], verified.stdout);
  const { stdout } = await store.dhow("images", "--format", "{{.Repository}}:{{.Tag}}");
  for (const [image, id] of stdout.matchAll(/^app:(\d)$/gm)) {
    const seen = await store.dhow("run", "--network", "none", image, "/.viewer/busybox", "cat", "/id");
    assertEquals([seen.code, seen.stdout, seen.stderr], [0, id, ""]);
  }
}

async function assertEmptied(store: Store): Promise<void> {
  const { stdout } = await store.dhow("images", "-aq", "--no-trunc");
  const ids = [...new Set(stdout.trim().split("\n").filter((id) => id !== ""))];
  if (ids.length > 0) {
    const removed = await store.dhow("rmi", "-f", ...ids);
    assertEquals([removed.code, removed.stderr], [0, ""]);
  }
  assertEquals(store.layerFiles(), []);
}

eachStorage("twenty loads and twenty removals at once, of images that share layers", async (store) => {
  const paths = writeArchives(store);
  for (let round = 0; round < 3; round++) {
    const loads = Array.from({ length: 20 }, (_, n) => store.dhow("load", "-q", "-i", paths[n % IMAGES]!));
    const removals = Array.from({ length: 20 }, (_, n) => store.dhow("rmi", "-f", `app:${n % IMAGES}`));
    for (const { code, stderr } of await Promise.all(loads)) assertEquals([code, stderr], [0, ""]);
    for (const output of await Promise.all(removals)) succeeded(output);
    await assertSound(store);
  }
  for (const path of paths) assertEquals((await store.dhow("load", "-q", "-i", path)).code, 0);
  await assertSound(store);
  await assertEmptied(store);
});

eachStorage(
  "every verb of images at once: each does what it says, or says that the image is gone",
  async (store) => {
    const paths = writeArchives(store);
    const random = new Random(7);
    for (const path of paths) assertEquals((await store.dhow("load", "-q", "-i", path)).code, 0);
    const work = Array.from({ length: 40 }, async (_, n) => {
      const id = random.below(IMAGES);
      const image = `app:${id}`;
      switch (n % 8) {
        case 0:
        case 1:
          assertEquals((await store.dhow("load", "-q", "-i", paths[id]!)).code, 0);
          break;
        case 2:
          succeeded(await store.dhow("rmi", "-f", image));
          break;
        case 3:
          succeeded(await store.dhow("tag", image, `other:${n}`));
          break;
        case 4: {
          const { code, stderr } = await store.dhow("image", "prune", "-f");
          assertEquals([code, stderr], [0, ""]);
          break;
        }
        case 5: {
          const saved = store.file(`saved-${n}.tar`);
          if (!succeeded(await store.dhow("save", "-q", "-o", saved, image))) break;
          const again = await run(["tar", "-tf", saved]);
          assertEquals([again.code, again.stderr], [0, ""]);
          break;
        }
        case 6: {
          const args = ["--network", "none", "--pull", "never", image, "/.viewer/busybox", "cat", "/id"];
          const output = await store.dhow("run", ...args);
          if (succeeded(output)) assertEquals([output.stdout, output.stderr], [`${id}`, ""]);
          break;
        }
        default:
          succeeded(await store.dhow("history", "-q", image));
      }
    });
    const failed = (await Promise.allSettled(work)).find((each) => each.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    await assertSound(store);
    await assertEmptied(store);
  },
);

eachStorage("a load from a pipe that is killed after any number of bytes leaves nothing", async (store) => {
  const content = archive({ layers: [VIEWER, files("a", 300)], tags: ["app:0"] });
  for (const part of [0, 0.001, 0.3, 0.7, 0.999, 1]) {
    await using load = store.start("load", "-q");
    await load.write(content.subarray(0, Math.floor(content.length * part)));
    Deno.kill(load.pid, "SIGKILL");
    assertEquals((await load.output()).code, 137);
    assertEquals((await store.dhow("images", "-q")).stdout, "");
    assertEquals(store.layerFiles(), []);
  }
  const { code, stdout } = await run(store.command("load", "-q"), { stdin: content });
  assertEquals([code, stdout], [0, "Loaded image: app:0\n"]);
  await assertEmptied(store);
});

eachStorage("save -o that is killed leaves the file that was there, and no other", async (store) => {
  await store.load({ layers: [VIEWER, files("a", 20_000)], tags: ["app:0"] });
  const folder = store.file("out");
  Deno.mkdirSync(folder);
  const path = join(folder, "saved.tar");
  Deno.writeTextFileSync(path, "as it was");
  await using save = store.start("save", "-q", "-o", path, "app:0");
  await eventually(() => assert(isWritingIn(save.pid, folder)));
  Deno.kill(save.pid, "SIGKILL");
  assertEquals((await save.output()).code, 137);
  assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["saved.tar"]);
  assertEquals(Deno.readTextFileSync(path), "as it was");
});

/** Whether a process has a file open there and has written to it. */
function isWritingIn(pid: number, folder: string): boolean {
  return Array.from(Deno.readDirSync(`/proc/${pid}/fd`)).some(({ name }) => {
    try {
      const fd = `/proc/${pid}/fd/${name}`;
      return Deno.readLinkSync(fd).startsWith(`${folder}/`) && Deno.statSync(fd).size > 0;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false; // closed since
      throw error;
    }
  });
}

/**
 * A shell's work on a small file system that only it sees. For each amount of free space, the least first, it runs a command,
 * prints its exit code and its errors, and compares what is in the store with what was there before.
 */
const FULL = `
  set -eu
  root=$1 options=$2 steps=$3; shift 3
  truncate -s 48m "$root.img"
  mkfs.ext4 -q -O ^has_journal $options "$root.img"
  mount -o loop "$root.img" "$root"
  trap 'umount "$root"' EXIT
  "$@" setup
  look() { (cd "$root" && find . -path ./ballast -prune -o ! -path './indexes/*' ! -name 'dhow.db*' ! -name '*.lock' -printf '%p %y %s\n' | grep -vE '^(\\.|\\./[a-z]+) d ' | sort); }
  look >"$root.before"
  for step in $steps; do
    "$@" fill "$step"
    code=0
    "$@" work 2>"$root.errors" || code=$?
    echo "$step $code $(tr '\n' '|' <"$root.errors")"
    rm -rf "$root/ballast"
    if [ $code = 0 ]; then exit 0; fi
    "$@" after
    look >"$root.after"
    diff "$root.before" "$root.after" >&2
  done`;

interface Scene {
  /** Lines of sh, in which "$dhow" runs dhow. */
  readonly setup?: string;
  readonly work: string;
}

const SCENES: Readonly<Record<string, Scene>> = {
  "load from a file": { work: "$dhow load -q -i $files/image.tar >/dev/null" },
  "load from a pipe": { work: "cat $files/image.tar | $dhow load -q >/dev/null" },
  "load of a compressed archive": { work: "$dhow load -q -i $files/image.tar.gz >/dev/null" },
  "import": {
    work: "$dhow import $files/layer.tar imported:1 >/dev/null",
  },
  "save": {
    setup: "$dhow load -q -i $files/image.tar >/dev/null",
    work: "$dhow save -q -o $root/saved.tar app:0",
  },
  "run of an archive": {
    work: "$dhow run --network none $files/image.tar /.viewer/busybox true",
  },
};

const FREE_KIB = [0, 4, 16, 40, 64, 100, 160, 300, 600, 1000, 1500, 2000, 3000, 4000, 8000, 30_000];
const FREE_INODES = [0, 1, 2, 3, 4, 5, 6, 8, 12, 20, 40, 80, 120, 400];

async function fillUp(store: Store, scene: Scene, resource: "blocks" | "inodes"): Promise<void> {
  const content = archive({ layers: [VIEWER, files("a", 100), files("b", 20)], tags: ["app:0"] });
  const path = store.write("image.tar", content);
  await run(["gzip", "-k", path]);
  store.write("layer.tar", content);
  Deno.mkdirSync(store.root);
  const fill = resource === "blocks"
    ? `head -c 48m /dev/zero >$root/ballast 2>/dev/null || true; truncate -s -"$2"K $root/ballast`
    : `mkdir $root/ballast; i=0; while true 2>/dev/null >$root/ballast/$i; do i=$((i + 1)); done
       n=0; while [ $n -lt "$2" ]; do n=$((n + 1)); rm $root/ballast/$((i - n)); done`;
  const steps = store.write(
    "steps.sh",
    new TextEncoder().encode(`
    root='${store.root}' files='${store.folder}' dhow='${store.command().join(" ")}'
    case $1 in
      setup) $dhow images >/dev/null; ${scene.setup ?? ":"} ;;
      fill) ${fill} ;;
      work) ${scene.work} ;;
      after) $dhow images >/dev/null; $dhow image verify >/dev/null ;;
    esac`),
  );
  const amounts = resource === "blocks" ? FREE_KIB : FREE_INODES;
  const options = resource === "blocks" ? "-m 0" : "-m 0 -N 512";
  const { code, stdout, stderr } = await run([
    ...[
      "unshare",
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      FULL,
      "sh",
      store.root,
      options,
      amounts.join(" "),
    ],
    ...["sh", "-eu", steps],
  ]);
  assertEquals([code, stderr], [0, ""], stdout);
  const results = stdout.trimEnd().split("\n");
  for (const result of results.slice(0, -1)) {
    assertMatch(
      result,
      /^\d+ (1|125) dhow: (?!a bug)[^|]*(no space left|ENOSPC|disk is full|full)[^|]*\|$/i,
      stdout,
    );
  }
  assertMatch(results.at(-1)!, /^\d+ 0 ?$/);
}

for (const [what, scene] of Object.entries(SCENES)) {
  eachStorage(
    `a disk that is full at any point of ${what}: a clear error, and the store as it was`,
    (store) => fillUp(store, scene, "blocks"),
  );
}

for (const what of ["load from a file", "import", "run of an archive"]) {
  storeTest(
    `too few inodes at any point of ${what}: a clear error, and the store as it was`,
    (store) => fillUp(store, SCENES[what]!, "inodes"),
  );
}
