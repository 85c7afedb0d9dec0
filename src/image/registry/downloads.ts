/** The layers of one image on their way from a registry, a few at a time. */
import { join } from "@std/path";
import type { Progress } from "../progress.ts";
import type { FileRange } from "../tar/reader.ts";
import type { Inquiry } from "./documents.ts";
import { downloadBlob } from "./download.ts";

/** Docker's number. */
const AT_ONCE = 3;

/** A layer, as a manifest and a config describe it together. */
export interface RemoteLayer {
  readonly mediaType: string;
  readonly digest: string;
  readonly diffId: string;
  /** In bytes. */
  readonly size: number;
}

export interface DownloadsOptions {
  /** Its signal breaks all of them off. */
  readonly inquiry: Inquiry;
  /** Lowest first. */
  readonly layers: readonly RemoteLayer[];
  /** A folder of the caller's, which removes it afterwards. */
  readonly folder: string;
  /** Whether a layer is there already and need not be fetched. */
  readonly isStored: (diffId: string) => boolean;
  readonly progress: Progress;
}

/** The first layer that is wanted starts all of them: those after it come while it is worked on. */
export class Downloads {
  readonly #files = new Map<string, Promise<FileRange>>();
  readonly #waiting: (() => void)[] = [];
  readonly #closing = new AbortController();
  #running = 0;
  #hasStarted = false;

  constructor(readonly options: DownloadsOptions) {}

  /**
   * A layer's file, once it is there. It stays open until all is closed.
   * @param signal of the one who waits
   */
  async range({ digest, size }: RemoteLayer, signal?: AbortSignal): Promise<FileRange> {
    signal?.addEventListener("abort", () => this.#closing.abort(signal.reason), { once: true });
    if (!this.#hasStarted) this.#startMissing();
    return await this.#fetch(digest, size);
  }

  #startMissing(): void {
    this.#hasStarted = true;
    const { layers, isStored, progress } = this.options;
    for (const { digest, diffId, size } of layers) {
      if (isStored(diffId)) progress.layer(digest, "Already exists", undefined).done("Already exists");
      // who waits for it hears of its failure
      else this.#fetch(digest, size).catch(() => {});
    }
  }

  #fetch(digest: string, size: number): Promise<FileRange> {
    let file = this.#files.get(digest);
    if (file === undefined) {
      this.options.progress.layer(digest, "Pulling fs layer", size);
      file = this.#inTurn(() => this.#download(digest, size));
      this.#files.set(digest, file);
    }
    return file;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      // the place goes to the next, or is free
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  async #download(digest: string, size: number): Promise<FileRange> {
    const { inquiry, folder } = this.options;
    const signal = AbortSignal.any([inquiry.signal, this.#closing.signal]);
    signal.throwIfAborted();
    const progress = this.options.progress.layer(digest, "Downloading", size);
    const file = join(folder, digest.replace(":", "-"));
    const range = await downloadBlob({ ...inquiry, signal }, { digest, size, file, progress });
    progress.done("Download complete");
    return range;
  }

  /** Breaks off what still runs, and closes the files. */
  async close(): Promise<void> {
    this.#closing.abort(new DOMException("the image is closed", "AbortError"));
    const ended = await Promise.allSettled(this.#files.values());
    for (const download of ended) if (download.status === "fulfilled") download.value.file.close();
  }
}
