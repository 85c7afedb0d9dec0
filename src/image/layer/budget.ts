import type { TarEntry } from "../tar/decoder.ts";
import { TarError } from "../tar/fields.ts";

/**
 * Entries of one image, over all its layers. Each takes up to a kibibyte of memory while it is loaded, so an image needs
 * at most about 1.5 GiB; large real ones have a few hundred thousand.
 */
const MAX_ENTRIES = 1_000_000;

/** Bytes of their names, links, attributes and maps of holes. */
const MAX_TEXT = 256 << 20;

/** What the layers of an image may hold, whatever their tars say: it bounds the memory that reading them takes. */
export class Budget {
  #entries = 0;
  #text = 0;

  /** @throws {TarError} when an entry is one too many */
  take({ name, link, xattrs, sparse }: TarEntry): void {
    if (++this.#entries > MAX_ENTRIES) throw new TarError(`the image has more than ${MAX_ENTRIES} entries`);
    this.#text += name.length + link.length + 8 * (sparse?.pieces.length ?? 0);
    if (xattrs !== undefined) { for (const [key, value] of xattrs) this.#text += key.length + value.length; }
    if (this.#text > MAX_TEXT) {
      throw new TarError(`the names and attributes of the image's files have more than ${MAX_TEXT} bytes`);
    }
  }
}
