import type { TarEntry } from "../../src/image/tar/decoder.ts";
import { TarStream } from "../../src/image/tar/stream.ts";
import { type ByteSink, TarWriter } from "../../src/image/tar/writer.ts";
import { concatenate } from "./tar.ts";

/** Keeps what is written. */
export class Memory implements ByteSink {
  readonly #chunks: Uint8Array[] = [];

  write(bytes: Uint8Array): Promise<void> {
    this.#chunks.push(bytes.slice());
    return Promise.resolve();
  }

  get bytes(): Uint8Array {
    return concatenate(this.#chunks);
  }
}

/** An entry of a tar, with what is usual where nothing else is said. */
export function entryOf(entry: Partial<TarEntry>): TarEntry {
  return {
    type: "file",
    name: "file",
    link: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 1_700_000_000,
    mtimeNanoseconds: 0,
    major: 0,
    minor: 0,
    size: 0,
    sparse: undefined,
    xattrs: undefined,
    ...entry,
  };
}

/** A tar that dhow writes, of these entries and their data. */
export async function written(entries: readonly (readonly [TarEntry, Uint8Array?])[]): Promise<Uint8Array> {
  const memory = new Memory();
  await using tar = new TarWriter(memory);
  for (const [entry, data] of entries) {
    await tar.header(entry);
    if (data !== undefined) await tar.data(data);
  }
  await tar.finish();
  return memory.bytes;
}

/** What dhow's own reader makes of a tar: its entries, and the data of each. */
export function readBack(archive: Uint8Array): [TarEntry, Uint8Array][] {
  const read: [TarEntry, Uint8Array][] = [];
  const stream = new TarStream({
    entry: (entry) => {
      read.push([entry, new Uint8Array()]);
      return true;
    },
    data: (position, count) => {
      const last = read.at(-1)!;
      last[1] = concatenate([last[1], archive.subarray(position, position + count)]);
    },
  });
  stream.feed(archive);
  stream.finish();
  return read;
}
