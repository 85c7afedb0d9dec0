/** One blob from a registry into a file. */
import { type Digester, sha256 } from "../digest.ts";
import { HostError, ImageError } from "../../errors.ts";
import type { LayerProgress } from "../progress.ts";
import type { FileRange } from "../tar/reader.ts";
import { createFile, writeAll } from "./compress.ts";
import type { Inquiry } from "./documents.ts";
import { pullScope } from "./registry.ts";
import { TransientError } from "./retry.ts";
import type { StallGuard } from "./stall.ts";
import type { Exchange } from "./transport.ts";

export interface BlobToFetch {
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  /** Where it is written. The file must not be there yet. */
  readonly file: string;
  readonly progress: LayerProgress;
}

/** Whoever comes so far between two breaks, in bytes, may break as often as others that begin. */
const PROGRESS_THAT_COUNTS = 1 << 20;

/**
 * Downloads a blob; goes on from where it was after a break of the connection.
 * @returns the file, open, to be closed by the caller. When this throws it is closed, but not removed.
 * @throws {ImageError} when it is not the blob of that digest and size
 * @throws {HostError} when there is no space left, or the connection is broken for good
 */
export async function downloadBlob(inquiry: Inquiry, blob: BlobToFetch): Promise<FileRange> {
  const download = new Download(inquiry, blob);
  try {
    await download.run();
    return { file: download.file, offset: 0, size: blob.size };
  } catch (error) {
    download.file.close();
    throw error;
  }
}

class Download {
  readonly file: Deno.FsFile;
  #digester: Digester = sha256();
  /** Bytes in the file, all of them hashed. */
  #received = 0;
  /** The most that there were when an attempt last counted as the first. */
  #mark = 0;

  constructor(readonly inquiry: Inquiry, readonly blob: BlobToFetch) {
    this.file = createFile(blob.file);
  }

  async run(): Promise<void> {
    const { registry, what, signal } = this.inquiry;
    await registry.attempt(what, signal, async (guard, renew) => {
      try {
        await this.#receive(guard);
      } finally {
        if (this.#received >= this.#mark + PROGRESS_THAT_COUNTS) {
          this.#mark = this.#received;
          renew();
        }
      }
    });
    const found = this.#digester.digest();
    if (found !== this.blob.digest) this.#refuse(`the registry sends something else, of digest ${found}`);
  }

  /** One attempt: all that is missing. */
  async #receive(guard: StallGuard): Promise<void> {
    const { registry, path, what } = this.inquiry;
    const { digest, size } = this.blob;
    if (this.#received === size && size > 0) return;
    const exchange: Exchange = {
      what,
      method: "GET",
      url: registry.url(`${path}/blobs/${digest}`),
      headers: this.#received === 0 ? {} : { range: `bytes=${this.#received}-${size - 1}` },
      guard,
    };
    const response = await registry.request(exchange, [pullScope(path)], [200, 206]);
    await this.#place(response);
    await this.#copy(exchange, response);
    if (this.#received < size) {
      const why = `the connection broke after ${this.#received} of ${size} bytes`;
      throw new TransientError(new HostError({ what, why, hint: "try again" }));
    }
  }

  /** Finds out where in the blob the answer begins. */
  async #place(response: Response): Promise<void> {
    if (response.status === 206) {
      const start = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
      if (Number(start) === this.#received && this.#received > 0) return;
      await response.body?.cancel();
      this.#refuse("the registry sends another part of it than was asked for");
    }
    if (this.#received > 0) await this.#startAnew();
  }

  /** For servers that know no ranges. */
  async #startAnew(): Promise<void> {
    this.blob.progress.advance(-this.#received);
    // the mark stays: what comes a second time is no progress, or a server that always breaks off would be asked for ever
    this.#received = 0;
    this.#digester = sha256();
    await this.file.truncate(0);
    await this.file.seek(0, Deno.SeekMode.Start);
  }

  async #copy(exchange: Exchange, response: Response): Promise<void> {
    const { transport } = this.inquiry.registry;
    const chunks = (response.body ?? new Blob([]).stream())[Symbol.asyncIterator]();
    try {
      while (true) {
        const { value, done } = await chunks.next().catch((error) =>
          Promise.reject(transport.explain(exchange.what, exchange.url, error, exchange.guard))
        );
        if (done) return;
        exchange.guard.touch();
        if (this.#received + value.length > this.blob.size) {
          this.#refuse(`the registry sends more than the ${this.blob.size} bytes that it has`);
        }
        await Promise.all([this.#digester.update(value), writeAll(this.file, value, this.blob.file)]);
        this.#received += value.length;
        this.blob.progress.advance(value.length);
        exchange.guard.touch(); // a slow disk is not the registry's fault
      }
    } finally {
      await chunks.return?.().catch(() => {}); // it may be what failed
    }
  }

  #refuse(why: string): never {
    throw new ImageError({ what: this.inquiry.what, why: `layer ${this.blob.digest}: ${why}` });
  }
}
