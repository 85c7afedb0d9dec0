import { assert, assertEquals, assertRejects } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { HostError, ImageError } from "../../../../src/errors.ts";
import { sha256 } from "../../../../src/image/digest.ts";
import { compress } from "../../../../src/image/registry/compress.ts";
import { digestOf } from "./fake.ts";

sha256(); // loads a library, which then is not the first test's

const CHUNK = 1 << 18;
const TAR = new Uint8Array(5 * CHUNK + 7).map((_, index) => index * index >> 7);

/** A tar in chunks, all in one buffer, as the store gives it. */
async function* inOneBuffer(tar: Uint8Array): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK);
  for (let start = 0; start < tar.length; start += CHUNK) {
    const part = tar.subarray(start, start + CHUNK);
    buffer.set(part);
    yield await Promise.resolve(buffer.subarray(0, part.length));
  }
  buffer.fill(0);
}

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  try {
    return await work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function run(
  folder: string,
  name: string,
  tar: AsyncIterable<Uint8Array>,
  signal = new AbortController().signal,
) {
  let advanced = 0;
  const progress = { advance: (bytes: number) => advanced += bytes, done() {} };
  return compress(tar, digestOf(TAR), `${folder}/${name}`, progress, signal)
    .then((layer) => ({ ...layer, advanced }));
}

Deno.test("a layer is compressed to what uncompresses to it, the same every time", async () => {
  await withFolder(async (folder) => {
    const layers = [await run(folder, "a", inOneBuffer(TAR)), await run(folder, "b", inOneBuffer(TAR))];
    for (const { file, digest, size, advanced } of layers) {
      const bytes = Deno.readFileSync(file);
      assertEquals([digest, size, advanced], [digestOf(bytes), bytes.length, TAR.length]);
      assertEquals(digestOf(gunzipSync(bytes)), digestOf(TAR));
    }
    assertEquals(layers[0]!.digest, layers[1]!.digest);
  });
});

Deno.test("a layer that is not what it was is not pushed", async () => {
  const damaged = TAR.slice();
  damaged[9]! ^= 1;
  await withFolder((folder) =>
    assertRejects(() => run(folder, "a", inOneBuffer(damaged)), ImageError, "not that any more")
  );
});

Deno.test("what goes wrong while a layer is read is told", async () => {
  const failing = async function* () {
    yield* inOneBuffer(TAR.subarray(0, CHUNK));
    throw new Error("bad disk");
  };
  await withFolder((folder) => assertRejects(() => run(folder, "a", failing()), Error, "bad disk"));
});

Deno.test("compressing ends when the user breaks off", async () => {
  const controller = new AbortController();
  let chunks = 0;
  const endless = async function* () {
    while (true) {
      if (++chunks === 3) controller.abort(new Error("interrupted"));
      yield* inOneBuffer(TAR);
    }
  };
  await withFolder((folder) =>
    assertRejects(() => run(folder, "a", endless(), controller.signal), Error, "interrupted")
  );
  assert(chunks === 3);
});

Deno.test("a file for a compressed layer that cannot be made is the host's fault", async () => {
  await assertRejects(() => run("/nowhere", "a", inOneBuffer(TAR)), HostError, 'cannot write "/nowhere/a"');
});
