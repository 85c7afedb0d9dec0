import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { assertFailure } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { REPOSITORY } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive } from "../support/images.ts";
import { Layout, MACHINE, on } from "../support/layout.ts";
import { run, succeed } from "../support/process.ts";
import { type Store, storeTest } from "../support/store.ts";
import { tar } from "../support/tar.ts";

const NAME = "docker.io/library/busybox:latest";
const LOADED = "Loaded image: busybox:latest\n";
const NAMELESS = /^Loaded image ID: sha256:[0-9a-f]{64}\n$/;

/** A script for sh, in the folder beside the store; `$dhow` loads into the store, `$busybox` is an archive of docker's. */
async function shell(store: Store, script: string) {
  const env = { dhow: store.command().join(" "), busybox: await busyboxArchive() };
  return await run(["bash", "-euc", `cd '${store.folder}'; set -o pipefail; ${script}`], { env });
}

async function succeedIn(store: Store, script: string): Promise<string> {
  const { code, stdout, stderr } = await shell(store, script);
  assertEquals([code, stderr], [0, ""], `${script}\n${stderr}`);
  return stdout;
}

/** What skopeo copies busybox to. */
function skopeo(store: Store, target: string, ...flags: string[]): Promise<string> {
  return succeedIn(
    store,
    `skopeo --insecure-policy copy -q ${flags.join(" ")} docker-archive:$busybox ${target}`,
  );
}

const load = (store: Store, path: string) => succeedIn(store, `$dhow load -q -i ${path}`);

for (
  const [what, target, path, flags] of [
    ["an OCI layout", `oci:layout:${NAME}`, "./layout", []],
    ["an OCI archive", `oci-archive:image.tar:${NAME}`, "image.tar", []],
    ["a docker archive", `docker-archive:image.tar:${NAME}`, "image.tar", []],
    ["an OCI layout with plain layers", `oci:layout:${NAME}`, "./layout", [
      "--dest-oci-accept-uncompressed-layers",
    ]],
    ["an OCI layout with zstd layers", `oci:layout:${NAME}`, "./layout", ["--dest-compress-format", "zstd"]],
    ["an OCI archive with zstd layers", `oci-archive:image.tar:${NAME}`, "image.tar", [
      "--dest-compress-format",
      "zstd",
    ]],
    ["an OCI layout, by its transport", `oci:layout:${NAME}`, `oci:layout:${NAME}`, []],
    [
      "an OCI archive, by its transport",
      `oci-archive:image.tar:${NAME}`,
      "oci-archive:image.tar:busybox",
      [],
    ],
  ] as const
) {
  storeTest(`${what} of skopeo's is loaded`, async (store) => {
    await skopeo(store, target, ...flags);
    assertEquals(await load(store, path), LOADED);
  });
}

for (
  const flags of [[], ["--dest-compress"], [
    "--format",
    "oci",
    "--dest-compress",
    "--dest-compress-format",
    "zstd",
  ]]
) {
  storeTest(`a folder of skopeo's is loaded: dir: ${flags.join(" ")}`, async (store) => {
    await skopeo(store, "dir:folder", ...flags);
    for (const path of ["./folder", "dir:folder"]) assertMatch(await load(store, path), NAMELESS);
  });
}

storeTest("an image comes out the same whatever it was copied to", async (store) => {
  const files = async (path: string) => {
    const root = `${store.file("compared")}-${path.replaceAll(/\W/g, "")}`;
    await succeedIn(store, `$dhow --root ${root} load -q -i ${path}`);
    return await succeedIn(
      store,
      `cd ${root}/layers; find . -mindepth 2 -printf '%P %y %s %m %u %l %T@\\n' | sort`,
    );
  };
  await skopeo(store, `oci:layout:${NAME}`, "--dest-compress-format", "zstd");
  await skopeo(store, "dir:folder");
  const expected = await files(await busyboxArchive());
  assertEquals(await files("./layout"), expected);
  assertEquals(await files("./folder"), expected);
});

storeTest("an image that umoci changed is loaded, chosen by its name in the layout", async (store) => {
  await skopeo(store, `oci:layout:${NAME}`);
  await succeedIn(
    store,
    `echo new >file; umoci insert --image layout:${NAME} --tag new file /file 2>/dev/null`,
  );
  assertMatch(await load(store, "oci:layout:new"), NAMELESS);
  assertEquals(await load(store, "oci:layout:busybox"), LOADED);
  assertFailure(
    await store.dhow("load", "-q", "-i", `oci:${store.file("layout")}:old`),
    1,
    /no image "old"/,
    /busybox/,
  );
  assertEquals(await succeedIn(store, `cat ${store.root}/layers/*/file`), "new\n");
});

