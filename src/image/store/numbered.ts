import { join } from "@std/path";
import { HostError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import { removeTree } from "../../plan/undo.ts";
import type { Database } from "../../state/database.ts";
import { identify, isAlive, type ProcessIdentity } from "../../state/process_identity.ts";
import { filesWithoutRow, type NumberedTable } from "./leftovers.ts";

/**
 * Files and folders of the store that are named after the number of their row in the database. The row is there before
 * the files and goes after them; until it is ready, it belongs to the process that makes or removes them.
 */
export class NumberedFiles {
  /**
   * @param table with the columns number, ready and owner
   * @param folder that the files are in
   * @param suffixes of their names, after the number
   */
  constructor(
    readonly database: Database,
    readonly table: NumberedTable,
    readonly folder: string,
    readonly suffixes: readonly string[],
  ) {}

  path(number: number, suffix: string): string {
    return join(this.folder, `${number}${suffix}`);
  }

  /**
   * Writes down that files are about to be made, so that they are removed should this process die.
   * @param columns further columns of the row
   * @returns the number
   * @throws {HostError} when the folder for them cannot be made
   */
  reserve(columns: Readonly<Record<string, string | number | null>>): number {
    this.makeFolder();
    const values = { ...columns, owner: this.#owner() };
    const names = Object.keys(values);
    const number = this.database.run(
      `INSERT INTO ${this.table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
      ...Object.values(values),
    );
    stepDone();
    return number;
  }

  /** Makes the folder that the files are in. @throws {HostError} when that cannot be */
  makeFolder(): void {
    try {
      // programs of images with setuid are none of the host users' business
      Deno.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HostError({ what: `cannot make the folder ${JSON.stringify(this.folder)}`, why, cause });
    }
  }

  #owner(): string {
    return JSON.stringify(identify(Deno.pid));
  }

  /**
   * Makes them a part of the store. Belongs into the transaction that makes something refer to them.
   * @throws {HostError} when they are not this process's any more
   */
  accept(number: number): void {
    const accepted = this.database.get(
      `UPDATE ${this.table} SET ready = 1 WHERE number = ? AND owner = ? RETURNING number`,
      number,
      this.#owner(),
    );
    if (accepted !== undefined) return;
    throw new HostError({
      what: `cannot take ${JSON.stringify(this.path(number, ""))} into the store`,
      why: "another dhow, which does not see this process, has removed it",
      hint: "commands that share a store have to run in one PID namespace",
    });
  }

  /**
   * Takes them out of the store. Belongs into the transaction that makes nothing refer to them any more; `remove`
   * comes after it.
   */
  condemn(number: number): void {
    this.database.run(
      `UPDATE ${this.table} SET ready = 0, owner = ? WHERE number = ?`,
      this.#owner(),
      number,
    );
  }

  /** Removes what is not in the store: first the files, then the row that speaks of them. */
  remove(number: number): void {
    for (const suffix of this.suffixes) removeTree(this.path(number, suffix));
    stepDone();
    this.database.run(`DELETE FROM ${this.table} WHERE number = ? AND NOT ready`, number);
  }

  /** Removes what this process made, and will not be in the store. */
  discard(number: number): void {
    try {
      this.remove(number);
    } catch {
      // what made the work fail is what the user has to hear of; recover() removes it once this process is gone
    }
  }

  /** Removes what killed commands have left behind. */
  recover(): void {
    for (const name of filesWithoutRow(this.database, this.table, this.folder)) {
      removeTree(join(this.folder, name));
    }
    const pending = this.database.all<{ number: number; owner: string }>(
      `SELECT number, owner FROM ${this.table} WHERE NOT ready`,
    );
    for (const { number, owner } of pending) {
      if (!isAlive(JSON.parse(owner) as ProcessIdentity) && this.#adopt(number, owner)) this.remove(number);
    }
  }

  /**
   * Takes files over from a process that has ended: it may have put them into the store as the last thing it did, and
   * another command may have been faster.
   * @returns whether they are this process's now, to be removed
   */
  #adopt(number: number, owner: string): boolean {
    return this.database.get(
      `UPDATE ${this.table} SET owner = ? WHERE number = ? AND owner = ? AND NOT ready RETURNING number`,
      this.#owner(),
      number,
      owner,
    ) !== undefined;
  }
}
