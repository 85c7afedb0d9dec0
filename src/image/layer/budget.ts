import type { TarEntry } from "../tar/decoder.ts";
import { TarError } from "../tar/fields.ts";

/**
 * Entries of one image over all its layers, and directories that are only there because of what is in them. Each takes up to a
 * kibibyte of memory while the image is loaded; large real images have a few hundred thousand.
 */
const MAX_ENTRIES = 1_000_000;

/** Bytes of their names, links, attributes and maps of holes. */
const MAX_TEXT = 256 << 20;

/** What takes more memory than its bytes: an extended attribute, a number in a map of holes, a directory. */
const XATTR_COST = 512;
const DIRECTORY_COST = 512;
const NUMBER_COST = 64;

/** What the layers of an image may hold, whatever their tars say: it bounds the memory that reading them takes. */
export class Budget {
  #entries = 0;
  #text = 0;

  /** @throws {TarError} when an entry is one too many */
  take({ type, name, link, xattrs, sparse }: TarEntry): void {
    let text = name.length + link.length + NUMBER_COST * (sparse?.pieces.length ?? 0);
    if (type === "directory") text += DIRECTORY_COST;
    if (xattrs !== undefined) {
      for (const [key, value] of xattrs) text += XATTR_COST + key.length + value.length;
    }
    this.#add(text);
  }

  /** The same for a directory that no entry stands for. */
  takeDirectory(): void {
    this.#add(DIRECTORY_COST);
  }

  #add(text: number): void {
    if (++this.#entries > MAX_ENTRIES) throw new TarError(`the image has more than ${MAX_ENTRIES} entries`);
    this.#text += text;
    if (this.#text > MAX_TEXT) {
      throw new TarError(
        `the names, attributes and directories of the image take more than ${MAX_TEXT} bytes`,
      );
    }
  }
}