storeTest("what podman saves is loaded, in all its formats", async (store) => {
  const podman =
    `podman --root $PWD/podman --runroot $PWD/run --tmpdir $PWD/tmp --cgroup-manager cgroupfs --runtime runc`;
  await succeedIn(
    store,
    `${podman} load -q -i $busybox >/dev/null
    ${podman} tag busybox second:1
    for format in docker-archive oci-archive docker-dir oci-dir; do
      ${podman} save -q --format $format -o $format busybox >/dev/null
    done
    ${podman} save -q -m -o several busybox second:1 >/dev/null
    ${podman} rmi -f busybox >/dev/null`,
  );
  const name = "Loaded image: localhost/busybox:latest\n";
  for (const format of ["docker-archive", "oci-archive", "oci-dir"]) {
    assertEquals(await load(store, `./${format}`), name);
    await store.dhow("rmi", "localhost/busybox"); // each has a config of its own
  }
  assertMatch(await load(store, "./docker-dir"), NAMELESS);
  assertEquals(await load(store, "./several"), `${name}Loaded image: localhost/second:1\n`);
});

storeTest(
  "docker save of two images is loaded through a pipe, plain, with gzip and with zstd",
  async (store) => {
    const script = `
    cd '${REPOSITORY}'; . scripts/lib/common.sh; . scripts/lib/dockerd.sh
    on_exit stop_dockerd
    start_dockerd '${store.folder}/docker' --storage-driver vfs --bridge none --iptables=false
    $docker load -q -i '${await busyboxArchive()}'
    $docker tag busybox second:1
    printf 'FROM busybox\\nLABEL other=yes\\n' | DOCKER_BUILDKIT=0 $docker build -q -t other -
    $docker save busybox second:1 other >'${store.folder}/saved.tar'`;
    await succeed(["sh", "-euc", script]);
    const names = ["busybox:latest", "other:latest", "second:1"].map((name) => `Loaded image: ${name}`);
    for (const through of ["cat", "gzip -c", "zstd -qc", "zstd -qc --ultra -22"]) {
      const printed = await succeedIn(store, `${through} <saved.tar | $dhow load -q`);
      assertEquals(printed.trim().split("\n").sort(), names);
    }
  },
);

for (const program of ["gzip", "zstd"]) {
  storeTest(
    `an archive that is compressed with ${program} is loaded from a file, and cut anywhere refused`,
    async (store) => {
      assertEquals(await succeedIn(store, `${program} -c <$busybox >image; $dhow load -q -i image`), LOADED);
      const { size } = Deno.statSync(store.file("image"));
      for (const cut of [size - 1, Math.floor(size / 2), 100]) {
        const { stderr, code } = await shell(store, `head -c ${cut} image >cut; $dhow load -q -i cut`);
        assertMatch(stderr, /^dhow: cannot uncompress "cut": unexpected end of file; .*\n$/);
        assertEquals(code, 1);
      }
    },
  );
}

for (const [program, hint] of [["xz", "unxz"], ["bzip2", "bunzip2"]] as const) {
  storeTest(
    `an archive that is compressed with ${program} is refused with what uncompresses it`,
    async (store) => {
      const { code, stderr } = await shell(store, `${program} -c <$busybox | $dhow load -q`);
      assertMatch(
        stderr,
        new RegExp(`^dhow: .*standard input.*compressed with ${program}; .* with: ${hint}\n$`),
      );
      assertEquals(code, 1);
    },
  );
}

storeTest("standard input may be a file, a part of one, a pipe, or a fifo by its path", async (store) => {
  assertEquals(await succeedIn(store, "$dhow load -q <$busybox"), LOADED);
  assertEquals(await succeedIn(store, "cat $busybox | $dhow load -q"), LOADED);
  assertEquals(await succeedIn(store, "$dhow load -q -i <(cat $busybox)"), LOADED);
  const partly = "(echo first line; cat $busybox) >mixed; { read -r line; $dhow load -q; } <mixed";
  assertEquals(await succeedIn(store, partly), LOADED);
});

storeTest("standard input that is empty, closed or a folder is refused", async (store) => {
  for (const redirection of ["</dev/null", "<&-", "</"]) {
    const { code, stderr } = await shell(store, `$dhow load -q ${redirection}`);
    assertMatch(stderr, /^dhow: cannot (read|open) .*standard input: .*(empty|is a directory).*\n$/);
    assertEquals(code, 1);
  }
});

/** All files of a store, and of what is beside it. */
const listing = (store: Store) => succeed(["find", store.folder, "-not", "-name", "*.db*"]);

