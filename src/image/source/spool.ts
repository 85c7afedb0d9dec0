/** Archives that cannot be read where they are, because they come through a pipe or are compressed, are written to a file. */
import { statfsSync } from "node:fs";
import { describeErrno, EDQUOT, ENOSPC } from "../../../ffi/errno.ts";
import { HostError } from "../../errors.ts";
import { openUnnamed } from "../unnamed_file.ts";

export interface SpoolOptions {
  /** Where the file is made, though it never has a name there. */
  readonly folder: string;
  /** How messages name what is written. */
  readonly label: string;
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
  const file = openUnnamed(options.folder);
  let size = 0;
  try {
    for await (const chunk of chunks) {
      options.signal?.throwIfAborted();
      if (Math.floor(size / INTERVAL) !== Math.floor((size + chunk.length) / INTERVAL)) {
        assertSpace(options.folder);
      }
      for (let done = 0; done < chunk.length;) done += await file.write(chunk.subarray(done));
      size += chunk.length;
    }
    return file;
  } catch (error) {
    file.close();
    throw explained(error, size, options);
  }
}

class NoSpace extends Error {
  readonly code = "ENOSPC";
}

function assertSpace(folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < RESERVE) throw new NoSpace();
}

function explained(error: unknown, size: number, { folder, label }: SpoolOptions): unknown {
  const code = (error as { code?: string } | undefined)?.code;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new HostError({
    what: `no space left: cannot uncompress or keep ${label} in ${JSON.stringify(folder)}`,
    why: `${describeErrno(code === "ENOSPC" ? ENOSPC : EDQUOT)} after ${size} bytes`,
    hint: "make room there, or choose another place with --root",
    cause: error,
  });
}
