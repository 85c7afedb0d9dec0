import { Arena } from "../../../ffi/arena.ts";
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } from "../../../ffi/constants.ts";
import { describeErrno, isNoSpace, SystemCallError } from "../../../ffi/errno.ts";
import { CallTable, libcCall } from "../../../ffi/table.ts";
import { HostError } from "../../errors.ts";
import type { LayerProgress } from "../progress.ts";
import type { LayerBlob } from "../source/source.ts";
import { BLOCK } from "../tar/decoder.ts";
import type { TarStream } from "../tar/stream.ts";
import type { Budget } from "./budget.ts";
import { type LayerSink, receiveLayer } from "./receive.ts";
import { EVERYTHING, LayerTree } from "./tree.ts";
import { treeStream } from "./tree_stream.ts";

export interface CopiedLayer {
  /** In bytes; the file has zeros after them, up to a whole block. */
  readonly tarSize: number;
  /** What the layer holds. */
  readonly tree: LayerTree;
}

/**
 * Keeps a layer as it is, uncompressed.
 * @param path of the tar file to make
 * @param budget of the image
 * @param signal stops the work, at some point in the middle of it
 * @throws {ImageError} when the layer is damaged, or not the one that the image's config names
 * @throws {HostError} when the host cannot take it: no space left, say
 */
export async function copyLayer(
  blob: LayerBlob,
  path: string,
  budget: Budget,
  signal: AbortSignal,
  progress: LayerProgress,
): Promise<CopiedLayer> {
  try {
    const copier = new LayerCopier(path, budget);
    try {
      const tarSize = await receiveLayer(blob, copier, signal, progress);
      copier.pad(tarSize);
      return { tarSize, tree: copier.tree };
    } finally {
      copier.release();
    }
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const isFull = isNoSpace(error);
    throw new HostError({
      what: `${isFull ? "no space left: " : ""}cannot write ${blob.label} to ${JSON.stringify(path)}`,
      why: describeErrno(error.errno),
      ...(isFull ? { hint: "make room there, or choose another place with --root" } : {}),
      cause: error,
    });
  }
}

/** Each chunk takes turns of three threads, so large ones cost less. */
const CHUNK_SIZE = 2 << 20;

class LayerCopier implements LayerSink {
  readonly chunkSize = CHUNK_SIZE;
  readonly tree: LayerTree;
  readonly #stream: TarStream;
  readonly #fd: number;
  readonly #arena = new Arena(64 << 10);
  readonly #table = new CallTable(this.#arena, 1);
  #written: Promise<void> = Promise.resolve();

  constructor(path: string, budget: Budget) {
    this.tree = new LayerTree(EVERYTHING, budget);
    this.#stream = treeStream(this.tree);
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    // programs of images with setuid are none of the host users' business
    this.#fd = libcCall("openat", AT_FDCWD, path, flags, 0o600);
  }

  feed(address: number, bytes: Uint8Array): Promise<void> {
    this.#stream.feed(bytes);
    return this.#written = this.#written.then(() => this.#write(address, bytes.length));
  }

  async #write(address: number, length: number): Promise<void> {
    for (let done = 0; done < length;) {
      this.#table.clear();
      const call = this.#table.call("write", [this.#fd, address + done, length - done], { least: 1 });
      await this.#table.runBlocking();
      done += call.result;
    }
  }

  finish(): Promise<void> {
    this.#stream.finish();
    return this.#written;
  }

  /** A tar may end without the padding of its last file, a block device cannot. */
  pad(size: number): void {
    libcCall("ftruncate", this.#fd, Math.ceil(size / BLOCK) * BLOCK);
  }

  release(): void {
    libcCall("close", this.#fd);
    this.#arena.release();
  }
}
