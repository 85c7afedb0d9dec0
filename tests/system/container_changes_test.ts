import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { libcCall } from "../../ffi/table.ts";
import { AT_FDCWD, S_IFCHR } from "../../ffi/constants.ts";
import { writeChanges } from "../../src/container/changes.ts";
import type { TarEntry } from "../../src/image/tar/decoder.ts";
import { TarWriter } from "../../src/image/tar/writer.ts";
import { openFolder } from "../../src/image/walk/directory.ts";
import { HostError } from "../../src/errors.ts";
import type { OverlayDriver } from "../../src/rootfs/overlay.ts";
import { skip } from "../support/system_test.ts";
import { Memory, readBack } from "../support/tar_writer.ts";
import { setXattr } from "../support/xattr.ts";

const YES = Uint8Array.of(0x79);

/** An upper folder of overlay's, made by hand. */
class Upper implements Disposable {
  readonly path = Deno.makeTempDirSync();

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }

  folder(name: string, mode = 0o755): void {
    Deno.mkdirSync(join(this.path, name), { mode });
    // as if it had been made at the time of its last change
    Deno.chmodSync(join(this.path, name), mode);
  }

  file(name: string, content = name): void {
    Deno.writeTextFileSync(join(this.path, name), content, { mode: 0o644 });
  }

  whiteout(name: string): void {
    libcCall("mknodat", AT_FDCWD, join(this.path, name), S_IFCHR, 0);
  }

  xattr(name: string, attribute: string, value = YES): void {
    setXattr(join(this.path, name), attribute, value);
  }

  async layer(driver: OverlayDriver = "privileged") {
    const memory = new Memory();
    const warnings: string[] = [];
    const options = {
      driver,
      warn: (text: string) => void warnings.push(text),
      signal: new AbortController().signal,
    };
    const upper = openFolder(this.path);
    try {
      await using tar = new TarWriter(memory);
      const isChanged = await writeChanges(upper, tar, options);
      await tar.finish();
      return { isChanged, entries: readBack(memory.bytes).map(([entry]) => entry), warnings };
    } finally {
      libcCall("close", upper);
    }
  }

  async names(driver: OverlayDriver = "privileged"): Promise<string[]> {
    return (await this.layer(driver)).entries.map(({ name }) => name);
  }
}

/** A test that makes devices and attributes that only root may make. */
function upperTest(name: string, test: (upper: Upper) => Promise<void>): void {
  Deno.test(name, async () => {
    if (Deno.uid() !== 0) return skip(name, "needs root");
    using upper = new Upper();
    await test(upper);
  });
}

upperTest("overlay's whiteouts become a layer's, in their folders", async (upper) => {
  upper.folder("d");
  for (const name of ["d/gone", "top"]) upper.whiteout(name);
  Deno.linkSync(join(upper.path, "top"), join(upper.path, "shared")); // overlay makes one device for many
  upper.file("d/kept");
  const { isChanged, entries } = await upper.layer();
  assertEquals([isChanged, entries.map(({ name, type, size }) => [name, type, size])], [true, [
    ["d/", "directory", 0],
    ["d/.wh.gone", "file", 0],
    ["d/kept", "file", 6],
    [".wh.shared", "file", 0],
    [".wh.top", "file", 0],
  ]]);
});

upperTest("a device that is no whiteout stays one", async (upper) => {
  libcCall("mknodat", AT_FDCWD, join(upper.path, "zero"), S_IFCHR | 0o666, (1 << 8) + 5);
  const [{ name, type, major, minor }] = (await upper.layer()).entries as [TarEntry];
  assertEquals([name, type, major, minor], ["zero", "char", 1, 5]);
});

upperTest(
  "an opaque folder is marked, before what is in it, and overlay's attributes are left out",
  async (upper) => {
    upper.folder("d");
    upper.file("d/a");
    for (
      const name of ["trusted.overlay.opaque", "trusted.overlay.origin", "user.overlay.opaque", "user.kept"]
    ) {
      upper.xattr("d", name);
    }
    const { entries } = await upper.layer();
    assertEquals(entries.map(({ name }) => name), ["d/", "d/.wh..wh..opq", "d/a"]);
    assertEquals(Array.from(entries[0]!.xattrs ?? []), [["user.kept", YES]]);
  },
);

upperTest("whose attribute says that a folder is opaque depends on the mount", async (upper) => {
  for (const [name, attribute] of [["t", "trusted"], ["u", "user"]]) {
    upper.folder(name!);
    upper.xattr(name!, `${attribute}.overlay.opaque`);
  }
  upper.folder("x");
  upper.xattr("x", "trusted.overlay.opaque", Uint8Array.of(0x78)); // not "y": it says something else
  assertEquals(await upper.names(), ["t/", "t/.wh..wh..opq", "u/", "x/"]);
  assertEquals(await upper.names("user"), ["t/", "u/", "u/.wh..wh..opq", "x/"]);
});

upperTest(
  "what fuse-overlayfs says by files is said by a layer's, and its attributes are left out",
  async (upper) => {
    upper.folder("d");
    upper.whiteout("d/.wh..opq"); // it makes one of a name that nothing has
    for (const name of ["d/.wh..wh..opq", "d/.a", "d/.wh.gone"]) upper.file(name, "");
    upper.whiteout("top");
    upper.file("f");
    for (const name of ["user.fuseoverlayfs.origin", "user.overlay.redirect", "user.kept"]) {
      upper.xattr(
        "f",
        name,
      );
    }
    const { entries, warnings } = await upper.layer("fuse-overlayfs");
    assertEquals(entries.map(({ name }) => name), [
      "d/",
      "d/.a",
      "d/.wh..wh..opq",
      "d/.wh.gone",
      "f",
      ".wh.top",
    ]);
    assertEquals(Array.from(entries[4]!.xattrs ?? []), [["user.kept", YES]]);
    assertEquals(warnings, []);
    // for the kernel's overlay they are files whose names a layer cannot have
    Deno.removeSync(join(upper.path, "f"));
    const { entries: plain, warnings: left } = await upper.layer("user");
    assertEquals(plain.map(({ name }) => name), ["d/", "d/.a", ".wh.top"]);
    assertEquals(left.length, 3);
  },
);

