import { HostError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Database } from "../../state/database.ts";
import { indexesFolder, type Paths } from "../../state/paths.ts";
import { chainIds } from "../chain_id.ts";
import type { ImageIndex } from "../erofs/index.ts";
import { readAt } from "../read_at.ts";
import { NumberedFiles } from "./numbered.ts";

const SUFFIX = ".erofs";

/** How much of what an index holds itself is copied at once. */
const CHUNK_SIZE = 1 << 20;

/** An index in the store. */
export interface StoredIndex {
  readonly number: number;
  readonly path: string;
  /** Numbers of the layers that are its devices, in order; none for an archive's. */
  readonly devices: readonly number[];
}

/** EROFS indexes of the images. Images with the same layers share one. */
export class IndexStore {
  readonly files: NumberedFiles;

  constructor(paths: Paths, readonly database: Database) {
    this.files = new NumberedFiles(database, "indexes", indexesFolder(paths), [SUFFIX]);
  }

  path(number: number): string {
    return this.files.path(number, SUFFIX);
  }

  /** The index of an image's layers; undefined when there is none. */
  find(diffIds: readonly string[]): StoredIndex | undefined {
    const row = this.database.get<{ number: number; devices: string }>(
      "SELECT number, devices FROM indexes WHERE chain_id = ? AND ready",
      chainIds(diffIds).at(-1)!,
    );
    if (row === undefined) return undefined;
    return { number: row.number, path: this.path(row.number), devices: JSON.parse(row.devices) as number[] };
  }

  /**
   * Writes down that an index is about to be made, so that it is removed should this process die.
   * @param diffIds of the layers, lowest first; none for an archive's
   */
  reserve(diffIds: readonly string[]): number {
    return this.files.reserve({ chain_id: chainIds(diffIds).at(-1) ?? null });
  }

  /**
   * Writes an index under the number that was reserved for it.
   * @param sources the files by their numbers, which its copies are from
   * @param isOfLayers whether those numbers are the layers' own
   * @throws {HostError} when there is no space left, or the file system refuses
   */
  write(
    number: number,
    index: ImageIndex,
    sources: ReadonlyMap<number, Deno.FsFile>,
    isOfLayers: boolean,
  ): void {
    const path = this.path(number);
    try {
      using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
      for (const part of index.parts) writeAll(file, part);
      file.truncateSync(index.size);
      for (const { file: source, from, to, length } of index.copies) {
        file.seekSync(to, Deno.SeekMode.Start);
        for (let done = 0; done < length; done += CHUNK_SIZE) {
          const chunk = new Uint8Array(Math.min(CHUNK_SIZE, length - done));
          readAt(sources.get(source)!, from + done, chunk);
          writeAll(file, chunk);
        }
      }
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HostError({ what: `cannot write the index ${JSON.stringify(path)}`, why, cause });
    }
    stepDone();
    this.database.run(
      "UPDATE indexes SET devices = ? WHERE number = ?",
      JSON.stringify(isOfLayers ? index.devices : []),
      number,
    );
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}
