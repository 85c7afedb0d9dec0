import { assertEquals, assertThrows } from "@std/assert";
import { CompressionError } from "../../../../src/image/compression/stream.ts";
import { MAX_WINDOW, ZstdFrames } from "../../../../src/image/compression/zstd_frames.ts";
import { concatenate } from "../../../support/tar.ts";
import { block, runLength, skippableFrame, zstdFrame } from "../../../support/zstd.ts";

/** Feeds bytes in parts of a size. */
function walk(bytes: Uint8Array, size = bytes.length): void {
  const frames = new ZstdFrames();
  for (let from = 0; from < bytes.length; from += size) frames.feed(bytes.subarray(from, from + size));
  frames.finish();
}

const CONTENT = new TextEncoder().encode("content");
/** 2 ** (10 + 17), and an eighth more. */
const EXACTLY_THE_LIMIT = 17 << 3;
const A_LITTLE_MORE = EXACTLY_THE_LIMIT + 1;

const TAKEN: [what: string, bytes: Uint8Array][] = [
  ["nothing", new Uint8Array()],
  ["a frame", zstdFrame(CONTENT)],
  ["a frame without content", zstdFrame(new Uint8Array())],
  ["a frame of several blocks", zstdFrame(new Uint8Array(300_000))],
  ["a frame with a window", zstdFrame(CONTENT, { window: 0 })],
  ["a frame with the largest window", zstdFrame(CONTENT, { window: EXACTLY_THE_LIMIT })],
  [
    "a frame with a checksum",
    concatenate([zstdFrame(CONTENT, { descriptor: 0x24, sizeBytes: 1 }), new Uint8Array(4)]),
  ],
  [
    "a run of one byte",
    zstdFrame(CONTENT, { window: 0, blocks: [runLength(1, 1000, false), runLength(2, 9, true)] }),
  ],
  ["the size in one byte", zstdFrame(CONTENT, { sizeBytes: 1 })],
  ["the size in two bytes", zstdFrame(CONTENT, { sizeBytes: 2 })],
  ["the size in eight bytes", zstdFrame(CONTENT, { sizeBytes: 8 })],
  ["the dictionary of number 0, which is none", zstdFrame(CONTENT, { dictionary: 0 })],
  ["a skippable frame", skippableFrame(CONTENT)],
  [
    "many frames of all kinds",
    concatenate([
      skippableFrame(CONTENT),
      zstdFrame(CONTENT),
      skippableFrame(new Uint8Array()),
      zstdFrame(CONTENT),
    ]),
  ],
];

for (const [what, bytes] of TAKEN) {
  Deno.test(`zstd data may be ${what}, in parts of any size`, () => {
    for (const size of [1, 2, 3, 5, 1000, 1 << 20]) walk(bytes, size);
  });
}

Deno.test("zstd data that are cut are told from whole ones, wherever they are cut", () => {
  const bytes = concatenate([
    skippableFrame(CONTENT),
    zstdFrame(CONTENT, { window: 0, dictionary: 0 }),
    zstdFrame(CONTENT, { window: 0, blocks: [runLength(1, 5, true)] }),
  ]);
  const whole = [skippableFrame(CONTENT).length];
  whole.push(whole[0]! + zstdFrame(CONTENT, { window: 0, dictionary: 0 }).length);
  const accepted: number[] = [];
  for (let size = 1; size < bytes.length; size++) {
    try {
      walk(bytes.subarray(0, size));
      accepted.push(size);
    } catch (error) {
      assertEquals(error instanceof CompressionError && error.message, "unexpected end of file");
    }
  }
  assertEquals(accepted, whole);
});

const REFUSED: [what: string, bytes: Uint8Array, why: string][] = [
  ["a window above the limit", zstdFrame(CONTENT, { window: A_LITTLE_MORE }), "more than 134217728"],
  [
    "the largest window that can be said",
    zstdFrame(CONTENT, { window: 0xff }),
    "it wants 4123168604160 bytes",
  ],
  [
    "a single segment above the limit",
    zstdFrame(CONTENT, { contentSize: MAX_WINDOW + 1 }),
    "more than 134217728",
  ],
  [
    "the largest single segment that can be said",
    zstdFrame(CONTENT, { contentSize: Number.MAX_SAFE_INTEGER, sizeBytes: 8 }),
    "more than 134217728",
  ],
  ["a dictionary", zstdFrame(CONTENT, { dictionary: 7 }), "a dictionary"],
  ["a reserved bit", zstdFrame(CONTENT, { descriptor: 0x28 }), "a reserved bit"],
  [
    "a block of the reserved type",
    zstdFrame(CONTENT, { window: 0, blocks: [block(3, 0, true)] }),
    "a block header is not valid",
  ],
  [
    "a block that is too large",
    zstdFrame(CONTENT, { window: 0, blocks: [block(0, (128 << 10) + 1, true)] }),
    "a block header is not valid",
  ],
  ["text", CONTENT, "something else than zstd"],
  ["a format of before version 0.8", Uint8Array.of(0x27, 0xb5, 0x2f, 0xfd), "something else than zstd"],
];

for (const [what, bytes, why] of REFUSED) {
  Deno.test(`zstd data are refused with ${what}, in the first frame and in a later one`, () => {
    for (const size of [1, 1000]) {
      assertThrows(() => walk(bytes, size), CompressionError, why);
      const later = concatenate([zstdFrame(CONTENT), skippableFrame(CONTENT), bytes]);
      assertThrows(() => walk(later, size), CompressionError, why);
    }
  });
}
