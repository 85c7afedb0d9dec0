import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { ImageError } from "../../../../src/errors.ts";
import { parsePlatform } from "../../../../src/image/platform.ts";
import { archive } from "../../../support/image.ts";
import { blobPath, called, type Descriptor, Layout, MACHINE, on } from "../../../support/layout.ts";
import { asFile, asFolder, readSource, withSource } from "../../../support/source.ts";
import { tar } from "../../../support/tar.ts";
import { zstdFrame } from "../../../support/zstd.ts";

const LAYERS = [tar([{ path: "a", content: "1" }])];
const OTHER = MACHINE === "amd64" ? "arm64" : "amd64";
const DOCKER = archive({ layers: LAYERS, tags: ["box:1"] });

function layoutOf(name = "x/box:1"): Layout {
  const layout = new Layout();
  return layout.top(called(layout.image({ layers: LAYERS }), name));
}

const COMPRESSED: [what: string, bytes: Uint8Array][] = [
  ["gzip", gzipSync(DOCKER)],
  [
    "gzip in two parts",
    new Uint8Array([...gzipSync(DOCKER.subarray(0, 700)), ...gzipSync(DOCKER.subarray(700))]),
  ],
  ["zstd", zstdFrame(DOCKER)],
];

for (const [what, bytes] of COMPRESSED) {
  Deno.test(`an archive that is compressed with ${what} is read, and leaves no file behind`, async () => {
    let spoolFolder = "";
    const write = (folder: string) => asFile(bytes)(spoolFolder = folder);
    await withSource(write, {}, ({ images, origin }) => {
      assertEquals(images.map(({ tags }) => tags), [["box:1"]]);
      assertEquals(origin, { kind: "archive", path: `${spoolFolder}/image.tar` });
      assertEquals([...Deno.readDirSync(spoolFolder)].map(({ name }) => name), ["image.tar"]);
    });
    assertEquals((await readSource(asFile(bytes))).contents, [LAYERS]);
  });
}

for (const [what, bytes] of COMPRESSED) {
  Deno.test(`an archive that is compressed with ${what} and cut is refused`, async () => {
    for (const size of [bytes.length - 1, Math.floor(bytes.length / 2), 20]) {
      await assertRejects(() => readSource(asFile(bytes.subarray(0, size))), ImageError, "cannot uncompress");
    }
  });
}

/** What reading damaged bytes gives: the same images as ever, others, or an error that says what is wrong. */
async function readDamaged(bytes: Uint8Array): Promise<void> {
  try {
    await readSource(asFile(bytes));
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
  }
}

for (const [what, bytes] of [["docker", DOCKER], ["OCI", layoutOf().archive()]] as const) {
  Deno.test(`an archive of ${what} that is cut anywhere before its last file ends is refused`, async () => {
    const needed = bytes.length - 3 * 512 - (what === "docker" ? 1024 : 0);
    for (let size = 0; size < needed; size += 61) {
      await assertRejects(() => readSource(asFile(bytes.subarray(0, size))), ImageError);
    }
  });

  Deno.test(`an archive of ${what} with a wrong byte anywhere is read or refused`, async () => {
    for (let index = 0; index < bytes.length; index += 7) {
      const damaged = bytes.slice();
      damaged[index]! ^= 1 << index % 8;
      await readDamaged(damaged);
    }
  });
}

Deno.test("what is compressed twice is refused", async () => {
  await assertRejects(
    () => readSource(asFile(gzipSync(gzipSync(DOCKER)))),
    ImageError,
    "it is not a tar archive",
  );
});

