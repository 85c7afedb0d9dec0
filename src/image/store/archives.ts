import { basename, dirname } from "@std/path";
import type { Lower } from "../../rootfs/overlay.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Database } from "../../state/database.ts";
import { errnoOf } from "../../state/os_error.ts";
import type { IndexMount } from "./storage.ts";
import type { IndexStore } from "./indexes.ts";

/** An archive that is used where it lies: the store has no more than its index. */
export interface ArchiveInPlace {
  /** `sha256:...` of its image's config. */
  readonly image: string;
  /** The config, byte for byte. */
  readonly config: string;
  /** What is remembered of the image's files. */
  readonly facts: unknown;
  /** The number of its index. */
  readonly index: number;
}

interface Row {
  readonly identity: string;
  readonly image: string;
  readonly config: string;
  readonly facts: string;
  readonly index: number;
}

/** What of a file tells whether it was changed: as JSON, to be compared. undefined when there is none that can be looked at. */
export function identityOf(path: string): string | undefined {
  try {
    const { dev, ino, size, mtime, ctime } = Deno.statSync(path);
    return JSON.stringify([dev, ino, size, mtime?.getTime(), ctime?.getTime()]);
  } catch (error) {
    // whoever opens it says why that is not possible
    if (errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}

/** Archives that `run` has used in place, so that the next run need not read them again. */
export class ArchiveCache {
  constructor(readonly database: Database, readonly indexes: IndexStore) {}

  /**
   * What is known of an archive.
   * @param identity of the file now
   * @returns undefined when it was never used, or was changed since
   */
  find(path: string, identity: string): ArchiveInPlace | undefined {
    const row = this.#row(path);
    if (row === undefined || row.identity !== identity) return undefined;
    return { image: row.image, config: row.config, facts: JSON.parse(row.facts), index: row.index };
  }

  #row(path: string): Row | undefined {
    return this.database.get<Row>(
      'SELECT identity, image, config, facts, "index" FROM archives WHERE path = ?',
      path,
    );
  }

  /** The archive that an image is in; undefined when none of those that are known is. */
  pathOf(image: string): string | undefined {
    return this.database.get<{ path: string }>("SELECT path FROM archives WHERE image = ?", image)?.path;
  }

  /** Whether an archive's index is still in the store. */
  holds(index: number): boolean {
    return this.database.get('SELECT 1 FROM archives WHERE "index" = ?', index) !== undefined;
  }

  /**
   * Remembers an archive, and forgets those that are gone or were changed.
   * @param archive its index was reserved and written by this process
   * @returns what is known of it now: another run may have been faster
   */
  add(path: string, identity: string, archive: ArchiveInPlace): ArchiveInPlace {
    const { database, indexes } = this;
    const stale = this.#stale();
    const { known, unused } = database.transaction(() => {
      const unused = [...stale, path].flatMap((each) =>
        this.#forget(each, each === path ? identity : undefined)
      );
      const known = this.find(path, identity);
      if (known !== undefined) return { known, unused };
      indexes.files.accept(archive.index);
      database.run(
        'INSERT INTO archives (path, identity, image, config, facts, "index") VALUES (?, ?, ?, ?, ?, ?)',
        path,
        identity,
        archive.image,
        archive.config,
        JSON.stringify(archive.facts),
        archive.index,
      );
      return { known: archive, unused };
    });
    stepDone();
    for (const number of unused) indexes.files.remove(number);
    if (known.index !== archive.index) indexes.files.discard(archive.index);
    return known;
  }

  /** Archives that are not what they were. */
  #stale(): string[] {
    return this.database
      .all<{ path: string; identity: string }>("SELECT path, identity FROM archives")
      .filter(({ path, identity }) => identityOf(path) !== identity)
      .map(({ path }) => path);
  }

  /** Forgets an archive unless it has an identity. Returns the number of its index, to be removed. */
  #forget(path: string, identity: string | undefined): number[] {
    const row = this.#row(path);
    if (row === undefined || row.identity === identity) return [];
    this.database.run("DELETE FROM archives WHERE path = ?", path);
    this.indexes.files.condemn(row.index);
    return [row.index];
  }

  /** Forgets archives that are gone or were changed. @returns how many bytes that gave back */
  prune(): number {
    const stale = this.#stale();
    const numbers = this.database.transaction(() => stale.flatMap((path) => this.#forget(path, undefined)));
    let size = 0;
    for (const number of numbers) {
      size += Deno.statSync(this.indexes.path(number)).size;
      this.indexes.files.remove(number);
    }
    return size;
  }

  /** What a container's overlay lies over. */
  lower(path: string, { index }: ArchiveInPlace, mount: IndexMount): Lower {
    return {
      kind: "erofs",
      loop: mount === "loop",
      folder: dirname(path),
      index: this.indexes.path(index),
      devices: [basename(path)],
    };
  }
}
