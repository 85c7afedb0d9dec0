import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { pathExists } from "../../../../ffi/files.ts";
import { HostError, ImageError } from "../../../../src/errors.ts";
import { parseImageConfig } from "../../../../src/image/config.ts";
import { sha256 } from "../../../../src/image/digest.ts";
import { digestOf } from "../../../../src/image/digest_of.ts";
import { QUIET } from "../../../../src/image/progress.ts";
import { ImageLoad } from "../../../../src/image/store/load.ts";
import { recoverStore } from "../../../../src/image/store/recover.ts";
import { ImageStore } from "../../../../src/image/store/store.ts";
import { Database } from "../../../../src/state/database.ts";
import { identify } from "../../../../src/state/process_identity.ts";
import { pathsUnder } from "../../../../src/state/paths.ts";

sha256(); // opens libcrypto, which stays open, before a test could be blamed for it

/** A layer with nothing in it: the two blocks of zeros that end a tar. */
const LAYER = new Uint8Array(1024);
const DIFF_ID = digestOf(LAYER);
const CONFIG = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { diff_ids: [DIFF_ID] } });

async function withStore(
  work: (store: ImageStore, database: Database) => Promise<void> | void,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const paths = pathsUnder(folder);
  const database = Database.open(paths);
  try {
    const describe = () => Promise.resolve(undefined);
    await work(new ImageStore(paths, database, { storage: "unpacked", describe }), database);
  } finally {
    database.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

/**
 * Puts an image with that layer into a store, as `load` does, and into the form that an EROFS index needs.
 * @param meanwhile done when the load has begun with the layer
 */
async function load(store: ImageStore, folder: string, meanwhile = () => {}): Promise<void> {
  const path = join(folder, "layer.tar");
  Deno.writeFileSync(path, LAYER);
  using file = Deno.openSync(path);
  const layer = {
    name: "layer.tar",
    label: "the layer",
    diffId: DIFF_ID,
    size: LAYER.length,
    // deno-lint-ignore require-await -- an error is the promise's
    range: async () => {
      meanwhile();
      return { file, offset: 0, size: LAYER.length };
    },
  };
  const config = parseImageConfig(CONFIG, "the config");
  const image = { id: digestOf(CONFIG), config, configText: CONFIG, tags: ["a:1"], layers: [layer] };
  const { database, layers, indexes, options: { describe } } = store;
  await new ImageLoad({ database, layers, indexes, describe }, image, {
    form: "tar",
    tags: image.tags,
    digests: [],
    source: null,
    isStored: false,
    progress: QUIET,
  }).run();
}

Deno.test("a load that needs a stored layer whose file somebody removed fails, and does not try forever", async () => {
  await withStore(async (store, database) => {
    await load(store, store.paths.state);
    const number = store.layers.find(DIFF_ID, "tar")!;
    database.run("DELETE FROM images");
    database.run("DELETE FROM indexes");
    Deno.removeSync(store.layers.tar(number));
    const error = await assertRejects(() => load(store, store.paths.state), ImageError, "is gone");
    assert(error.message.includes(DIFF_ID), error.message);
    assertEquals(store.find("a:1"), undefined);
    assertEquals(database.all("SELECT * FROM indexes"), []);
  });
});

/** A process that was there, and has ended. */
async function endedProcess(): Promise<string> {
  const child = new Deno.Command("sleep", { args: ["60"], stdout: "null" }).spawn();
  const identity = JSON.stringify(identify(child.pid));
  child.kill("SIGKILL");
  await child.status;
  return identity;
}

/** Has `work` done right after the rows of unfinished layers were read. */
function afterPendingWereRead(database: Database, work: () => void): Database {
  return new Proxy(database, {
    get(target, name: keyof Database) {
      const member = target[name];
      if (typeof member !== "function") return member;
      if (name !== "all") return member.bind(target);
      return (sql: string, ...values: (string | number | null)[]) => {
        const rows = target.all(sql, ...values);
        if (sql.includes("FROM layers WHERE NOT ready")) work();
        return rows;
      };
    },
  });
}

Deno.test("cleaning up keeps the layer of a load that ends as the cleaning looks, and removes one that was killed", async () => {
  await withStore(async (store, database) => {
    const owner = await endedProcess();
    const numbers = ["ended", "killed"].map((diffId) => {
      const number = store.layers.reserve(diffId, "tar");
      database.run("UPDATE layers SET owner = ? WHERE number = ?", owner, number);
      Deno.writeTextFileSync(store.layers.tar(number), diffId);
      return number;
    });
    const [ended, killed] = numbers as [number, number];
    const accept = () => database.run("UPDATE layers SET ready = 1 WHERE number = ?", ended);
    const racing = afterPendingWereRead(database, accept);
    recoverStore(racing, store.paths);
    assertEquals(store.layers.find("ended", "tar"), ended);
    assert(pathExists(store.layers.tar(ended)));
    assert(!pathExists(store.layers.tar(killed)));
    assertEquals(database.all("SELECT number FROM layers"), [{ number: ended }]);
  });
});

Deno.test("a load whose layer another dhow has taken for a dead one's fails, and the image is not there", async () => {
  await withStore(async (store, database) => {
    for (const steal of ["DELETE FROM layers", "UPDATE layers SET owner = 'another'"]) {
      const loading = load(store, store.paths.state, () => database.run(steal));
      await assertRejects(() => loading, HostError, "another dhow, which does not see this process");
      assertEquals(store.list(), []);
      database.run("DELETE FROM layers");
    }
  });
});

Deno.test("a layer whose image is removed as its tar is opened is told as gone; one whose file alone has gone is not", async () => {
  await withStore(async (store, database) => {
    await load(store, store.paths.state);
    const path = store.layers.tar(store.layers.find(DIFF_ID, "tar")!);
    Deno.removeSync(path);
    await assertRejects(() => store.layers.openTar(DIFF_ID), Deno.errors.NotFound);
    let hasLooked = false;
    const get = database.get.bind(database);
    database.get = ((sql: string, ...values: (string | number | null)[]) => {
      const row = get(sql, ...values);
      if (hasLooked && sql.includes("FROM layers")) {
        database.run("DELETE FROM images");
        database.run("DELETE FROM indexes");
        database.run("DELETE FROM layers");
      }
      hasLooked = true; // openTar asks for the form first
      return row;
    }) as typeof database.get;
    await assertRejects(() => store.layers.openTar(DIFF_ID), ImageError, "cannot find layer");
  });
});
