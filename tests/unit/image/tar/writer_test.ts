import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type ByteString, encodeText, toBytes } from "../../../../src/image/tar/byte_string.ts";
import type { TarEntry, TarType } from "../../../../src/image/tar/decoder.ts";
import { encodeEntry } from "../../../../src/image/tar/encoder.ts";
import { TarWriter } from "../../../../src/image/tar/writer.ts";
import { run, succeed } from "../../../support/process.ts";
import { entryOf, Memory, readBack, written } from "../../../support/tar_writer.ts";

/** Random numbers that are the same each time (mulberry32). */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ seed >>> 15, 1 | seed);
    value = value + Math.imul(value ^ value >>> 7, 61 | value) ^ value;
    return ((value ^ value >>> 14) >>> 0) % below;
  };
}

function randomName(next: (below: number) => number, longest: number): ByteString {
  const bytes = Array.from({ length: 1 + next(longest) }, () => {
    const byte = next(4) === 0 ? 1 + next(255) : 0x61 + next(26);
    return byte === 0x2f ? 0x5f : byte;
  });
  return `n${String.fromCharCode(...bytes)}`;
}

const pick = <T>(next: (below: number) => number, values: readonly T[]): T => values[next(values.length)]!;

function randomEntry(next: (below: number) => number): [TarEntry, Uint8Array] {
  const types: TarType[] = ["file", "file", "directory", "symlink", "hardlink", "char", "block", "fifo"];
  const type = pick(next, types);
  const parts = Array.from({ length: 1 + next(4) }, () => randomName(next, 120));
  const data = new Uint8Array(type === "file" ? pick(next, [0, 1, 511, 512, 513, 5000]) : 0).fill(
    1 + next(255),
  );
  const isDevice = type === "char" || type === "block";
  const value = new Uint8Array(next(300)).map(() => next(256));
  return [
    entryOf({
      type,
      name: `${parts.join("/")}${type === "directory" ? "/" : ""}`,
      link: type === "symlink" || type === "hardlink" ? randomName(next, 250) : "",
      mode: next(0o10000),
      uid: pick(next, [0, 1000, 0o7777777, 0o10000000, 4294967294]),
      gid: pick(next, [0, 5, 0o7777777, 0o10000000, 4294967294]),
      mtime: pick(next, [0, 1_700_000_000, -1, -1_000_000_000, 0o77777777777, 0o100000000000]),
      mtimeNanoseconds: pick(next, [0, 1, 500_000_000, 999_999_999]),
      major: isDevice ? next(0xfff) : 0,
      minor: isDevice ? next(0xfffff) : 0,
      size: data.length,
      xattrs: next(3) === 0
        ? new Map([["security.capability", value], ["user.x", new Uint8Array()]])
        : undefined,
    }),
    data,
  ];
}

Deno.test("whatever is written is read back as it was", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const next = random(seed);
    const entries = Array.from({ length: 20 }, () => randomEntry(next));
    assertEquals(readBack(await written(entries)), entries, `seed ${seed}`);
  }
});

Deno.test("a sparse file keeps its size and its pieces, and needs no room for its holes", async () => {
  const pieces = [4096, 3, 1 << 20, 512, 1 << 30, 1];
  const data = new Uint8Array(516).map((_, index) => index);
  for (const size of [(1 << 30) + 1, 2 ** 33]) {
    const name = `${"long/".repeat(60)}sparse`;
    const archive = await written([
      [entryOf({ name, size: 516, sparse: { size, pieces } }), data],
      [entryOf({ name: "next" })],
    ]);
    const [[entry, content], [after]] = readBack(archive) as [[TarEntry, Uint8Array], [TarEntry]];
    assertEquals([entry.name, entry.sparse?.size, entry.size, content], [name, size, 516, data]);
    assertEquals(entry.sparse?.pieces.slice(0, 6), pieces);
    assertEquals(after.name, "next");
    assertEquals(archive.length < 8192, true);
  }
});

