import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { ImageError } from "../../../../src/errors.ts";
import type { ByteStream } from "../../../../src/image/compression/stream.ts";
import { compressionOf, openLayer } from "../../../../src/image/layer/stream.ts";
import { concatenate } from "../../../support/tar.ts";
import { runLength, skippableFrame, zstdFrame } from "../../../support/zstd.ts";

/** Opens bytes that lie in the middle of a file. */
async function opened<T>(
  bytes: Uint8Array,
  work: (stream: ByteStream, file: Deno.FsFile) => Promise<T>,
): Promise<T> {
  const path = Deno.makeTempFileSync();
  using file = Deno.openSync(path, { read: true, write: true });
  Deno.removeSync(path);
  const offset = 777;
  file.writeSync(concatenate([new Uint8Array(offset).fill(9), bytes, new Uint8Array(99).fill(9)]));
  using stream = openLayer({ file, offset, size: bytes.length, label: "the layer" });
  return await work(stream, file);
}

/** All of a stream, read in parts of a size. */
async function readAll(stream: ByteStream, size: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = new Uint8Array(size);
    const count = await stream.read(part);
    parts.push(part.subarray(0, count));
    if (count < size) return concatenate(parts);
  }
}

const uncompress = (bytes: Uint8Array, size = 1 << 20) => opened(bytes, (stream) => readAll(stream, size));

/** What zstd -19 --check made of TEXT. */
const REAL_ZSTD = Uint8Array.from(
  atob(
    "KLUv/QRoFQUAIokaFoBNByAGVkRdjTLMibyb7Cblo53ETgPqMHW5/U8dpi63P6rD1OX2T3WYutz+qg5Tl9t/1WHqcvuzOkxd" +
      "bv9Wh6nL7e/qMHW5/Q1YxwJBDWH/FhjQmkwizDjWOh6HaQpbQ2RLSSBDGlsWIWOoYeDuz54BwBeGAxJ4GP7+//8ZCWlT0qak" +
      "TUmsTu6KMBEOASPpEvARV4SJONh3TWVepyWr0FWY5Q==",
  ),
  (character) => character.charCodeAt(0),
);
const TEXT = new TextEncoder().encode(
  "All of this was compressed by zstd. ".repeat(40) +
    Array.from({ length: 99 }, (_, index) => `${99 - index} bottles, `).join(""),
);

