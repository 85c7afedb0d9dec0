import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { encodeText } from "../../../../src/image/tar/byte_string.ts";
import type { TarEntry } from "../../../../src/image/tar/decoder.ts";
import { TarError } from "../../../../src/image/tar/fields.ts";
import { readAt } from "../../../../src/image/read_at.ts";
import { type LocatedEntry, readTar } from "../../../../src/image/tar/reader.ts";
import { TarStream } from "../../../../src/image/tar/stream.ts";
import { succeed } from "../../../support/process.ts";
import { concatenate, tar } from "../../../support/tar.ts";

interface Read {
  readonly entries: readonly LocatedEntry[];
  /** The data of each entry. */
  readonly data: readonly Uint8Array[];
}

/** Reads an archive from a file, at an odd place in it. */
function read(archive: Uint8Array): Read {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, concatenate([new Uint8Array(77), archive]));
    using file = Deno.openSync(path);
    const entries = Array.from(readTar({ file, offset: 77, size: archive.length }));
    const data = entries.map(({ entry, offset }) => {
      const bytes = new Uint8Array(entry.size);
      readAt(file, offset, bytes);
      return bytes;
    });
    return { entries, data };
  } finally {
    Deno.removeSync(path);
  }
}

/** The same, from memory in parts of a size. */
function readInParts(archive: Uint8Array, size: number): { entries: TarEntry[]; data: Uint8Array[] } {
  const entries: TarEntry[] = [];
  const data: Uint8Array[] = [];
  let part = new Uint8Array();
  const stream = new TarStream({
    entry: (entry) => {
      entries.push(entry);
      data.push(new Uint8Array());
      return true;
    },
    data: (position, count) => {
      data.push(concatenate([data.pop()!, part.subarray(position, position + count)]));
    },
  });
  for (let start = 0; start < archive.length; start += size) {
    part = archive.slice(start, start + size);
    stream.feed(part);
  }
  stream.finish();
  return { entries, data };
}