Deno.test("a file of more than 8 GiB has its size in a record", () => {
  const size = 2 ** 33;
  const { blocks } = encodeEntry(entryOf({ size }));
  const text = new TextDecoder("latin1").decode(blocks);
  assertEquals(text.includes(`19 size=${size}\n`), true);
  assertEquals(encodeEntry(entryOf({ size: size - 1 })).blocks.length, 512);
});

Deno.test("what fits into a ustar header is in one, and needs no other", () => {
  const fits = [
    entryOf({ name: "a".repeat(100), link: "b".repeat(100), type: "symlink" }),
    entryOf({ name: `${"a".repeat(155)}/${"b".repeat(100)}` }),
    entryOf({ name: `${"a".repeat(99)}/`, type: "directory" }),
    entryOf({ name: "gr\xfcn\xff\n", uid: 0o7777777, mtime: 0o77777777777 }),
  ];
  for (const entry of fits) assertEquals(encodeEntry(entry).blocks.length, 512, entry.name);
  const exceeds = [
    entryOf({ name: "a".repeat(101) }),
    entryOf({ name: `${"a".repeat(156)}/b` }),
    entryOf({ link: "b".repeat(101), type: "symlink" }),
    entryOf({ mtime: -1 }),
    entryOf({ mtimeNanoseconds: 1 }),
    entryOf({ gid: 0o10000000 }),
  ];
  for (const entry of exceeds) assertEquals(encodeEntry(entry).blocks.length, 3 * 512, entry.name);
});

Deno.test("an attribute with an equals sign in its name is refused: no pax header can hold it", () => {
  const xattrs = new Map([["user.a=b", new Uint8Array()]]);
  assertThrows(() => encodeEntry(entryOf({ xattrs })), RangeError, "=");
});

Deno.test("an entry with more or less data than its header says is a bug that shows", async () => {
  await assertRejects(() => written([[entryOf({ size: 1 }), new Uint8Array(2)]]), Error, "more data");
  await assertRejects(() => written([[entryOf({ size: 2 }), new Uint8Array(1)]]), Error, "lacks data");
});

Deno.test("an archive of many buffers arrives whole and in order, however slow its sink", async () => {
  const memory = new Memory();
  let underWay = 0;
  await using tar = new TarWriter({
    async write(bytes) {
      assertEquals(++underWay, 1);
      const turn = Promise.withResolvers<void>();
      setTimeout(turn.resolve);
      await turn.promise;
      await memory.write(bytes);
      underWay--;
    },
  });
  const data = new Uint8Array(3_500_000).map((_, index) => index % 251);
  for (const name of ["a", "b"]) {
    await tar.header(entryOf({ name, size: data.length }));
    await tar.data(data);
  }
  await tar.finish();
  assertEquals(readBack(memory.bytes).map(([{ name }, content]) => [name, content.length]), [
    ["a", data.length],
    ["b", data.length],
  ]);
  assertEquals(memory.bytes.subarray(512, 512 + data.length), data);
});

Deno.test("what the sink says is heard", async () => {
  await using tar = new TarWriter({ write: () => Promise.reject(new Error("no room")) });
  await tar.header(entryOf({ size: 4 << 20 }));
  await assertRejects(() => tar.data(new Uint8Array(4 << 20)), Error, "no room");
});

const LONG = `${"d".repeat(120)}/${"e".repeat(120)}/odd \xff\xfe`;

