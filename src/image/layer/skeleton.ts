/**
 * What of an unpacked layer's tar is not in its folder: headers, padding, the order of it all, and the data of small files. It is
 * the tar itself, with holes where the data of large files were, so that it can be read like any other, and the tar
 * comes back byte for byte when the holes are filled from the folder.
 */
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } from "../../../ffi/constants.ts";
import { libcCall } from "../../../ffi/table.ts";
import type { TarEntry } from "../tar/decoder.ts";
import type { CallQueue } from "./call_queue.ts";
import type { Node } from "./tree.ts";

/** Smaller files would leave no holes between the headers around them. */
const LEAST_SIZE = 16 << 10;

/** Whether the data of an entry are in the folder only. */
export function isApart({ type, size, sparse }: TarEntry): boolean {
  return type === "file" && sparse === undefined && size >= LEAST_SIZE;
}

/** Whether what a layer itself replaces is kept, because the skeleton does not have its data. */
export function isTrashed(node: Node): boolean {
  return node.kind === "directory" || (node.kind === "file" && isApart(node.entry));
}

/** Writes the skeleton of a tar that comes in parts. */
export class SkeletonWriter {
  readonly #fd: number;
  /** Bytes that were fed. */
  #position = 0;
  /** What is to be left out, in order: start and end of each piece; those that were passed are gone. */
  readonly #apart: { readonly start: number; readonly end: number }[] = [];

  /**
   * @param path of the file to make
   * @param queue that writes it
   * @throws {SystemCallError} when it cannot be made
   */
  constructor(path: string, readonly queue: CallQueue) {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    this.#fd = libcCall("openat", AT_FDCWD, path, flags, 0o600);
  }

  /** Leaves out data. To be called before they are fed. */
  leaveOut(offset: number, size: number): void {
    this.#apart.push({ start: offset, end: offset + size });
  }

  /**
   * Takes the next part of the tar.
   * @param address where the bytes lie in memory until the queue has written them
   */
  feed(address: number, length: number): void {
    const first = this.#position;
    const end = first + length;
    this.#position = end;
    const keep = (start: number, end: number) => this.#write(address + start - first, end - start, start);
    let from = first;
    for (let next = this.#apart[0]; next !== undefined && next.start < end; next = this.#apart[0]) {
      if (next.start > from) keep(from, next.start);
      from = Math.min(Math.max(next.end, from), end);
      if (next.end > end) break;
      this.#apart.shift();
    }
    if (from < end) keep(from, end);
  }

  #write(address: number, length: number, offset: number): void {
    this.queue.begin(undefined);
    this.queue.call("pwrite", [this.#fd, address, length, offset], { least: length });
  }

  /** Gives the file the tar's whole size, whatever its end is made of. To be called when the queue is done. */
  finish(): void {
    libcCall("ftruncate", this.#fd, this.#position);
  }

  close(): void {
    libcCall("close", this.#fd);
  }
}