upperTest("what the container's root says by attributes, fuse-overlayfs heeds as well", async (upper) => {
  for (const name of ["d", "e"]) upper.folder(name);
  upper.xattr("d", "user.overlay.opaque");
  assertEquals(await upper.names("fuse-overlayfs"), ["d/", "d/.wh..wh..opq", "e/"]);
});

upperTest("mount points that fuse-overlayfs has marked as opaque are no changes", async (upper) => {
  for (const name of ["etc", "proc", "dev"]) upper.folder(name);
  for (const name of ["etc/.wh..wh..opq", "proc/.wh..wh..opq", "dev/.wh..wh..opq", "etc/hosts"]) {
    upper.file(name, "");
  }
  untouched(upper);
  assertEquals((await upper.layer("fuse-overlayfs")).isChanged, false);
  upper.file("dev/new");
  assertEquals(await upper.names("fuse-overlayfs"), ["dev/", "dev/.wh..wh..opq", "dev/new"]);
});

upperTest("mount points that dhow has made are no changes", async (upper) => {
  for (const name of ["etc", "proc", "dev", "sys"]) upper.folder(name);
  for (const name of ["hosts", "hostname", "resolv.conf"]) upper.file(`etc/${name}`, "");
  untouched(upper);
  const { isChanged, entries } = await upper.layer();
  assertEquals([isChanged, entries], [false, []]);
});

/** As overlay leaves /etc when dhow has put a file into it: times of modification and change are the same. */
function untouched(upper: Upper): void {
  Deno.writeTextFileSync(join(upper.path, "etc/tmp"), "");
  Deno.removeSync(join(upper.path, "etc/tmp"));
}

upperTest("a folder of those is a change with what is changed in it", async (upper) => {
  for (const name of ["etc", "proc", "dev"]) upper.folder(name);
  for (const name of ["etc/hosts", "etc/resolv.conf"]) upper.file(name, "");
  upper.file("etc/new");
  upper.whiteout("dev/null");
  untouched(upper);
  assertEquals(await upper.names(), ["dev/", "dev/.wh.null", "etc/", "etc/new"]);
});

upperTest("an /etc that is new and opaque says so, if anything is in it", async (upper) => {
  upper.folder("etc");
  upper.file("etc/new");
  upper.xattr("etc", "trusted.overlay.opaque");
  untouched(upper);
  assertEquals(await upper.names(), ["etc/", "etc/.wh..wh..opq", "etc/new"]);
});

for (
  const [what, change] of [
    ["of another mode", (upper) => Deno.chmodSync(join(upper.path, "etc"), 0o700)],
    ["of another owner", (upper) => Deno.chownSync(join(upper.path, "etc"), 1, 0)],
    ["with an attribute", (upper) => upper.xattr("etc", "user.x")],
    ["with another time", (upper) => Deno.utimeSync(join(upper.path, "etc"), 1, 1)],
  ] as [string, (upper: Upper) => void][]
) {
  upperTest(`an /etc ${what} is a change`, async (upper) => {
    upper.folder("etc");
    upper.file("etc/hosts", "");
    untouched(upper);
    change(upper);
    assertEquals(await upper.names(), ["etc/"]);
  });
}

for (
  const [what, change] of [
    ["with something in it", (upper) => upper.file("etc/hosts", "text")],
    ["of another mode", (upper) => Deno.chmodSync(join(upper.path, "etc/hosts"), 0o600)],
    [
      "with a second name",
      (upper) => Deno.linkSync(join(upper.path, "etc/hosts"), join(upper.path, "other")),
    ],
  ] as [string, (upper: Upper) => void][]
) {
  upperTest(`an /etc/hosts ${what} is a change`, async (upper) => {
    upper.folder("etc");
    upper.file("etc/hosts", "");
    change(upper);
    assertEquals((await upper.names()).slice(0, 2), ["etc/", "etc/hosts"]);
  });
}

upperTest("names that mean something else in a layer are left out, with all below them", async (upper) => {
  upper.folder("d");
  upper.folder("d/.wh.x");
  upper.file("d/.wh.x/inside");
  upper.file(".wh.file");
  upper.whiteout(".wh.gone");
  const { entries, warnings } = await upper.layer();
  assertEquals(entries.map(({ name }) => name), ["d/"]);
  assertEquals(warnings.length, 3);
});

for (const [attribute, option] of [["redirect", "redirect_dir"], ["metacopy", "metacopy"]]) {
  upperTest(`what overlay has only noted with ${option} is refused, not damaged`, async (upper) => {
    upper.folder("d");
    upper.xattr("d", `trusted.overlay.${attribute}`, Uint8Array.of(0x2f, 0x78));
    const error = await assertRejects(() => upper.layer(), HostError, `(${option})`);
    assertEquals(error.message.startsWith('cannot make a layer of "d": '), true);
  });
}

upperTest("an upper folder with nothing in it is no change", async (upper) => {
  assertEquals((await upper.layer()).isChanged, false);
});