/** Some of everything, for other programs to read. Devices need root to be made. */
const SAMPLE: [TarEntry, Uint8Array][] = [
  [entryOf({ name: "dir/", type: "directory", mode: 0o750 }), new Uint8Array()],
  [entryOf({ name: "dir/odd\xff\xfe\n", size: 3, mtimeNanoseconds: 500_000_000 }), toBytes("abc")],
  [entryOf({ name: encodeText(`dir/${"ü".repeat(100)}`), size: 1 }), toBytes("u")],
  [entryOf({ name: LONG, size: 600, mode: 0o600 }), new Uint8Array(600).fill(0x78)],
  [entryOf({ name: "hard", type: "hardlink", link: LONG, mode: 0o600 }), new Uint8Array()],
  [
    entryOf({ name: "symbolic", type: "symlink", link: `${"t".repeat(150)}\xff`, mode: 0o777 }),
    new Uint8Array(),
  ],
  [entryOf({ name: "fifo", type: "fifo", mode: 0o622 }), new Uint8Array()],
  [
    entryOf({ name: "sparse", size: 5, sparse: { size: 5_000_000, pieces: [4_000_000, 5] } }),
    toBytes("piece"),
  ],
  [
    entryOf({ name: `${"s".repeat(150)}/sparse`, size: 1, sparse: { size: 9, pieces: [8, 1] } }),
    toBytes("p"),
  ],
];

/** Lines for what a folder holds, each ended by a NUL, as find sees it. */
async function listing(folder: string): Promise<string> {
  const find = ["find", folder, "-printf", "%P %y %m %s %T@ %l\\0"];
  return new TextDecoder("latin1").decode((await run(find)).bytes);
}

/** The programs that must agree about what is in an archive. */
const READERS: [name: string, argv: readonly string[]][] = [
  ["GNU tar", ["tar", "-xpf", "-"]],
  ["bsdtar", ["bsdtar", "-xpf", "-"]],
  [
    "python",
    ["python3", "-c", "import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall()"],
  ],
];

for (const [name, argv] of READERS) {
  Deno.test(`${name} takes out what was written`, async () => {
    const folder = Deno.makeTempDirSync();
    try {
      const archive = await written(SAMPLE);
      const unpack = ["sh", "-euc", 'umask 022; cd "$0"; exec "$@"', folder, ...argv];
      const { code, stderr } = await run(unpack, { stdin: archive });
      // GNU tar knows no character sets, and says so
      const complaints = stderr.split("\n").filter((line) =>
        !/^(tar: Ignoring unknown .*hdrcharset.*)?$/.test(line)
      );
      assertEquals([code, complaints], [0, []]);
      const [content, linked] = [`${folder}/${"d".repeat(120)}`, `${folder}/hard`].map((path) =>
        Deno.statSync(path)
      );
      assertEquals([content!.isDirectory, linked!.size, linked!.nlink], [true, 600, 2]);
      const sparse = Deno.readFileSync(`${folder}/sparse`);
      assertEquals([sparse.length, sparse.subarray(4_000_000, 4_000_005)], [5_000_000, toBytes("piece")]);
      const lines = (await listing(folder)).split("\0");
      for (
        const line of [
          "dir/odd\xff\xfe\n f 644 3 1700000000.5000000000 ",
          `${encodeText(`dir/${"ü".repeat(100)}`)} f 644 1 1700000000.0000000000 `,
          `${LONG} f 600 600 1700000000.0000000000 `,
          "fifo p 622 0 1700000000.0000000000 ",
          `${"s".repeat(150)}/sparse f 644 9 1700000000.0000000000 `,
        ]
      ) assertEquals(lines.filter((each) => each === line), [line], lines.join("\n"));
      const link = lines.find((line) => line.startsWith("symbolic l 777 151 "));
      assertEquals(link?.endsWith(` ${"t".repeat(150)}\xff`), true, link);
    } finally {
      await succeed(["chmod", "-R", "u+rwx", folder]);
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

Deno.test("the same entries give the same bytes, in whatever order their attributes come", async () => {
  const value = new Uint8Array(1);
  const [one, other] = [["user.a", "user.b"], ["user.b", "user.a"]].map((names) =>
    entryOf({ xattrs: new Map(names.map((name) => [name, value])) })
  );
  assertEquals(await written([[one!]]), await written([[other!]]));
});