/** How many files without a name a process has open in the store. */
function spools({ root }: Store, pid: number): number {
  const links = Array.from(
    Deno.readDirSync(`/proc/${pid}/fd`),
    ({ name }) => Deno.readLinkSync(`/proc/${pid}/fd/${name}`),
  );
  return links.filter((link) => link.startsWith(root) && link.endsWith(" (deleted)")).length;
}

for (const [signal, code] of [["INT", 1], ["TERM", 1], ["KILL", 137]] as const) {
  storeTest(
    `load ends at once with SIG${signal} while it waits for a pipe, and leaves nothing behind`,
    async (store) => {
      await store.dhow("images");
      const before = await listing(store);
      await using loading = store.start("load", "-q");
      await loading.write((await Deno.readFile(await busyboxArchive())).subarray(0, 1_000_000));
      await eventually(() => assertEquals(spools(store, loading.pid), 1));
      Deno.kill(loading.pid, `SIG${signal}`);
      // before its input ends, which would be an error of its own
      if (signal !== "KILL") await loading.stderr.until(/\n/);
      const output = await loading.output();
      assertEquals([output.code, await listing(store)], [code, before], output.stderr);
      if (signal !== "KILL") assertFailure(output, code, /cannot load standard input: interrupted/);
    },
  );
}

storeTest(
  "what becomes larger than the disk is refused, with its size, and the space is there again",
  async (store) => {
    const mounted = store.file("small");
    const script = `
    mkdir small; mount -n -t tmpfs -o size=200m tmpfs small
    $dhow --root small/root images >/dev/null
    before=$(df --output=used small)
    status=0; (printf x; head -c 2000m /dev/zero) | ${"gzip -1"} | $dhow --root small/root load -q || status=$?
    [ "$before" = "$(df --output=used small)" ] || echo "space is missing"
    exit $status`;
    const { code, stdout, stderr } = await run([
      "unshare",
      "-m",
      "bash",
      "-euc",
      `cd '${store.folder}'; ${script}`,
    ], {
      env: { dhow: store.command().slice(0, 1).join() },
    });
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(
      stderr,
      /^dhow: no space left: cannot uncompress or keep standard input in .*\(ENOSPC\) after \d{8,9} bytes; make room there/,
    );
    assertEquals(Deno.statSync(mounted).isDirectory, true);
  },
);

storeTest(
  "the platform can be chosen, and one that there is not is refused with those that there are",
  async (store) => {
    const layout = new Layout();
    const image = (architecture: string) =>
      on(layout.image({ layers: [tar([{ path: architecture }])], architecture }), architecture);
    layout.top(layout.index([image("s390x"), image(MACHINE)])).write(store.file("layout"));
    const path = store.file("layout");
    const loaded = async (...flags: string[]) =>
      (await store.dhow("load", "-q", "-i", path, ...flags)).stdout;
    const [mine, other] = [await loaded(), await loaded("--platform", "linux/s390x")];
    assertMatch(mine, NAMELESS);
    assertMatch(other, NAMELESS);
    assertEquals([mine === other, await loaded("--platform", `linux/${MACHINE}`)], [false, mine]);
    assertEquals([await loaded("--platform", MACHINE), await loaded("--platform", "")], [mine, mine]);
    const none = await store.dhow("load", "-q", "-i", path, "--platform", "linux/riscv64");
    assertFailure(none, 1, /linux\/riscv64/, new RegExp(`only for linux/s390x, linux/${MACHINE};`));
    assertFailure(
      await store.dhow("load", "-q", "-i", path, "--platform", "z80"),
      1,
      /z80/,
      /os\/architecture/,
    );
  },
);

storeTest("a layer of which a zstd frame wants too much memory is refused", async (store) => {
  const layer = tar([{ path: "file", content: "x" }]);
  const path = join(store.folder, "image.tar");
  Deno.writeFileSync(store.file("layer.tar"), layer);
  await succeed([
    "sh",
    "-euc",
    `cd '${store.folder}'; head -c 300m /dev/zero >>layer.tar; zstd -q --long=30 layer.tar`,
  ]);
  const stored = Deno.readFileSync(store.file("layer.tar.zst"));
  const layout = new Layout();
  layout.top(layout.image({ layers: [layer], stored: () => stored }));
  Deno.writeFileSync(path, layout.archive());
  assertFailure(
    await store.dhow("load", "-q", "-i", path),
    1,
    /cannot uncompress layer/,
    /wants \d+ bytes of memory/,
  );
  assertEquals(store.layerFolders(), []);
});

storeTest("a damaged archive of docker's that has an OCI layout too is refused", async (store) => {
  const bytes = archive({ layers: [[{ path: "file", content: "x" }]], layout: "oci" });
  const path = store.write("image.tar", bytes.subarray(0, bytes.length - 3000));
  assertFailure(await store.dhow("load", "-q", "-i", path), 1, /truncated|ends/);
});
