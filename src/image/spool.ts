import { HostError } from "../errors.ts";
import { type Digester, sha256 } from "./digest.ts";
import type { FileRange } from "./tar/reader.ts";
import { openUnnamed } from "./unnamed_file.ts";
import type { ByteSink } from "./tar/writer.ts";

/**
 * A file without a name (open(2), O_TMPFILE), for bytes that come once and are read later: whatever happens to this process, nothing
 * is left of it. What is written is hashed on the way.
 */
export class Spool implements ByteSink, Disposable {
  readonly #file: Deno.FsFile;
  readonly #digester: Digester = sha256();
  readonly #folder: string;
  #size = 0;

  /** @param folder where it takes its space. @throws {HostError} when that file system cannot have one */
  constructor(folder: string) {
    this.#folder = folder;
    this.#file = openUnnamed(folder);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const hashed = this.#digester.update(bytes);
    try {
      await this.#append(bytes);
    } finally {
      await hashed; // on another thread: the bytes' memory must not go away under it
    }
    this.#size += bytes.length;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) done += await this.#file.write(bytes.subarray(done));
    } catch (cause) {
      throw new HostError({
        what: `cannot write a temporary file in ${JSON.stringify(this.#folder)}`,
        why: cause instanceof Error ? cause.message : String(cause),
        hint: "free some space there, or choose another place with --root DIR",
        cause,
      });
    }
  }

  /** `sha256:...` of what was written. To be asked once, when all is. */
  digest(): string {
    return this.#digester.digest();
  }

  /** Where the bytes lie; good until the spool is disposed of. */
  get range(): FileRange {
    return { file: this.#file, offset: 0, size: this.#size };
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
