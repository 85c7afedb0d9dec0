// Damaged bytes and texts for each parser: it takes them, or refuses them with an error of its own.
//
//   DHOW_FUZZ_SEEDS=7 or 1000-9000: other cases than the usual ones
import { DhowError } from "../../../src/errors.ts";
import { CompressionError } from "../../../src/image/compression/stream.ts";
import { ZstdFrames } from "../../../src/image/compression/zstd_frames.ts";
import { parseImageConfig } from "../../../src/image/config.ts";
import { IndexError, makeIndex } from "../../../src/image/erofs/index.ts";
import { Budget } from "../../../src/image/layer/budget.ts";
import { EVERYTHING, LayerTree } from "../../../src/image/layer/tree.ts";
import { treeStream } from "../../../src/image/layer/tree_stream.ts";
import { parseImageName } from "../../../src/image/reference.ts";
import { TarError } from "../../../src/image/tar/fields.ts";
import { parsePax } from "../../../src/image/tar/pax.ts";
import { mutate } from "../../support/mutate.ts";
import { Random, seeds } from "../../support/random.ts";
import { LAYERED } from "../../support/layered.ts";
import { tar, type TarEntry } from "../../support/tar.ts";
import { skippableFrame, zstdFrame } from "../../support/zstd.ts";

const encoder = new TextEncoder();

const ODD: readonly TarEntry[] = [
  { path: "long", pax: { path: "d/".repeat(100) + "f", mtime: "-1.5", "SCHILY.xattr.user.x": "value" } },
  {
    path: "sparse",
    content: "abc",
    pax: { "GNU.sparse.size": "100", "GNU.sparse.numblocks": "2", "GNU.sparse.map": "1,1,50,2" },
  },
  {
    path: "sparse 1.0",
    content: `2\n0\n1\n9\n2\n${"\0".repeat(502)}abc`,
    pax: { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "20" },
  },
  { path: "device", type: "block", major: 8, minor: 1 },
  { path: "fifo", type: "fifo" },
  { path: "hard", type: "hardlink", target: "fifo" },
];

const CONFIG = JSON.stringify({
  architecture: "amd64",
  os: "linux",
  created: "2024-01-01T00:00:00Z",
  config: { Env: ["A=1"], Cmd: ["sh"], User: "1:2", ExposedPorts: { "80/tcp": {} }, WorkingDir: "/" },
  rootfs: { type: "layers", diff_ids: [`sha256:${"0".repeat(64)}`] },
});

/** What each takes, and a parser that takes it. */
const PARSERS: readonly (readonly [what: string, sample: Uint8Array, parse: (bytes: Uint8Array) => void])[] =
  [
    [
      "a layer",
      tar([...LAYERED[0]!, ...LAYERED[2]!.filter(({ path }) => path.includes(".wh.")), ...ODD]),
      parseLayer,
    ],
    [
      "pax records",
      encoder.encode("11 path=ab\n17 mtime=-12.345\n26 GNU.sparse.map=1,2,3,4\n"),
      (bytes) => void parsePax(bytes, {}),
    ],
    [
      "zstd frames",
      new Uint8Array([...zstdFrame(new Uint8Array(3000)), ...skippableFrame(new Uint8Array(9))]),
      (bytes) => {
        const frames = new ZstdFrames();
        for (let from = 0; from < bytes.length; from += 100) frames.feed(bytes.subarray(from, from + 100));
        frames.finish();
      },
    ],
    [
      "a config",
      encoder.encode(CONFIG),
      (bytes) => void parseImageConfig(new TextDecoder().decode(bytes), "the config"),
    ],
    [
      "a reference",
      encoder.encode(`localhost:5000/a-b/c_d:tag.1@sha256:${"0".repeat(64)}`),
      (bytes) => void parseImageName(new TextDecoder().decode(bytes)),
    ],
  ];

/** Reads a layer and indexes it, as load and run do. */
function parseLayer(bytes: Uint8Array): void {
  const tree = new LayerTree(EVERYTHING, new Budget());
  const stream = treeStream(tree);
  for (let from = 0; from < bytes.length; from += 1000) stream.feed(bytes.subarray(from, from + 1000));
  stream.finish();
  makeIndex([{ tree, file: 0, offset: 0, fileSize: bytes.length }]);
}

const EXPECTED = [TarError, CompressionError, DhowError, IndexError];

for (const [what, sample, parse] of PARSERS) {
  Deno.test(`whatever happens to ${what}, it is read or refused`, () => {
    parse(sample);
    for (const seed of seeds("DHOW_FUZZ_SEEDS", 1, 15_000)) {
      const { bytes, what: damage } = mutate(sample, new Random(seed));
      try {
        parse(bytes);
      } catch (cause) {
        if (EXPECTED.some((expected) => cause instanceof expected)) continue;
        throw new Error(`${damage} (DHOW_FUZZ_SEEDS=${seed}): ${(cause as Error).message}`, { cause });
      }
    }
  });
}
