import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { libcCall } from "../../../../ffi/table.ts";
import { AT_FDCWD, O_WRONLY, S_IFIFO } from "../../../../ffi/constants.ts";
import { type ByteString, encodeText } from "../../../../src/image/tar/byte_string.ts";
import type { TarEntry } from "../../../../src/image/tar/decoder.ts";
import { TarWriter } from "../../../../src/image/tar/writer.ts";
import { TreeArchive } from "../../../../src/image/walk/archive.ts";
import { openFolder } from "../../../../src/image/walk/directory.ts";
import { type Found, walk } from "../../../../src/image/walk/walker.ts";
import { succeed } from "../../../support/process.ts";
import { Memory, readBack } from "../../../support/tar_writer.ts";
import { setXattr } from "../../../support/xattr.ts";

/** A test with a folder of its own. */
function folderTest(name: string, test: (folder: string) => void | Promise<void>): void {
  Deno.test(name, async () => {
    const folder = Deno.makeTempDirSync();
    try {
      await test(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

/** The paths of a walk; `each` may do something to the tree whenever one is found. */
function paths(
  folder: string,
  each: (found: Found) => void = () => {},
  warnings: string[] = [],
): ByteString[] {
  const root = openFolder(folder);
  try {
    return Array.from(walk(root, (text) => warnings.push(text)), (found) => {
      each(found);
      return found.path;
    });
  } finally {
    libcCall("close", root);
  }
}

interface Archived {
  readonly entries: readonly TarEntry[];
  readonly data: readonly Uint8Array[];
  readonly warnings: readonly string[];
}

/** A folder as a tar, read back; `before` may do something to the tree before a file is added. */
async function archived(folder: string, before: (found: Found) => void = () => {}): Promise<Archived> {
  const warnings: string[] = [];
  const warn = (text: string) => warnings.push(text);
  const memory = new Memory();
  const root = openFolder(folder);
  try {
    await using tar = new TarWriter(memory);
    using tree = new TreeArchive(tar, warn);
    for (const found of walk(root, warn)) {
      before(found);
      await tree.add(found);
    }
    await tar.finish();
  } finally {
    libcCall("close", root);
  }
  const read = readBack(memory.bytes);
  return { entries: read.map(([entry]) => entry), data: read.map(([, data]) => data), warnings };
}

const make = (folder: string, ...files: string[]) => {
  for (const file of files) {
    Deno.mkdirSync(join(folder, file, ".."), { recursive: true });
    Deno.writeTextFileSync(join(folder, file), file);
  }
};

folderTest("a walk gives parents first, and names in the order of their bytes", (folder) => {
  make(folder, "b", "a/z/1", "a.b", "a/y", "ä", "B");
  assertEquals(paths(folder), ["B", "a", "a/y", "a/z", "a/z/1", "a.b", "b", encodeText("ä")]);
});

folderTest("names are bytes, and a directory may have more of them than fit into one read", (folder) => {
  const names = Array.from({ length: 1000 }, (_, index) => `file ${String(index).padStart(100, "0")}`);
  make(folder, ...names);
  libcCall(
    "openat",
    AT_FDCWD,
    new Uint8Array([...new TextEncoder().encode(`${folder}/`), 0xff, 0x0a]),
    0o100,
    0o644,
  );
  assertEquals(paths(folder), [...names, "\xff\n"]);
});

folderTest(
  "a tree may be deeper than files can be open, up to the longest path that Linux takes",
  async (folder) => {
    await succeed([
      "python3",
      "-c",
      "import os, sys\nos.chdir(sys.argv[1])\nfor i in range(2100): os.mkdir('d'); os.chdir('d')",
      folder,
    ]);
    const warnings: string[] = [];
    const found = paths(folder, () => {}, warnings);
    assertEquals([found.length, found.at(-1)!.length], [2048, 4095]);
    assertEquals(warnings.map((text) => text.replace(/"[^"]*"/, "X")), [
      "X is left out: its path is longer than 4095 bytes",
    ]);
    await succeed(["rm", "-r", join(folder, "d")]); // deeper than Deno removes
  },
);

folderTest("what vanishes while a folder is read is left out", (folder) => {
  make(folder, "a", "b", "c/1", "c/2", "d/1");
  const found = paths(folder, ({ path }) => {
    if (path === "a") Deno.removeSync(join(folder, "b"));
    if (path === "c/1") Deno.removeSync(join(folder, "c"), { recursive: true });
    if (path === "d") Deno.removeSync(join(folder, "d"), { recursive: true });
  });
  assertEquals(found, ["a", "c", "c/1", "d"]);
});

for (const moment of ["before it is opened", "when it was opened", "while it is read"]) {
  folderTest(`a directory that a symlink replaces ${moment} is not followed out of the tree`, (folder) => {
    make(folder, "outside/secret", "outside/x/secret", "tree/a", "tree/d/1", "tree/d/x/2", "tree/d/y");
    const swap = () => {
      Deno.renameSync(join(folder, "tree/d"), join(folder, "moved"));
      Deno.symlinkSync("../outside", join(folder, "tree/d"));
    };
    const trigger =
      { "before it is opened": "a", "when it was opened": "d", "while it is read": "d/x" }[moment];
    const found = paths(join(folder, "tree"), ({ path }) => path === trigger && swap());
    assertEquals(found.filter((path) => path.includes("secret")), []);
    // its names were read when it was opened, but cannot be found any more
    assertEquals(found.slice(0, 2), ["a", "d"]);
  });
}

folderTest("a walk does not open a FIFO, and goes through no symlink", (folder) => {
  make(folder, "outside/secret", "tree/a");
  Deno.symlinkSync("../outside", join(folder, "tree/link"));
  Deno.symlinkSync("/", join(folder, "tree/root"));
  libcCall("mknodat", AT_FDCWD, join(folder, "tree/fifo"), S_IFIFO | 0o600, 0);
  assertEquals(paths(join(folder, "tree")), ["a", "fifo", "link", "root"]);
});

folderTest(
  "a folder that is gone itself has nothing in it",
  (folder) => {
    Deno.mkdirSync(join(folder, "gone"));
    const root = openFolder(join(folder, "gone"));
    Deno.removeSync(join(folder, "gone"));
    assertEquals([...walk(root, () => {})], []);
    libcCall("close", root);
    assertThrows(() => [...walk(root, () => {})], Error);
  },
);

folderTest(
  "files of several names are written once; the other names are links to the first",
  async (folder) => {
    make(folder, "a/file", "other");
    Deno.linkSync(join(folder, "a/file"), join(folder, "b"));
    Deno.linkSync(join(folder, "a/file"), join(folder, "c"));
    const { entries } = await archived(folder);
    assertEquals(entries.map(({ type, name, link }) => [type, name, link]), [
      ["directory", "a/", ""],
      ["file", "a/file", ""],
      ["hardlink", "b", "a/file"],
      ["hardlink", "c", "a/file"],
      ["file", "other", ""],
    ]);
  },
);

folderTest(
  "a file that comes with the inode number of one that is gone is no link to that",
  async (folder) => {
    make(folder, "a", "z/tmp");
    Deno.linkSync(join(folder, "a"), join(folder, "b"));
    const { entries, data } = await archived(folder, ({ path }) => {
      if (path !== "b") return;
      for (const name of ["a", "b"]) Deno.removeSync(join(folder, name));
      // most file systems give the number that has just become free
      Deno.writeTextFileSync(join(folder, "z/new"), "new");
      Deno.linkSync(join(folder, "z/new"), join(folder, "z/new2"));
    });
    const last = entries.findIndex(({ name }) => name === "z/new");
    assertEquals([entries[last]?.type, new TextDecoder().decode(data[last])], ["file", "new"]);
  },
);

folderTest(
  "a file that shrinks is filled up with zeros, one that grows is cut: its header holds",
  async (folder) => {
    make(folder, "grows", "shrinks", "vanishes", "zz");
    // fills the writer's memory with something else than zeros
    Deno.writeFileSync(join(folder, "a"), new Uint8Array(5 << 20).fill(1));
    const { entries, data } = await archived(folder, ({ path }) => {
      if (path === "grows") Deno.writeTextFileSync(join(folder, path), "and more", { append: true });
      if (path === "shrinks") Deno.truncateSync(join(folder, path), 2);
      if (path === "vanishes") Deno.removeSync(join(folder, path));
    });
    assertEquals(entries.map(({ name, size }) => [name, size]), [
      ["a", 5 << 20],
      ["grows", 5],
      ["shrinks", 7],
      ["vanishes", 8],
      ["zz", 2],
    ]);
    assertEquals(data.slice(1).map((bytes) => new TextDecoder().decode(bytes)), [
      "grows",
      "sh\0\0\0\0\0",
      "vanishes",
      "zz",
    ]);
  },
);

folderTest("holes stay holes, where they are worth it", async (folder) => {
  const path = join(folder, "sparse");
  using file = Deno.openSync(path, { write: true, create: true });
  file.truncateSync(10 << 20);
  file.seekSync(4 << 20, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(4096).fill(1));
  Deno.writeFileSync(join(folder, "small"), new Uint8Array(8192));
  const { entries: [small, sparse], data } = await archived(folder);
  assertEquals([small!.sparse, small!.size], [undefined, 8192]);
  assertEquals([sparse!.sparse?.size, sparse!.size], [10 << 20, 4096]);
  assertEquals(sparse!.sparse?.pieces.slice(0, 2), [4 << 20, 4096]);
  assertEquals(data[1], new Uint8Array(4096).fill(1));
});

folderTest(
  "a file of nothing but a hole has no data, and one beyond 4 GiB is found in it",
  async (folder) => {
    using empty = Deno.openSync(join(folder, "a"), { write: true, create: true });
    empty.truncateSync(2 ** 40);
    using far = Deno.openSync(join(folder, "b"), { write: true, create: true });
    far.seekSync(2 ** 33, Deno.SeekMode.Start);
    far.writeSync(new Uint8Array(4096).fill(7));
    const { entries } = await archived(folder);
    assertEquals(entries.map(({ size, sparse }) => [size, sparse?.size]), [[0, 2 ** 40], [
      4096,
      2 ** 33 + 4096,
    ]]);
  },
);

folderTest("attributes of the file are kept, overlay's and the host's own are not", async (folder) => {
  make(folder, "file");
  const value = Uint8Array.of(0, 61, 10, 255);
  const path = join(folder, "file");
  for (const name of ["user.a", "user.overlay.opaque", "user.b=c"]) setXattr(path, name, value);
  const { entries: [entry], warnings } = await archived(folder);
  assertEquals(Array.from(entry!.xattrs ?? []), [["user.a", value]]);
  assertEquals(warnings, ['the attribute "user.b=c" of "file" is left out: a tar cannot hold it']);
});

folderTest("sockets are left out", async (folder) => {
  make(folder, "file");
  using _socket = Deno.listen({ transport: "unix", path: join(folder, "socket") });
  assertEquals((await archived(folder)).entries.map(({ name }) => name), ["file"]);
});

folderTest("the same tree gives the same archive", async (folder) => {
  make(folder, "b", "a/1", "a/2", "c");
  const again = join(folder, "..", `${folder.split("/").at(-1)}-copy`);
  try {
    await succeed(["cp", "-a", folder, again]);
    assertEquals((await archived(folder)).entries, (await archived(again)).entries);
  } finally {
    Deno.removeSync(again, { recursive: true });
  }
});

folderTest("a file on which a process has a lease is left out, and not waited for", async (folder) => {
  make(folder, "leased");
  const script = `import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
sys.stdin.read()`;
  const child = new Deno.Command("python3", {
    args: [
      "-c",
      `import signal; signal.signal(signal.SIGIO, signal.SIG_IGN)\n${script}`,
      join(folder, "leased"),
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const { entries, warnings } = await archived(folder);
  assertEquals([entries.length, warnings], [0, ['"leased" is left out: a process has a lease on it']]);
  await child.stdin.close();
  await reader.cancel();
  await child.status;
});

Deno.test("a walk of something that is no folder fails", () => {
  const file = libcCall("openat", AT_FDCWD, "/dev/null", O_WRONLY);
  try {
    assertThrows(() => [...walk(file, () => {})], Error);
  } finally {
    libcCall("close", file);
  }
});