/** Runs `work` with a fifo, into which a shell does the rest: opening one would stop Deno until there is a reader. */
async function withFifo(script: string, work: (fifo: string) => Promise<void>) {
  const folder = Deno.makeTempDirSync();
  const fifo = `${folder}/fifo`;
  try {
    Deno.writeFileSync(`${folder}/image.tar`, DOCKER);
    await new Deno.Command("mkfifo", { args: [fifo] }).output();
    const writer = new Deno.Command("sh", { args: ["-c", script], cwd: folder, stdin: "piped" }).spawn();
    await work(fifo);
    await writer.stdin.close();
    await writer.status;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("what comes through a fifo is read, and has no place to be read from again", async () => {
  await withFifo("cat image.tar >fifo", async (fifo) => {
    await withSource(() => fifo, {}, ({ images, origin }) => {
      assertEquals([images[0]!.tags, origin], [["box:1"], undefined]);
    });
  });
});

for (
  const [what, script] of [
    ["nobody opens", "read -r line; : >fifo"],
    ["nobody writes to", "exec >fifo; read -r line"],
  ] as const
) {
  // the thread that waits notices the writer's end by itself, at a moment that nobody can wait for
  const options = { sanitizeOps: false };
  Deno.test(`waiting for a fifo that ${what} can be broken off`, options, async () => {
    await withFifo(script, async (fifo) => {
      const controller = new AbortController();
      const opening = withSource(() => fifo, { signal: controller.signal }, () => {});
      controller.abort(new Error("enough"));
      await assertRejects(() => opening, Error, "enough");
    });
  });
}

for (
  const [what, path, said] of [
    ["that is not there", (folder: string) => `${folder}/none`, "no such file or directory (ENOENT)"],
    ["below a file", (folder: string) => asFile(DOCKER)(folder) + "/x", "not a directory (ENOTDIR)"],
    ["with a name that is too long", (folder: string) => `${folder}/${"x".repeat(300)}`, "(ENAMETOOLONG)"],
    ["that is a link to itself", (folder: string) => {
      Deno.symlinkSync("loop", `${folder}/loop`);
      return `${folder}/loop`;
    }, "too many levels of symbolic links (ELOOP)"],
  ] as const
) {
  Deno.test(`a path ${what} is told as that`, async () => {
    await assertRejects(() => readSource(path), ImageError, `${said}; check the path`);
  });
}

Deno.test("each transport reads its own format, and only from a file or only from a folder", async () => {
  const read = async (prefix: string, write: (folder: string) => string, suffix = "") => {
    const { images } = await readSource((folder) => `${prefix}:${write(folder)}${suffix}`);
    return images.map(({ tags }) => tags.join());
  };
  const [file, folder] = [asFile(layoutOf().archive()), asFolder(layoutOf())];
  assertEquals(await read("docker-archive", asFile(DOCKER)), ["box:1"]);
  assertEquals(await read("docker-archive", asFile(DOCKER), ":box:1"), ["box:1"]);
  assertEquals(await read("oci-archive", file), ["x/box:1"]);
  assertEquals(await read("oci-archive", file, ":x/box:1"), ["x/box:1"]);
  assertEquals(await read("oci", folder), ["x/box:1"]);
  await assertRejects(() => read("oci", file), ImageError, "it is not a directory; oci: is for folders");
  await assertRejects(() => read("dir", file), ImageError, "it is not a directory; dir: is for folders");
  await assertRejects(
    () => read("oci-archive", folder),
    ImageError,
    "it is a directory; oci-archive: is for files",
  );
  await assertRejects(() => read("docker-archive", file), ImageError, '"manifest.json" is missing from it');
  await assertRejects(() => read("docker-archive", asFile(DOCKER), ":box:2"), ImageError, "it holds box:1");
});

Deno.test("an image of a docker archive can be chosen by any of its names, and gets that one only", async () => {
  const both = archive({ layers: LAYERS, tags: ["box:1", "docker.io/team/app:latest"] });
  const read = async (reference: string) =>
    (await readSource((folder) => `docker-archive:${asFile(both)(folder)}:${reference}`)).images[0]!.tags;
  assertEquals(await read("box:1"), ["box:1"]);
  assertEquals(await read("docker.io/library/box:1"), ["box:1"]);
  assertEquals(await read("team/app"), ["team/app:latest"]);
});

Deno.test("of what docker writes both ways, OCI's way is read when it knows several platforms", async () => {
  const docker = archive({ layers: LAYERS, tags: ["box:1"], layout: "oci", config: { Cmd: ["docker"] } });
  assertEquals((await readSource(asFile(docker))).images[0]!.manifest, undefined);
  const layout = new Layout();
  const image = (architecture: string) =>
    on(layout.image({ layers: LAYERS, architecture, config: { Cmd: [architecture] } }), architecture);
  const other = image(OTHER);
  layout.top(called(layout.index([other, image(MACHINE)]), "x/box:1"));
  const text = new TextDecoder().decode(layout.files.get(blobPath(other.digest)));
  const { config, layers } = JSON.parse(text) as { config: Descriptor; layers: Descriptor[] };
  const Layers = layers.map(({ digest }) => blobPath(digest));
  layout.json("manifest.json", [{ Config: blobPath(config.digest), RepoTags: ["x/box:1"], Layers }]);
  const chosen = async (platform?: string) => {
    const options = platform === undefined ? {} : { platform: parsePlatform(platform) };
    return (await readSource(asFile(layout.archive()), options)).images.map(({ config }) => config.cmd[0]);
  };
  assertEquals(await chosen(), [MACHINE]);
  assertEquals(await chosen(`linux/${OTHER}`), [OTHER]);
});

Deno.test("images of a docker archive for another platform than the one asked for are left out", async () => {
  const read = (platform: string) => readSource(asFile(DOCKER), { platform: parsePlatform(platform) });
  assertEquals((await read(`linux/${MACHINE}`)).images.length, 1);
  await assertRejects(
    () => read("linux/s390x"),
    ImageError,
    `no image for linux/s390x in it, only for linux/${MACHINE}`,
  );
});

for (
  const [what, link, target] of [
    ["a blob", "blobs/sha256", undefined],
    ["the folder of blobs", "blobs", undefined],
    ["the index", "index.json", undefined],
    ["a blob of its own", "blobs/sha256", "inside"],
  ] as const
) {
  Deno.test(`a folder in which ${what} is a link ${target ?? "that leads out of it"} is ${target ? "read" : "refused"}`, async () => {
    const write = (folder: string) => {
      const layout = asFolder(layoutOf())(folder);
      const blob = [...Deno.readDirSync(`${layout}/blobs/sha256`)].map(({ name }) => name).sort()[0]!;
      const path = what.startsWith("a blob") ? `${layout}/${link}/${blob}` : `${layout}/${link}`;
      const moved = target === undefined ? `${folder}/moved` : `${layout}/moved`;
      Deno.renameSync(path, moved);
      Deno.symlinkSync(target === undefined ? moved : "../../moved", path);
      return layout;
    };
    if (target !== undefined) return assertEquals((await readSource(write)).contents, [LAYERS]);
    const error = await assertRejects(() => readSource(write), ImageError, "is a link that leads out of it");
    assertStringIncludes(error.message, "cp -rL");
  });
}

Deno.test("a folder whose blob is a fifo, a folder, or a link to itself is refused, and not waited for", async () => {
  for (const kind of ["fifo", "folder", "loop"]) {
    const write = (folder: string) => {
      const layout = asFolder(layoutOf())(folder);
      const path = `${layout}/index.json`;
      Deno.removeSync(path);
      if (kind === "fifo") new Deno.Command("mkfifo", { args: [path] }).outputSync();
      else if (kind === "folder") Deno.mkdirSync(path);
      else Deno.symlinkSync("index.json", path);
      return layout;
    };
    await assertRejects(
      () => readSource(write),
      ImageError,
      "there is no manifest.json and no index.json in it; make one with: docker save -o FILE IMAGE; or of a folder",
    );
  }
});

Deno.test("a folder can be moved and its layers still be read", async () => {
  await withSource(asFolder(layoutOf()), {}, async ({ images, origin }) => {
    Deno.renameSync(origin!.path, `${origin!.path}-moved`);
    const { file } = await images[0]!.layers[0]!.range();
    assertEquals(file.statSync().size, LAYERS[0]!.length);
  });
});

Deno.test("the error says so when there is nothing, or something else than a file or a folder", async () => {
  const open = (name: string) => withSource(() => name, {}, () => {});
  await assertRejects(() => open("/nowhere/image.tar"), ImageError, "no such file or directory (ENOENT)");
  await assertRejects(() => open("/dev/null/x"), ImageError, "not a directory (ENOTDIR)");
  await assertRejects(() => open("/dev/null"), ImageError, "it is not a regular file");
  await assertRejects(() => open(`/${"n".repeat(256)}`), ImageError, "file name too long (ENAMETOOLONG)");
  await assertRejects(
    () => open("oci:/nowhere"),
    ImageError,
    'cannot open "/nowhere": no such file or directory',
  );
});

Deno.test("the error says so when symlinks lead in a circle", async () => {
  const circle = (folder: string) => {
    Deno.symlinkSync("circle", `${folder}/circle`);
    return `${folder}/circle`;
  };
  const open = withSource(circle, {}, () => {});
  await assertRejects(() => open, ImageError, "too many levels of symbolic links (ELOOP); check the path");
});

Deno.test("a folder that is no image is refused, and an empty file, too", async () => {
  await assertRejects(() => withSource((folder) => folder, {}, () => {}), ImageError, "it is not an image");
  await assertRejects(() => readSource(asFile(new Uint8Array())), ImageError, "it is empty");
});