/** Has GNU tar make an archive of what a shell script puts into an empty folder. */
async function gnuTar(script: string, ...options: string[]): Promise<Uint8Array> {
  const folder = Deno.makeTempDirSync();
  try {
    await succeed(["sh", "-euc", `cd "$0"; mkdir tree; cd tree; ${script}`, folder]);
    const all = ["--sort=name", "--owner=7", "--group=8", "--mtime=@1000000000.25", ...options];
    await succeed(["sh", "-euc", 'cd "$0/tree"; tar "$@" -cf ../archive.tar -- *', folder, ...all]);
    return Deno.readFileSync(`${folder}/archive.tar`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const LONG_PATH = `${"a".repeat(90)}/${"b".repeat(90)}/${"c".repeat(100)}`;
const MAKE_ALL = `
  mkdir -p ${LONG_PATH.slice(0, 181)}
  echo content >${LONG_PATH}
  ln ${LONG_PATH} hard; ln -s ${"t".repeat(150)} symbolic; mkfifo -m 600 pipe; echo x >exec; chmod 4755 exec`;

for (const format of ["pax", "gnu", "oldgnu"]) {
  Deno.test(`what GNU tar writes in format ${format} is read back`, async () => {
    const archive = await gnuTar(MAKE_ALL, `--format=${format}`);
    const { entries, data } = read(archive);
    assertEquals(entries.map(({ entry }) => [entry.type, entry.name]), [
      ["directory", `${"a".repeat(90)}/`],
      ["directory", `${LONG_PATH.slice(0, 181)}/`],
      ["file", LONG_PATH],
      ["file", "exec"],
      ["hardlink", "hard"],
      ["fifo", "pipe"],
      ["symlink", "symbolic"],
    ]);
    const [, , long, exec, hard, pipe, symbolic] = entries.map(({ entry }) => entry);
    assertEquals(new TextDecoder().decode(data[2]), "content\n");
    assertEquals([long!.uid, long!.gid, long!.mtime], [7, 8, 1_000_000_000]);
    assertEquals(long!.mtimeNanoseconds, format === "pax" ? 250_000_000 : 0);
    assertEquals([exec!.mode, pipe!.mode], [0o4755, 0o600]);
    assertEquals(hard!.link, LONG_PATH);
    assertEquals(symbolic!.link, "t".repeat(150));
  });
}

for (const format of ["ustar", "v7"]) {
  Deno.test(`what GNU tar writes in format ${format} is read back`, async () => {
    // in ustar, the front of a long path goes where v7 has nothing
    const [outer, inner] = format === "v7" ? ["d", "e"] : ["a".repeat(60), "b".repeat(60)];
    const folder = `${outer}/${inner}`;
    const archive = await gnuTar(`mkdir -p ${folder}; echo content >${folder}/file`, `--format=${format}`);
    const { entries, data } = read(archive);
    assertEquals(entries.map(({ entry }) => [entry.type, entry.name, entry.mtime]), [
      ["directory", `${outer}/`, 1_000_000_000],
      ["directory", `${folder}/`, 1_000_000_000],
      ["file", `${folder}/file`, 1_000_000_000],
    ]);
    assertEquals(new TextDecoder().decode(data[2]), "content\n");
  });
}

Deno.test("an archive that comes in parts of any size gives the same entries and data", async () => {
  for (const format of ["pax", "gnu"]) {
    const archive = await gnuTar(`${MAKE_ALL}; head -c 3000 /dev/urandom >random`, `--format=${format}`);
    const whole = read(archive);
    for (const size of [1, 511, 512, 513, 4096, 100_000]) {
      const parts = readInParts(archive, size);
      assertEquals(parts.entries, whole.entries.map(({ entry }) => entry));
      assertEquals(parts.data, whole.data);
    }
  }
});

Deno.test("names are bytes, not text", async () => {
  const archive = await gnuTar(`: >"$(printf 'odd\\377\\376')"`, "--format=gnu");
  assertEquals(read(archive).entries[0]!.entry.name, "odd\xff\xfe");
  assertEquals(read(tar([{ path: "grün" }])).entries[0]!.entry.name, encodeText("grün"));
});

/** The first entry of an archive with one file and these pax records. */
function withPax(pax: Record<string, string>): TarEntry {
  return read(tar([{ path: "f", content: "1234", pax }])).entries[0]!.entry;
}

Deno.test("pax records go before what the header says", () => {
  const entry = withPax({
    path: "other/name",
    uid: "3000000000",
    gid: "4",
    mtime: "-1.5",
    comment: "x",
    hdrcharset: "BINARY",
  });
  assertEquals([entry.name, entry.uid, entry.gid], ["other/name", 3_000_000_000, 4]);
  assertEquals([entry.mtime, entry.mtimeNanoseconds], [-2, 500_000_000]);
});

Deno.test("an empty pax record is as good as none", () => {
  assertEquals(withPax({ path: "", mtime: "" }).name, "f");
});

Deno.test("pax size says how much data there is, for files beyond the 8 GiB of a header", () => {
  const { entries, data } = read(tar([{ path: "f", content: "1234", pax: { size: "2" } }, { path: "g" }]));
  assertEquals([data[0]!.length, entries[1]!.entry.name], [2, "g"]);
});

Deno.test("extended attributes of a pax header are bytes, newlines and NULs included", () => {
  const { xattrs } = withPax({ "SCHILY.xattr.user.a": "1\n2=\0", "SCHILY.xattr.security.b": "" });
  assertEquals(Array.from(xattrs ?? []), [
    ["user.a", Uint8Array.of(0x31, 0x0a, 0x32, 0x3d, 0)],
    ["security.b", new Uint8Array()],
  ]);
});

/** A header of a type that the support library does not write. */
function special(flag: string, content: string, change: (header: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = tar([{ path: "special", content }]).subarray(0, -1024);
  bytes[156] = flag.charCodeAt(0);
  change(bytes);
  bytes.fill(0x20, 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0`), 148);
  return bytes;
}

Deno.test("a global pax header holds for all entries, their own records before it", () => {
  const archive = concatenate([
    special("g", "9 uid=55\n"),
    tar([{ path: "a" }, { path: "b", pax: { uid: "66" } }, { path: "c" }]),
  ]);
  assertEquals(read(archive).entries.map(({ entry }) => entry.uid), [55, 66, 55]);
});

Deno.test("numbers in base 256 are read, negative ones too", () => {
  const archive = special("0", "", (header) => {
    header.set([0x80, 0, 0, 0, 0xee, 0x6b, 0x28, 0], 108); // uid 4000000000
    header.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], 136); // mtime -2
  });
  const { uid, mtime } = read(archive).entries[0]!.entry;
  assertEquals([uid, mtime], [4_000_000_000, -2]);
});

Deno.test("a checksum of signed bytes, as some old programs computed it, is right too", () => {
  const archive = tar([{ path: "ä" }]);
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + (byte << 24 >> 24), 0) -
    archive.subarray(148, 156).reduce((total, byte) => total + byte, 0) + 8 * 32;
  archive.set(new TextEncoder().encode(sum.toString(8).padStart(6, "0")), 148);
  assertEquals(read(archive).entries.length, 1);
});

Deno.test("an archive ends at a block of zeros, or where the file ends", () => {
  const one = tar([{ path: "a" }]);
  assertEquals(read(concatenate([one, one])).entries.length, 1);
  assertEquals(read(one.subarray(0, -1024)).entries.length, 1);
});

Deno.test("what fills the last block of an archive may be missing, or a part of it", () => {
  const one = tar([{ path: "a", content: "b" }, { path: "c", content: "xyz" }]);
  for (const size of [1539, 1540, 2047, 2048]) assertEquals(read(one.subarray(0, size)).entries.length, 2);
});

Deno.test("links and folders have no data, whatever their header says", () => {
  const archive = concatenate([
    special("5", "", (header) => header.set(new TextEncoder().encode("00000001000"), 124)),
    tar([{ path: "next" }]),
  ]);
  assertEquals(read(archive).entries.map(({ entry }) => entry.name), ["special", "next"]);
});

const octal = (value: string) => (header: Uint8Array) => header.set(new TextEncoder().encode(value), 124);
const REFUSED: [what: string, archive: Uint8Array, why: string][] = [
  ["nothing", new Uint8Array(), "empty"],
  ["less than a header", new Uint8Array(100).fill(65), "shorter than a header"],
  ["garbage", crypto.getRandomValues(new Uint8Array(4096)).fill(0xee, 0, 512), ""],
  ["a changed header", tar([{ path: "abc" }]).fill(0x7a, 1, 2), "checksum"],
  ["data that end a byte too early", tar([{ path: "f", content: "xyz" }]).subarray(0, 514), "truncated"],
  ["data that are cut", tar([{ path: "f", content: "x".repeat(2000) }]).subarray(0, 1024), "truncated"],
  ["a header that is cut", tar([{ path: "f" }, { path: "g" }]).subarray(0, 700), "truncated"],
  ["a pax header and no entry", special("x", "9 uid=55\n"), "truncated"],
  ["a long name and no entry", special("L", "name\0"), "truncated"],
  ["an absurd size", special("0", "", octal("77777777777")), "truncated"],
  ["a negative size", special("0", "", (header) => header.fill(0xff, 124, 136)), "out of range"],
  [
    "a size beyond all numbers",
    special("0", "", (header) => header.fill(0x7f, 125, 136).fill(0x80, 124, 125)),
    "absurdly",
  ],
  ["a number that is none", special("0", "", octal("12x45      ")), "not octal"],
  ["a pax header that is too large", special("x", "", octal("00010000000")), "more than 1048576"],
  ["a long name that is too long", special("L", "", octal("00000400001")), "more than 65536"],
  ["a type that does not exist", special("Z", ""), 'type "Z" is not known'],
  ["a volume of several", special("M", ""), "is not known"],
  ["an empty name", special("0", "", (header) => header.fill(0, 0, 100)), "empty"],
  ["a pax record that is longer than the header", special("x", "99 uid=55\n"), "malformed"],
  ["a pax record without a length", special("x", "uid=55\n"), "malformed"],
  ["a pax record without an end", special("x", "9 uid=555"), "malformed"],
  ["a pax record without a value", special("x", "8 uid55\n"), "malformed"],
  ["a pax record of length 0", special("x", "0 uid=55\n"), "malformed"],
  ["a pax number that is none", concatenate([special("x", "9 uid=-5\n"), tar([{ path: "f" }])]), "not valid"],
  ["a pax time that is none", concatenate([special("x", "11 mtime=x\n"), tar([{ path: "f" }])]), "time"],
  ["an owner that does not exist", tar([{ path: "f", pax: { uid: "4294967295" } }]), "owner 4294967295"],
  ["a NUL in a name", tar([{ path: "f", pax: { path: "a\0b" } }]), "NUL"],
  [
    "a device number out of range",
    special("3", "", (header) => header.fill(0x37, 329, 336)),
    "device number",
  ],
];

for (const [what, archive, why] of REFUSED) {
  Deno.test(`an archive is refused for ${what}`, () => {
    const error = assertThrows(() => read(archive), TarError);
    assertStringIncludes(error.message, why);
    assertThrows(() => readInParts(archive, 1000), TarError);
  });
}

for (
  const [what, pax] of [
    ["pieces that overlap", { "GNU.sparse.size": "100", "GNU.sparse.map": "0,3,2,1" }],
    ["pieces beyond the end", { "GNU.sparse.size": "10", "GNU.sparse.map": "8,4" }],
    ["pieces that are not all of the data", { "GNU.sparse.size": "100", "GNU.sparse.map": "0,3" }],
    ["half a piece", { "GNU.sparse.size": "100", "GNU.sparse.map": "0,4,5" }],
    ["no size", { "GNU.sparse.map": "0,4" }],
    ["text for a map", { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" }],
  ] as [string, Record<string, string>][]
) {
  Deno.test(`a sparse file is refused for ${what}`, () => {
    assertStringIncludes(assertThrows(() => withPax(pax), TarError).message, "map of holes");
  });
}

Deno.test("a sparse file is refused for a piece of negative length, which GNU's old format can write", () => {
  const number = (value: number) => {
    const bytes = new Uint8Array(12).fill(value < 0 ? 0xff : 0);
    new DataView(bytes.buffer).setBigInt64(4, BigInt(value));
    bytes[0]! |= 0x80;
    return bytes;
  };
  // together they fill the data, and the second would begin 100 bytes before them
  const map = [100, -100, 0, 104];
  const archive = special("S", "1234", (header) => {
    map.forEach((value, index) => header.set(number(value), 386 + 12 * index));
    header.set(number(104), 483);
  });
  assertStringIncludes(assertThrows(() => read(archive), TarError).message, "map of holes");
});

Deno.test("errors name the entry, with nothing in it that a terminal would obey", () => {
  const error = assertThrows(
    () => read(tar([{ path: "f", pax: { path: "\x1b[31mred\u202e", uid: "4294967295" } }])),
    TarError,
  );
  assertStringIncludes(error.message, 'entry "\\u001b[31mred\\u202e"');
});
