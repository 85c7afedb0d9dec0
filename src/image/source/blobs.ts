import { ImageError } from "../../errors.ts";
import { MAX_JSON_SIZE } from "../config.ts";
import type { FileRange } from "../tar/reader.ts";

/** Bytes of JSON that are read from one source, and may be kept: a thousand images have some ten million. */
const MAX_TEXT = 64 << 20;

/** Files by their names, in an archive or in a folder: what every local format is made of. */
export abstract class BlobStore implements Disposable {
  #textRead = 0;

  /**
   * @param kind how messages name it
   * @param label and which: `"busybox.tar"`
   */
  constructor(readonly kind: "archive" | "folder", readonly label: string) {}

  /**
   * Bytes of a regular file; undefined when there is none of that name.
   * @throws {ImageError} when the name leads out of the store
   */
  abstract size(name: string): number | undefined;

  /** Where the bytes of a file that is there lie, in a file that stays open as long as the store. */
  abstract range(name: string): FileRange;

  /** The first bytes of a file that is there: `size` of them, which is what it had. */
  protected abstract bytes(name: string, size: number): Uint8Array;

  abstract [Symbol.dispose](): void;

  /**
   * The text of a JSON document.
   * @throws {ImageError} when it is missing, larger than a manifest or a config may be, or not UTF-8
   */
  text(name: string): string {
    const size = this.size(name);
    if (size === undefined) this.refuse(`${JSON.stringify(name)} is missing from it`, INCOMPLETE);
    if (size > MAX_JSON_SIZE) {
      this.refuse(`${JSON.stringify(name)} has ${size} bytes, more than ${MAX_JSON_SIZE}`);
    }
    this.#textRead += size;
    if (this.#textRead > MAX_TEXT) {
      this.refuse(`its manifests and configs have more than ${MAX_TEXT} bytes together`);
    }
    try {
      // the digest of a config is that of its bytes: nothing may be lost on the way to a string and back
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes(name, size));
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      this.refuse(`${JSON.stringify(name)} is not UTF-8`, undefined, cause);
    }
  }

  /** @throws {ImageError} saying that the store cannot be read, and why */
  refuse(why: string, hint?: string, cause?: unknown): never {
    throw new ImageError({
      what: `cannot read ${this.kind} ${this.label}`,
      why,
      ...(hint === undefined ? {} : { hint }),
      cause,
    });
  }
}

/** A hint for what lacks something. */
export const INCOMPLETE = "it is damaged or incomplete: copy or save it again";
