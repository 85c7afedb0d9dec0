import { assertEquals, assertRejects } from "@std/assert";
import { ImageError } from "../../src/errors.ts";
import { ImageStore } from "../../src/image/store/store.ts";
import { unpackedFiles } from "../../src/image/files/unpacked.ts";
import { Database } from "../../src/state/database.ts";
import { pathsUnder } from "../../src/state/paths.ts";
import { LAYERED, PATHS } from "../support/layered.ts";
import { succeed } from "../support/process.ts";
import { storeTest } from "../support/store.ts";

storeTest("files of an unpacked image are what a container sees", async (store) => {
  const layers = await store.layers({ layers: LAYERED });
  const files = unpackedFiles(layers.toReversed());
  for (const [path, expected] of PATHS) {
    const bytes = await files.read(path, 1000);
    assertEquals([path, bytes && new TextDecoder().decode(bytes)], [path, expected]);
  }
  await assertRejects(() => files.read("/etc/passwd", 5), ImageError, "it has 6 bytes, more than 5");
});

storeTest("overlay shows unpacked layers as the tests say that a container sees them", async (store) => {
  const layers = await store.layers({ layers: LAYERED });
  for (const name of ["upper", "work", "merged"]) Deno.mkdirSync(store.file(name));
  Deno.copyFileSync("/bin/busybox", store.file("upper/busybox"));
  // in a mount namespace that goes with the shell
  const script = `
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$0/upper,workdir=$0/work" "$0/merged"
    shift
    chroot "$0/merged" /busybox sh -c 'for path; do if [ -f "$path" ]; then /busybox cat "$path"; else printf -; fi; echo; done' sh "$@"`;
  const output = await succeed(
    [
      "unshare",
      "--mount",
      "sh",
      "-euc",
      script,
      store.folder,
      layers.toReversed().join(":"),
      ...PATHS.map(([path]) => path),
    ],
  );
  const seen = output.split("\n").slice(0, -1).map((
    line,
    index,
  ) => [PATHS[index]![0], line === "-" ? undefined : line]);
  assertEquals(seen, PATHS.map(([path, content]) => [path, content]));
});

storeTest("a layer whose root is opaque hides all layers below it", async (store) => {
  const { code } = await store.load({
    layers: [[{ path: "lower" }], [{ path: "upper" }, { path: ".wh..wh..opq" }], [{ path: "top" }]],
  });
  assertEquals(code, 0);
  const database = Database.open(pathsUnder(store.root));
  try {
    const describe = () => Promise.resolve(undefined);
    const images = new ImageStore(pathsUnder(store.root), database, { storage: "unpacked", describe });
    const lower = await images.lower(images.find("test:latest")!);
    assertEquals(lower, { kind: "folders", layers: store.layerFolders().slice(1).toReversed() });
  } finally {
    database.close();
  }
});
