import { type ByteString, quoteName } from "../tar/byte_string.ts";
import { nameMemory } from "./directory.ts";
import type { Stat } from "./stat.ts";

/** Memory for the names of files that have more of them, in bytes: enough for a million such files. */
const MAX_MEMORY = 128 << 20;

/**
 * The first names of files that have several. A file is forgotten when all of its names were seen; when there are too many at
 * once, further ones become files of their own in the archive, one for each name.
 */
export class LinkNames {
  readonly #files = new Map<string, { readonly name: ByteString; left: number }>();
  #room = MAX_MEMORY;
  #isFull = false;

  /** @param warn told when files will become several */
  constructor(readonly warn: (text: string) => void) {}

  /** The name under which a file came first; undefined if this is the first. */
  first(stat: Stat, path: ByteString): ByteString | undefined {
    const known = this.#files.get(stat.identity);
    if (known === undefined) {
      this.#remember(stat, path);
      return undefined;
    }
    if (--known.left === 0) this.forget(stat);
    return known.name;
  }

  #remember({ identity, links }: Stat, name: ByteString): void {
    const memory = nameMemory(identity) + nameMemory(name);
    if (memory > this.#room) {
      if (!this.#isFull) {
        this.warn(`from ${quoteName(name)} on, hard links become files: there are too many of them`);
      }
      this.#isFull = true;
      return;
    }
    this.#room -= memory;
    this.#files.set(identity, { name, left: links - 1 });
  }

  /** Has the next name of the file count as its first. */
  forget({ identity }: Stat): void {
    const known = this.#files.get(identity);
    if (known === undefined) return;
    this.#files.delete(identity);
    this.#room += nameMemory(identity) + nameMemory(known.name);
  }
}
