/** What cannot be read where it is, because it comes through a pipe, is compressed or is only being made, is written to a file. */
import { statfsSync } from "node:fs";
import { describeErrno, EDQUOT, ENOSPC } from "../../../ffi/errno.ts";
import { HostError } from "../../errors.ts";
import { type Digester, sha256 } from "../digest.ts";
import type { FileRange } from "../tar/reader.ts";
import type { ByteSink } from "../tar/writer.ts";
import { openUnnamed } from "../unnamed_file.ts";

/** Where a file is made, and what it is for. */
export interface SpoolPlace {
  /** Where the file is made, though it never has a name there. */
  readonly folder: string;
  /** How messages name what is written. */
  readonly label: string;
}

export interface SpoolOptions extends SpoolPlace {
  /** Breaks off. */
  readonly signal: AbortSignal | undefined;
}

/** So much, in bytes, is left free for others: a few kilobytes of an archive can become terabytes, and nobody knows before. */
const RESERVE = 64 << 20;

/** How often, in bytes, the free space is looked at. */
const INTERVAL = 32 << 20;

/**
 * Writes bytes to a file without a name, which goes when it is closed, or with this process. The only limit is the space
 * that there is: how much smaller an archive is than what it holds says nothing about whether anybody wants it.
 * @returns the file, open to be read
 * @throws {HostError} when there is no space left
 */
export async function spool(chunks: AsyncIterable<Uint8Array>, options: SpoolOptions): Promise<Deno.FsFile> {
  const spooled = new SpoolFile(options);
  try {
    for await (const chunk of chunks) {
      options.signal?.throwIfAborted();
      await spooled.write(chunk);
    }
    return spooled.file;
  } catch (error) {
    spooled.file.close();
    throw spooled.explain(error);
  }
}

/** Such a file, for bytes that are handed to it. They are hashed on the way. */
export class Spool implements ByteSink, Disposable {
  readonly #spooled: SpoolFile;
  readonly #digester: Digester = sha256();

  /** @throws {HostError} when the file cannot be made */
  constructor(place: SpoolPlace) {
    this.#spooled = new SpoolFile(place);
  }

  /** @throws {HostError} when there is no space left */
  async write(bytes: Uint8Array): Promise<void> {
    const hashed = this.#digester.update(bytes);
    try {
      await this.#spooled.write(bytes);
    } catch (error) {
      throw this.#spooled.explain(error);
    } finally {
      await hashed; // on another thread: the bytes' memory must not go away under it
    }
  }

  /** `sha256:...` of what was written. To be asked once, when all is. */
  digest(): string {
    return this.#digester.digest();
  }

  /** Where the bytes lie; good until the spool is disposed of. */
  get range(): FileRange {
    const { file, size } = this.#spooled;
    return { file, offset: 0, size };
  }

  [Symbol.dispose](): void {
    this.#spooled.file.close();
  }
}

class SpoolFile {
  readonly file: Deno.FsFile;
  size = 0;

  constructor(readonly place: SpoolPlace) {
    this.file = openUnnamed(place.folder);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (Math.floor(this.size / INTERVAL) !== Math.floor((this.size + bytes.length) / INTERVAL)) {
      assertSpace(this.place.folder);
    }
    for (let done = 0; done < bytes.length;) done += await this.file.write(bytes.subarray(done));
    this.size += bytes.length;
  }

  /** Makes a full disk an error that says what to do. */
  explain(error: unknown): unknown {
    const code = (error as { code?: string } | undefined)?.code;
    if (code !== "ENOSPC" && code !== "EDQUOT") return error;
    const { folder, label } = this.place;
    return new HostError({
      what: `no space left: cannot uncompress or keep ${label} in ${JSON.stringify(folder)}`,
      why: `${describeErrno(code === "ENOSPC" ? ENOSPC : EDQUOT)} after ${this.size} bytes`,
      hint: "make room there, or choose another place with --root",
      cause: error,
    });
  }
}

class NoSpace extends Error {
  readonly code = "ENOSPC";
}

function assertSpace(folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < RESERVE) throw new NoSpace();
}
