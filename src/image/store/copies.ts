/**
 * Copies of images whose files have, on the disk, the ids of containers: for hosts that cannot show files with other owners. Whatever
 * has the same files and the same ids shares one. It stays when its last container has gone, since the next is likely to get the same
 * ids, until its image is removed, or somebody prunes.
 */
import type { Database } from "../../state/database.ts";
import { copiesFolder, type Paths } from "../../state/paths.ts";
import type { IdMappings } from "../../state/user_namespace.ts";
import { chainIds } from "../chain_id.ts";
import { NumberedFiles } from "./numbered.ts";

/** What a copy of an image's layers is of: they are what they were when their digests were verified. */
export const contentOfLayers = (diffIds: readonly string[]): string => chainIds(diffIds).at(-1) ?? "nothing";

/** The same for an archive that is used where it lies: nobody has verified that. A changed one gets another index. */
export const contentOfIndex = (index: number): string => `index ${index}`;

/** The text by which ids are known again. */
function textOf({ uids, gids }: IdMappings): string {
  const numbers = (mappings: IdMappings["uids"]) =>
    mappings.map(({ containerID, hostID, size }) => [containerID, hostID, size]);
  return JSON.stringify([numbers(uids), numbers(gids)]);
}

/** A copy in the store. */
interface Copy {
  readonly number: number;
  readonly size: number;
}

/** Those that no container has. */
const IS_UNUSED = "ready AND NOT EXISTS (SELECT 1 FROM containers WHERE copy = number)";

export class CopyStore {
  readonly files: NumberedFiles;

  constructor(paths: Paths, readonly database: Database) {
    this.files = new NumberedFiles(database, "copies", copiesFolder(paths), [""]);
  }

  /** The folder of a copy. */
  folder(number: number): string {
    return this.files.path(number, "");
  }

  /**
   * Gives a container the copy that it needs, if there is one.
   * @returns its folder; undefined when it has to be made
   */
  take(container: string, ids: IdMappings): string | undefined {
    const number = this.database.get<{ copy: number }>(
      `UPDATE containers SET copy =
         (SELECT number FROM copies WHERE copies.content = containers.content AND mapping = ? AND ready)
       WHERE id = ? RETURNING copy`,
      textOf(ids),
      container,
    )?.copy;
    return typeof number === "number" ? this.folder(number) : undefined;
  }

  /** Writes down that a copy is about to be made for a container, so that it is removed should this process die. */
  reserve(container: string, ids: IdMappings): number {
    const row = this.database.get<{ content: string | null }>(
      "SELECT content FROM containers WHERE id = ?",
      container,
    );
    return this.files.reserve({ content: row?.content ?? "", mapping: textOf(ids) });
  }

  /** Takes a copy that this process has made into the store. @param size of its files, in bytes */
  accept(number: number, size: number): void {
    this.database.transaction(() => {
      this.files.accept(number);
      this.database.run("UPDATE copies SET size = ? WHERE number = ?", size, number);
    });
  }

  /** Bytes of all copies, and of those that no container has. */
  usage(): { readonly all: number; readonly unused: number } {
    const sum = (condition: string) =>
      this.database.get<{ size: number }>(
        `SELECT coalesce(sum(size), 0) AS size FROM copies WHERE ${condition}`,
      )!.size;
    return { all: sum("ready"), unused: sum(IS_UNUSED) };
  }

  /**
   * Takes copies out of the store that no container has. Belongs into a transaction; `remove` of their files comes after it.
   * @param content of which; absent for all
   */
  condemnUnused(content?: string): Copy[] {
    const unused = this.database.all<Copy>(
      `SELECT number, size FROM copies WHERE ${IS_UNUSED} AND content = coalesce(?, content)`,
      content ?? null,
    );
    for (const { number } of unused) this.files.condemn(number);
    return unused;
  }

  /** Removes all copies that no container has. @returns how many bytes that gave back */
  prune(): number {
    const unused = this.database.transaction(() => this.condemnUnused());
    for (const { number } of unused) this.files.remove(number);
    return unused.reduce((sum, { size }) => sum + size, 0);
  }
}