function noise(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let index = 0, state = 1; index < size; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

const LONG = noise(3_000_000);
/** As much as comes out at once, to the byte. */
const EVEN = new Uint8Array(1 << 20).fill(5);
const EVEN_BLOCKS = Array.from({ length: 8 }, (_, index) => runLength(5, 128 << 10, index === 7));

const READ: [what: string, compressed: Uint8Array, content: Uint8Array][] = [
  ["plain bytes", TEXT, TEXT],
  ["no bytes", new Uint8Array(), new Uint8Array()],
  ["long plain bytes", LONG, LONG],
  ["gzip", gzipSync(TEXT), TEXT],
  ["gzip of nothing", gzipSync(new Uint8Array()), new Uint8Array()],
  ["long gzip", gzipSync(LONG), LONG],
  ["gzip of several members", concatenate([gzipSync(TEXT), gzipSync(LONG)]), concatenate([TEXT, LONG])],
  [
    "gzip of a thousand members, as eStargz has it",
    concatenate(Array.from({ length: 1000 }, (_, index) => gzipSync(Uint8Array.of(index)))),
    Uint8Array.from({ length: 1000 }, (_, index) => index),
  ],
  ["gzip with padding", concatenate([gzipSync(TEXT), new Uint8Array(1000)]), TEXT],
  ["zstd", REAL_ZSTD, TEXT],
  ["zstd of nothing", zstdFrame(new Uint8Array()), new Uint8Array()],
  ["long zstd", zstdFrame(LONG), LONG],
  [
    "zstd of several frames",
    concatenate([skippableFrame(TEXT), REAL_ZSTD, zstdFrame(LONG), skippableFrame(TEXT)]),
    concatenate([TEXT, LONG]),
  ],
  ["zstd of a round size", zstdFrame(EVEN, { window: 0x50, blocks: EVEN_BLOCKS }), EVEN],
  [
    "zstd whose last block comes out in two parts",
    zstdFrame(EVEN, { window: 0x50, blocks: [runLength(7, 100, false), ...EVEN_BLOCKS] }),
    concatenate([new Uint8Array(100).fill(7), EVEN]),
  ],
  [
    "zstd of two round sizes",
    concatenate([
      zstdFrame(EVEN, { window: 0x50, blocks: EVEN_BLOCKS }),
      zstdFrame(EVEN, { window: 0x50, blocks: EVEN_BLOCKS }),
    ]),
    concatenate([EVEN, EVEN]),
  ],
];

for (const [what, compressed, content] of READ) {
  Deno.test(`${what} can be read in parts of any size`, async () => {
    for (const size of content.length > 1_000_000 ? [99_999, 1 << 20, 5_000_000] : [1, 7, 1000, 1 << 20]) {
      assertEquals(await uncompress(compressed, size), content);
    }
  });

  Deno.test(`in ${what} bytes can be passed over, even more than there are`, async () => {
    for (const count of [0, 1, Math.floor(content.length / 2), content.length, content.length + 1]) {
      const rest = await opened(compressed, async (stream) => {
        await stream.skip(count);
        return await readAll(stream, 1 << 20);
      });
      assertEquals(rest, content.slice(count));
    }
  });
}

const gzip = new Uint8Array(gzipSync(TEXT));

for (const [what, compressed] of [["gzip", gzip], ["zstd", REAL_ZSTD]] as const) {
  Deno.test(`${what} that is cut anywhere is refused, with its name`, async () => {
    // before the first bytes that tell what it is, it is taken for plain
    for (let size = what === "gzip" ? 2 : 4; size < compressed.length; size++) {
      const error = await assertRejects(() => uncompress(compressed.subarray(0, size)), ImageError);
      assertEquals(
        error.message,
        "cannot uncompress the layer: unexpected end of file; it is damaged or incomplete: copy or save it again",
      );
    }
  });

  Deno.test(`${what} with a wrong byte anywhere gives what it was made of, or an error`, async () => {
    for (let index = 4; index < compressed.length; index++) {
      for (const change of [1, 0x80, 0xff]) {
        const damaged = compressed.slice();
        damaged[index]! ^= change;
        try {
          assertEquals(await uncompress(damaged), TEXT);
        } catch (error) {
          if (!(error instanceof ImageError)) throw error;
          assertStringIncludes(error.message, "cannot uncompress the layer: ");
        }
      }
    }
  });

  Deno.test(`${what} followed by something else is refused`, async () => {
    for (const rest of ["x", "text after it, of some length"]) {
      const bytes = concatenate([compressed, new TextEncoder().encode(rest)]);
      await assertRejects(() => uncompress(bytes), ImageError, "cannot uncompress the layer");
    }
  });
}

for (
  const [what, compressed] of [["plain", LONG], ["gzip", gzipSync(LONG)], ["zstd", zstdFrame(LONG)]] as const
) {
  Deno.test(`a ${what} file that somebody shortens meanwhile is refused`, async () => {
    await opened(compressed, async (stream, file) => {
      await stream.read(new Uint8Array(10));
      file.truncateSync(1_000_000);
      await assertRejects(() => readAll(stream, 1 << 20), ImageError, "the archive was truncated");
    });
  });
}

Deno.test("zstd that wants too much memory is refused", async () => {
  const bytes = concatenate([REAL_ZSTD, zstdFrame(TEXT, { window: 0xff })]);
  const error = await assertRejects(() => uncompress(bytes), ImageError);
  assertStringIncludes(error.message, "cannot uncompress the layer: it wants 4123168604160 bytes of memory");
});

Deno.test("streams that are not read to their end leave no memory behind", async () => {
  // 64 MiB each; all of them together would not fit into 32 bits
  const bytes = zstdFrame(LONG, { window: 16 << 3 });
  for (let index = 0; index < 100; index++) {
    await opened(bytes, async (stream) => {
      assertEquals(await stream.read(new Uint8Array(1000)), 1000);
    });
  }
});

Deno.test("what content is compressed with is told by its first bytes", async () => {
  const SAMPLES: [Uint8Array, "gzip" | "zstd" | undefined][] = [
    [gzip, "gzip"],
    [REAL_ZSTD, "zstd"],
    [skippableFrame(TEXT), "zstd"],
    [TEXT, undefined],
    [gzip.subarray(0, 1), undefined],
    [new Uint8Array(), undefined],
  ];
  for (const [bytes, expected] of SAMPLES) {
    await opened(bytes, (_, file) => {
      assertEquals(compressionOf({ file, offset: 777, size: bytes.length }), expected);
      return Promise.resolve();
    });
  }
});
